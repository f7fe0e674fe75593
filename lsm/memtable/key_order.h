// SPDX-License-Identifier: BSD-3-Clause
// KeyOrder keeps the nodes of a memtable in bytewise order of their keys, and pays for order only
// when somebody walks it. Point reads and writes go through the hash index; a new key is appended
// to a list here, and the list becomes sorted runs:
//
//     run   run   run ...      sorted, immutable arrays of links; a node is in exactly one
//     chunk -> chunk -> tail   links in the order of insertion
//
//   1. The writer appends to the tail. A tail of 4,096 is sorted into a run by the writer, in one
//      go while its nodes are still in the cache: 50 ns a key, where a skiplist's insertion into
//      a table of half a million keys takes 1.5 to 2 us.
//   2. Whoever wants to walk sorts what is left in the chunks first, so that the runs hold every
//      node that was appended before. It then merges one window of neighbouring small runs into
//      one run: newest first, each no larger than twice what the newer ones hold together
//      (the logarithmic method: Bentley and Saxe, "Decomposable Searching Problems I", 1980). At
//      most 65,536 links are merged in one go, so nobody is held up for more than milliseconds,
//      and a table that is walked often has a dozen runs.
//   3. A Cursor walks the merge of all runs. A frozen table is flushed that way.
//
// Thread safety: one thread appends at a time; any thread may call Sorted() and use Cursors.
//
// Why a walker is safe beside the writer:
//   - A link is stored before the size of its chunk that counts it (release), so who reads the size
//     (acquire) may follow the link. A chunk is linked from the one before when that one is full.
//   - Chunks are sorted, counted as sorted and freed under `mutex_` only. The writer never waits
//     for it: if somebody else has it, the full chunk stays for later.
//   - Runs are immutable and live as long as somebody holds them.

#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lsm/memtable/arena.h"
#include "lsm/util/mutex.h"

namespace lsm {

// A user key in an arena, and `newest`: what its owner hangs from it.
class KeyNode {
 public:
  using Link = Arena::Link;

  std::string_view key() const {
    return {reinterpret_cast<const char*>(this) + sizeof(KeyNode), key_size_};
  }
  Link newest() const { return newest_.load(std::memory_order_acquire); }
  // Publishes `newest` and all that was written before the call. REQUIRES: the writer's thread.
  // Nodes are const for readers.
  void SetNewest(Link newest) const {
    const_cast<KeyNode*>(this)->newest_.store(newest, std::memory_order_release);
  }
  // Asks for a node, with its key if that is short.
  static void Prefetch(const Arena& arena, Link link) {
    constexpr size_t kWithShortKey = 32;  // it may reach into the next cache line
    __builtin_prefetch(arena.At(link));
    __builtin_prefetch(arena.At(link) + kWithShortKey);
  }
  // Asks for the beginning of the newest record.
  void PrefetchNewest(const Arena& arena) const {
    constexpr size_t kCacheLine = 64;
    const Link link = newest();
    if (link == Arena::kNull) return;
    __builtin_prefetch(arena.At(link));
    __builtin_prefetch(arena.At(link) + kCacheLine);
  }

  // REQUIRES: the arena's allocating thread; key.size() < 2^32
  static Link Make(Arena* arena, std::string_view key) {
    const Link link = arena->Allocate(sizeof(KeyNode) + key.size());
    new (arena->At(link)) KeyNode(key);
    return link;
  }
  static const KeyNode* At(const Arena& arena, Link link) {
    return std::launder(reinterpret_cast<const KeyNode*>(arena.At(link)));
  }

 private:
  explicit KeyNode(std::string_view key) : key_size_(static_cast<uint32_t>(key.size())) {
    std::memcpy(reinterpret_cast<char*>(this) + sizeof(KeyNode), key.data(), key.size());
  }

  std::atomic<Link> newest_{Arena::kNull};
  const uint32_t key_size_;
};
static_assert(sizeof(KeyNode) == 8);

class KeyOrder {
 public:
  using Link = Arena::Link;
  using Run = std::vector<Link>;
  using Runs = std::vector<std::shared_ptr<const Run>>;

  explicit KeyOrder(const Arena* arena);
  ~KeyOrder();
  KeyOrder(const KeyOrder&) = delete;
  KeyOrder& operator=(const KeyOrder&) = delete;

  // REQUIRES: the writer's thread; no node in here has the same key.
  void Append(Link node);

  // Every node that was appended before the call, and maybe later ones.
  std::shared_ptr<const Runs> Sorted() const EXCLUDES_LOCK(mutex_);

  // Bytes taken from the system, but for what walkers still hold.
  size_t MemoryUsage() const { return memory_usage_.load(std::memory_order_relaxed); }

  class Cursor;

 private:
  static constexpr uint32_t kFirstChunk = 32;
  static constexpr uint32_t kMaxChunk = 4096;
  static constexpr size_t kMaxMerge = 65'536;

  struct Chunk;

  // Makes a run of what the chunks hold beyond what is sorted. `full_only`: leaves the tail alone.
  void SortChunks(bool full_only) const REQUIRES_LOCK(mutex_);
  // Step 2's merge of small runs.
  void MergeSmallRuns() const REQUIRES_LOCK(mutex_);
  void ReplaceRuns(size_t begin, size_t end, Run merged) const REQUIRES_LOCK(mutex_);
  void CountMemory(ptrdiff_t bytes) const;

  const Arena* const arena_;
  Chunk* tail_ = nullptr;                        // the writer's
  std::atomic<Chunk*> first_appended_{nullptr};  // the first chunk of all, for who comes first
  mutable std::atomic<size_t> memory_usage_{0};

  mutable Mutex mutex_;
  mutable std::unique_ptr<Chunk> chunks_ GUARDED_BY(mutex_);  // the oldest, which owns the next
  mutable uint32_t sorted_of_first_ GUARDED_BY(mutex_) = 0;   // links of it that are in runs
  mutable std::shared_ptr<const Runs> runs_ GUARDED_BY(mutex_);
};

// A place in the order of some runs. Thread safety: none; the arena must outlive it.
class KeyOrder::Cursor {
 public:
  Cursor(const Arena* arena, std::shared_ptr<const Runs> runs);

  // Null at either end.
  const KeyNode* node() const { return node_; }

  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key);        // to the first node at or behind `key`
  void SeekBefore(std::string_view key);  // to the last node before `key`
  // REQUIRES: node() is not null
  void Next();
  void Prev();

 private:
  // The place in one run. `prefix` is the 8 bytes of the key that follow those that all keys have
  // in common, so that most comparisons need not follow the link.
  struct Head {
    uint64_t prefix;
    const KeyNode* node;
    const Run* run;
    size_t position;
  };

  uint64_t PrefixOf(const KeyNode& node) const;
  bool Less(const Head& a, const Head& b) const;
  // Whether `a` comes before `b` on the way that is gone.
  bool Before(const Head& a, const Head& b) const { return forward_ ? Less(a, b) : Less(b, a); }
  size_t LowerBound(const Run& run, std::string_view key) const;
  // Puts the head of each run at the position that `position_of(run)` says, if there is one there.
  template <typename PositionOf>
  void Place(bool forward, PositionOf position_of);
  // Moves the first head one on.
  void Step();
  void Sift(size_t at);
  void Settle() { node_ = heads_.empty() ? nullptr : heads_.front().node; }

  const Arena& arena_;
  const std::shared_ptr<const Runs> runs_;
  size_t common_ = 0;  // bytes that all keys have in common
  bool forward_ = true;
  std::vector<Head> heads_;  // a heap, the next one first
  const KeyNode* node_ = nullptr;
};

}  // namespace lsm
