// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/hash_index.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lsm {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kRelease = std::memory_order_release;

// Makes the version of a segment odd for as long as it lives. The stores of the rewrite are
// releases, so none of them is seen before the odd version.
class Rewrite {
 public:
  explicit Rewrite(std::atomic<uint32_t>* version) : version_(version) { Step(); }
  ~Rewrite() { Step(); }
  Rewrite(const Rewrite&) = delete;
  Rewrite& operator=(const Rewrite&) = delete;

 private:
  void Step() { version_->store(version_->load(kRelaxed) + 1, kRelease); }

  std::atomic<uint32_t>* const version_;
};

}  // namespace

// The entries of a segment, taken out of it.
struct HashIndex::Taken {
  explicit Taken(const Segment& segment) {
    const uint32_t slots = segment.slots.load(kRelaxed);
    for (uint32_t i = 0; i < slots; ++i) {
      const uint64_t entry = segment.At(i).load(kRelaxed);
      if (entry == 0) continue;
      *end++ = entry;
      segment.At(i).store(0, kRelease);
    }
  }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;

  uint64_t entries[kMaxPages * kPageSlots];
  uint64_t* end = entries;
};

void HashIndex::Insert(uint64_t hash, Link link) {
  assert(link != Arena::kNull);
  if (directory_.load(kRelaxed) == nullptr) MakeFirstSegment();
  const uint64_t tag = Tag(hash);
  for (;;) {
    Segment* const segment = directory_.load(kRelaxed)->Of(tag).load(kRelaxed);
    if (segment->size < segment->page_count() * kPageEntries) {
      Place(*segment, tag << 32 | link);
      ++segment->size;
      ++size_;
      return;
    }
    if (!MakeRoom(segment)) return AddOverflow(segment, tag << 32 | link);
  }
}

void HashIndex::Place(const Segment& segment, uint64_t entry) {
  Probe probe(segment, entry >> 32, segment.slots.load(kRelaxed));
  while (probe.slot().load(kRelaxed) != 0) probe.Next();
  probe.slot().store(entry, kRelease);
}

void HashIndex::AddOverflow(Segment* segment, uint64_t entry) {
  overflows_.push_back(
      std::make_unique<const Overflow>(Overflow{entry, segment->overflow.load(kRelaxed)}));
  segment->overflow.store(overflows_.back().get(), kRelease);
  CountMemory(sizeof(Overflow));
}

void HashIndex::MakeFirstSegment() {
  auto directory = std::make_unique<Directory>(0);
  Segment* const segment = NewSegment(0, 0);
  segment->pages[0].store(NewPage(), kRelaxed);
  segment->slots.store(kPageSlots, kRelaxed);
  directory->Of(0).store(segment, kRelaxed);
  directory_.store(directory.get(), kRelease);
  CountMemory(sizeof(Directory) + sizeof(directory->segments[0]));
  directories_.push_back(std::move(directory));
}

HashIndex::Segment* HashIndex::NewSegment(uint32_t depth, uint64_t prefix) {
  segments_.push_back(std::make_unique<Segment>());
  segments_.back()->depth = depth;
  segments_.back()->prefix = prefix;
  CountMemory(sizeof(Segment));
  return segments_.back().get();
}

HashIndex::Slot* HashIndex::NewPage() {
  pages_.push_back(std::make_unique<Slot[]>(kPageSlots));
  CountMemory(kPageSlots * sizeof(Slot));
  return pages_.back().get();
}

bool HashIndex::MakeRoom(Segment* segment) {
  if (segment->page_count() < kMaxPages) {
    AddPage(segment);
    return true;
  }
  // With honest hashes all segments are about equally deep. A directory that is much larger than
  // the entries need would be the work of chosen keys.
  const size_t needed = size_ / (kMaxPages * kPageEntries) + 1;
  if (segment->depth == kMaxDepth || (size_t{1} << segment->depth) > 16 * needed) return false;
  Split(segment);
  return true;
}

void HashIndex::AddPage(Segment* segment) {
  const uint32_t old_slots = segment->slots.load(kRelaxed);
  Slot* const page = NewPage();
  const Rewrite rewrite(&segment->version);
  const Taken taken(*segment);
  segment->pages[old_slots / kPageSlots].store(page, kRelease);
  segment->slots.store(old_slots + kPageSlots, kRelease);
  for (const uint64_t* entry = taken.entries; entry != taken.end; ++entry) Place(*segment, *entry);
}

void HashIndex::Split(Segment* segment) {
  // 1. Make the twin and room for the directory's next bit, if it needs one.
  const uint32_t depth = segment->depth + 1;
  Segment* const twin = NewSegment(depth, segment->prefix << 1 | 1);
  if (directory_.load(kRelaxed)->depth < depth) DoubleDirectory();
  const Rewrite rewrite(&segment->version);
  // 2. Take all entries out, those of the twin to the back.
  Taken taken(*segment);
  const uint64_t bit = uint64_t{1} << (64 - depth);
  const uint64_t* const middle = std::partition(
      taken.entries, taken.end, [bit](uint64_t entry) { return (entry & bit) == 0; });
  segment->prefix <<= 1;
  segment->depth = depth;
  segment->size = static_cast<uint32_t>(middle - taken.entries);
  twin->size = static_cast<uint32_t>(taken.end - middle);
  // 3. Deal the pages out: to each what its entries need, the rest to the first.
  // What was left out may belong to either: its tag tells.
  twin->overflow.store(segment->overflow.load(kRelaxed), kRelaxed);
  const uint32_t twin_pages = PagesFor(twin->size);
  const uint32_t own_pages = std::max(PagesFor(segment->size), kMaxPages - twin_pages);
  for (uint32_t i = 0; i < twin_pages; ++i) {
    const uint32_t given = own_pages + i;
    Slot* const page = given < kMaxPages ? segment->pages[given].load(kRelaxed) : NewPage();
    twin->pages[i].store(page, kRelaxed);
  }
  segment->slots.store(own_pages * kPageSlots, kRelease);
  twin->slots.store(twin_pages * kPageSlots, kRelaxed);
  // 4. Fill both, and show the twin to readers.
  for (const uint64_t* entry = taken.entries; entry != taken.end; ++entry) {
    Place(entry < middle ? *segment : *twin, *entry);
  }
  const Directory& directory = *directory_.load(kRelaxed);
  const size_t share = size_t{1} << (directory.depth - depth);
  for (size_t i = 0; i < share; ++i) {
    directory.segments[twin->prefix * share + i].store(twin, kRelease);
  }
}

void HashIndex::DoubleDirectory() {
  const Directory& old = *directory_.load(kRelaxed);
  auto directory = std::make_unique<Directory>(old.depth + 1);
  const size_t size = size_t{1} << directory->depth;
  for (size_t i = 0; i < size; ++i) {
    directory->segments[i].store(old.segments[i / 2].load(kRelaxed), kRelaxed);
  }
  CountMemory(sizeof(Directory) + size * sizeof(directory->segments[0]));
  directory_.store(directory.get(), kRelease);
  directories_.push_back(std::move(directory));
}

void HashIndex::CountMemory(size_t bytes) { memory_usage_.store(MemoryUsage() + bytes, kRelaxed); }

}  // namespace lsm
