// SPDX-License-Identifier: BSD-3-Clause
// HashIndex finds a node of a memtable by the hash of its key, mostly with one look.
//
// Extendible hashing (Fagin, Nievergelt, Pippenger and Strong 1979) with segments that grow a page
// at a time:
//
//     directory, by the first bits of the tag -> segment: up to 8 pages -> page: 128 slots
//     slot, 8 bytes: tag (upper half of the hash) << 32 | link; 0 is empty
//
// Within a segment, slots are probed linearly. A segment that is 75 % full gets one more page; one
// of 8 pages is split in two by the next bit of the tag, and gives half of its pages to its twin.
// So the index grows in steps of at most 1,024 entries, is never copied as a whole, leaves no
// garbage behind, and is 60 to 75 % full once it has some segments: 10.7 to 13.3 bytes a key.
// (Fuller would cost time: a probe for an absent key, which every new key is, looks at 3.6 to 8.5
// slots; at 85 % it would be 23.)
//
// Thread safety: one thread inserts at a time; any number of threads look up meanwhile.
//
// Why a reader is safe beside the writer:
//   1. A slot is one atomic word and is stored with release after its node was linked, so a link is
//      whole and good to follow, in whatever page it is found. The caller compares the key, and a
//      key has one node: what is found is right, always.
//   2. Between two rewrites a segment only gains entries, so a key that was in it when the reader
//      began is found. A rewrite makes the segment's version odd before it touches a slot and even
//      after all is in place. A reader that saw a slot of a rewrite (acquire) also sees its odd
//      version or a later one afterwards; so if the version is even and the same before and after,
//      the reader probed one state of the segment. If not, it looks again: a rewrite moves at most
//      1,024 words.
//   3. A split stores the twin into the directory before the version becomes even. A reader that
//      began with the even version and the old directory therefore sees the twin when it looks into
//      the directory again, and begins anew. A key's segment never becomes its segment again after
//      a split moved it away.
//   4. Pages, segments and directories live as long as the index.
//
// Equal tags that no split can part are left out once their segment is full, and chained from the
// segment: finding them takes a walk along the chain.
//
// Invariants: a segment has at least one empty slot; all entries of a segment have its prefix.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lsm/memtable/arena.h"

namespace lsm {

class HashIndex {
 public:
  using Link = Arena::Link;

  HashIndex() = default;
  HashIndex(const HashIndex&) = delete;
  HashIndex& operator=(const HashIndex&) = delete;

  // The link inserted with `hash` for which `matches(link)` is true, null if there is none. Asks
  // about few others.
  template <typename Matches>
  Link Find(uint64_t hash, Matches matches) const;

  // What Find looks at, in this order, so that it can be on its way into the cache. FirstWithTag is
  // most likely what Find will ask about; null says nothing.
  void PrefetchSegment(uint64_t hash) const;
  void PrefetchSlot(uint64_t hash) const;
  Link FirstWithTag(uint64_t hash) const;

  // REQUIRES: link is not null and not in the index; the writer's thread.
  void Insert(uint64_t hash, Link link);

  // Bytes taken from the system.
  size_t MemoryUsage() const { return memory_usage_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kPageSlots = 128;
  static constexpr uint32_t kPageEntries = kPageSlots * 75 / 100;
  static constexpr uint32_t kMaxPages = 8;
  static constexpr uint32_t kMaxDepth = 20;

  using Slot = std::atomic<uint64_t>;

  // An entry that had no room.
  struct Overflow {
    const uint64_t entry;
    const Overflow* const next;
  };

  struct alignas(64) Segment {
    std::atomic<uint32_t> version{0};  // odd during a rewrite
    std::atomic<uint32_t> slots{0};    // of all its pages
    std::atomic<const Overflow*> overflow{nullptr};
    std::array<std::atomic<Slot*>, kMaxPages> pages{};
    // The writer's:
    uint32_t size = 0;
    uint32_t depth = 0;   // how many first bits of the tag its entries share,
    uint64_t prefix = 0;  // and these bits

    Slot& At(uint32_t i) const {
      return pages[i / kPageSlots].load(std::memory_order_acquire)[i % kPageSlots];
    }
    uint32_t page_count() const { return slots.load(std::memory_order_relaxed) / kPageSlots; }
  };

  // The slots of a segment in the order in which an entry with this tag may lie in them.
  class Probe {
   public:
    Probe(const Segment& segment, uint64_t tag, uint32_t slots)
        : segment_(segment), slots_(slots), at_(Start(tag, slots)), left_(slots) {
      if (left_ > 0) LoadPage();
    }
    bool More() const { return left_ > 0; }
    Slot& slot() const { return page_[at_ % kPageSlots]; }
    void Next() {
      --left_;
      if (++at_ % kPageSlots != 0) return;
      if (at_ == slots_) at_ = 0;
      LoadPage();
    }

   private:
    void LoadPage() { page_ = segment_.pages[at_ / kPageSlots].load(std::memory_order_acquire); }

    const Segment& segment_;
    const uint32_t slots_;
    uint32_t at_;
    uint32_t left_;
    Slot* page_ = nullptr;
  };

  struct Directory {
    explicit Directory(uint32_t depth_of_all)
        : depth(depth_of_all),
          segments(std::make_unique<std::atomic<Segment*>[]>(size_t{1} << depth)) {}
    std::atomic<Segment*>& Of(uint64_t tag) const { return segments[tag >> (32 - depth)]; }

    const uint32_t depth;
    const std::unique_ptr<std::atomic<Segment*>[]> segments;
  };

  static uint64_t Tag(uint64_t hash) { return hash >> 32; }
  // Where probing begins among `slots`. The tag holds all that growing needs, so that no key is
  // read again for it; the multiplication brings down the bits that the segment does not share.
  static uint32_t Start(uint64_t tag, uint32_t slots) {
    const uint64_t mixed = static_cast<uint32_t>(tag) * uint64_t{0x9e3779b1u} & 0xffffffffu;
    return static_cast<uint32_t>(mixed * slots >> 32);
  }

  struct Taken;

  // Pages for `entries` and, if there may be so many, one more.
  static uint32_t PagesFor(uint32_t entries) {
    return std::min(entries / kPageEntries + 1, kMaxPages);
  }
  // Puts the entry into the first empty slot of its way.
  static void Place(const Segment& segment, uint64_t entry);
  void MakeFirstSegment();
  Segment* NewSegment(uint32_t depth, uint64_t prefix);
  Slot* NewPage();
  void AddOverflow(Segment* segment, uint64_t entry);
  // False if the segment can grow no more.
  bool MakeRoom(Segment* segment);
  void AddPage(Segment* segment);
  void Split(Segment* segment);
  void DoubleDirectory();
  void CountMemory(size_t bytes);

  size_t size_ = 0;
  std::atomic<const Directory*> directory_{nullptr};
  std::vector<std::unique_ptr<const Directory>> directories_;
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<std::unique_ptr<Slot[]>> pages_;
  std::vector<std::unique_ptr<const Overflow>> overflows_;
  std::atomic<size_t> memory_usage_{0};
};

template <typename Matches>
HashIndex::Link HashIndex::Find(uint64_t hash, Matches matches) const {
  const uint64_t tag = Tag(hash);
  const Directory* directory = directory_.load(std::memory_order_acquire);
  if (directory == nullptr) return Arena::kNull;
  for (;;) {
    const Segment* segment = directory->Of(tag).load(std::memory_order_acquire);
    const uint32_t version = segment->version.load(std::memory_order_acquire);
    const uint32_t slots = segment->slots.load(std::memory_order_acquire);
    for (Probe probe(*segment, tag, slots); probe.More(); probe.Next()) {
      const uint64_t entry = probe.slot().load(std::memory_order_acquire);
      if (entry == 0) break;
      if (entry >> 32 == tag && matches(static_cast<Link>(entry))) return static_cast<Link>(entry);
    }
    const Overflow* left_out = segment->overflow.load(std::memory_order_acquire);
    for (; left_out != nullptr; left_out = left_out->next) {
      const Link link = static_cast<Link>(left_out->entry);
      if (left_out->entry >> 32 == tag && matches(link)) return link;
    }
    directory = directory_.load(std::memory_order_acquire);
    if (version % 2 == 0 && segment->version.load(std::memory_order_acquire) == version &&
        directory->Of(tag).load(std::memory_order_acquire) == segment) {
      return Arena::kNull;
    }
  }
}

inline void HashIndex::PrefetchSegment(uint64_t hash) const {
  const Directory* const directory = directory_.load(std::memory_order_acquire);
  if (directory == nullptr) return;
  const auto* const segment =
      reinterpret_cast<const char*>(directory->Of(Tag(hash)).load(std::memory_order_acquire));
  __builtin_prefetch(segment);
  __builtin_prefetch(segment + alignof(Segment));
}

inline void HashIndex::PrefetchSlot(uint64_t hash) const {
  const Directory* const directory = directory_.load(std::memory_order_acquire);
  if (directory == nullptr) return;
  const uint64_t tag = Tag(hash);
  const Segment* const segment = directory->Of(tag).load(std::memory_order_acquire);
  __builtin_prefetch(&segment->At(Start(tag, segment->slots.load(std::memory_order_acquire))));
}

inline HashIndex::Link HashIndex::FirstWithTag(uint64_t hash) const {
  constexpr int kProbes = 8;
  const Directory* const directory = directory_.load(std::memory_order_acquire);
  if (directory == nullptr) return Arena::kNull;
  const uint64_t tag = Tag(hash);
  const Segment* const segment = directory->Of(tag).load(std::memory_order_acquire);
  Probe probe(*segment, tag, segment->slots.load(std::memory_order_acquire));
  for (int probes = 0; probes < kProbes && probe.More(); ++probes, probe.Next()) {
    const uint64_t entry = probe.slot().load(std::memory_order_acquire);
    if (entry == 0) break;
    if (entry >> 32 == tag) return static_cast<Link>(entry);
  }
  return Arena::kNull;
}

}  // namespace lsm
