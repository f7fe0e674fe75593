// SPDX-License-Identifier: BSD-3-Clause
// The budget is one number for all shards; shards only spread the lock. Inserting:
//
// 1. Take the charge from the budget, if it is free.
// 2. If not, evict one entry and go back to 1. The shards give victims in turn, so that together
//    they behave as one clock; none gives one while it is empty, and when all are empty the block
//    is larger than the budget and is not kept.
// 3. Put the entry into the key's shard.
//
// An insertion evicts a bounded number of entries: after the capacity was lowered by much, blocks
// are not kept for a while rather than one caller doing all the work. So the usage exceeds the
// capacity only by what is pinned, and until Shrink has caught up with SetCapacity. A shard is an
// array of entries, linked into hash chains by index, that the hand sweeps; an entry begins without
// its reference bit, so a block that is used once goes first.

#include "lsm/sst/block_cache.h"

#include <array>
#include <atomic>
#include <utility>
#include <vector>

#include "lsm/sst/block.h"
#include "lsm/util/check.h"
#include "lsm/util/mutex.h"

namespace lsm {
namespace {

constexpr size_t kShards = 16;
constexpr uint32_t kNone = UINT32_MAX;
constexpr size_t kMostVictims = 256;  // of one caller, and one more a kilobyte that he brings

struct Key {
  uint64_t file;
  uint64_t offset;
  bool operator==(const Key&) const = default;

  uint64_t Hash() const {
    uint64_t h = (file * 0x9e3779b97f4a7c15u) ^ (offset * 0xc2b2ae3d27d4eb4fu);
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
  }
};

// In one line of the processor's cache, which is mostly not there when it is asked for.
struct alignas(64) Entry {
  Key key = {};
  std::shared_ptr<const Block> block;  // null: a free place
  const char* directory = nullptr;     // of the block
  size_t charge = 0;
  bool referenced = false;
  uint32_t pins = 0;
  uint32_t next = kNone;  // in its chain, or in the list of free places
};

class Shard {
 public:
  std::shared_ptr<const Block> Lookup(const Key& key, uint64_t hash) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    const uint32_t i = Find(key, hash);
    if (i == kNone) {
      ++misses_;
      return nullptr;
    }
    ++hits_;
    entries_[i].referenced = true;
    // Comes from memory at the same time as the block's count of references.
    __builtin_prefetch(entries_[i].directory);
    __builtin_prefetch(entries_[i].directory + 64);
    return entries_[i].block;
  }

  void PrefetchEntry(uint64_t hash) const EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    if (heads_.empty()) return;
    const uint32_t i = heads_[hash / kShards & (heads_.size() - 1)];
    if (i == kNone) return;
    const Entry* const entry = &entries_[i];
    __builtin_prefetch(entry);
    __builtin_prefetch(&entry->next);
  }

  void PrefetchBlock(const Key& key, uint64_t hash) const EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    const uint32_t i = Find(key, hash);
    if (i != kNone) __builtin_prefetch(entries_[i].block.get());
  }

  std::shared_ptr<const Block> Peek(const Key& key, uint64_t hash) const EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    const uint32_t i = Find(key, hash);
    return i == kNone ? nullptr : entries_[i].block;
  }

  // Puts an entry in unless there is one of the same key; says whether it did.
  bool Insert(const Key& key, uint64_t hash, std::shared_ptr<const Block> block, size_t charge,
              bool pin) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    if (const uint32_t i = Find(key, hash); i != kNone) {
      if (pin) PinEntry(&entries_[i]);
      return false;
    }
    if (live_ >= heads_.size()) Grow();
    uint32_t i = free_;
    if (i != kNone) {
      free_ = entries_[i].next;
    } else {
      i = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    }
    uint32_t& head = heads_[hash / kShards & (heads_.size() - 1)];
    const char* const directory = block->directory();
    entries_[i] = {key, std::move(block), directory, charge, false, 0, head};
    if (pin) PinEntry(&entries_[i]);
    head = i;
    ++live_;
    return true;
  }

  // Returns the entry's charge: 0 if there is none.
  size_t PinIfPresent(const Key& key, uint64_t hash) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    const uint32_t i = Find(key, hash);
    if (i == kNone) return 0;
    PinEntry(&entries_[i]);
    return entries_[i].charge;
  }

  // REQUIRES: the entry is pinned.
  void Unpin(const Key& key, uint64_t hash) EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    const uint32_t i = Find(key, hash);
    VARVE_CHECK(i != kNone && entries_[i].pins > 0);
    if (--entries_[i].pins == 0) pinned_.fetch_sub(entries_[i].charge, std::memory_order_relaxed);
  }

  size_t pinned_bytes() const { return pinned_.load(std::memory_order_relaxed); }

  // Returns the charge of what was evicted: 0 if there is nothing that is not pinned.
  size_t EvictOne() EXCLUDES_LOCK(mutex_) {
    Entry victim;  // freed after the lock
    MutexLock lock(&mutex_);
    if (live_ == 0) return 0;
    // Two rounds suffice: the first one takes the reference bits away.
    for (size_t steps = 0; steps < 2 * entries_.size(); ++steps) {
      hand_ = hand_ + 1 < entries_.size() ? hand_ + 1 : 0;
      Entry& entry = entries_[hand_];
      if (entry.block == nullptr || entry.pins != 0) continue;
      if (std::exchange(entry.referenced, false)) continue;
      victim = Unlink(static_cast<uint32_t>(hand_));
      return victim.charge;
    }
    return 0;
  }

  uint64_t hits() const EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    return hits_;
  }
  uint64_t misses() const EXCLUDES_LOCK(mutex_) {
    MutexLock lock(&mutex_);
    return misses_;
  }

 private:
  uint32_t Find(const Key& key, uint64_t hash) const REQUIRES_LOCK(mutex_) {
    if (heads_.empty()) return kNone;
    uint32_t i = heads_[hash / kShards & (heads_.size() - 1)];
    while (i != kNone && entries_[i].key != key) i = entries_[i].next;
    return i;
  }

  void PinEntry(Entry* entry) REQUIRES_LOCK(mutex_) {
    if (entry->pins++ == 0) pinned_.fetch_add(entry->charge, std::memory_order_relaxed);
  }

  // Takes entry `i` out of its chain and frees its place.
  Entry Unlink(uint32_t i) REQUIRES_LOCK(mutex_) {
    uint32_t* link = &heads_[entries_[i].key.Hash() / kShards & (heads_.size() - 1)];
    while (*link != i) link = &entries_[*link].next;
    *link = entries_[i].next;
    Entry out = std::move(entries_[i]);
    entries_[i] = {};
    entries_[i].next = free_;
    free_ = i;
    --live_;
    return out;
  }

  // Doubles the chains.
  void Grow() REQUIRES_LOCK(mutex_) {
    heads_.assign(heads_.empty() ? 16 : heads_.size() * 2, kNone);
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].block == nullptr) continue;
      uint32_t& head = heads_[entries_[i].key.Hash() / kShards & (heads_.size() - 1)];
      entries_[i].next = head;
      head = i;
    }
  }

  std::atomic<size_t> pinned_{0};  // charges of pinned entries
  mutable Mutex mutex_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);
  std::vector<uint32_t> heads_ GUARDED_BY(mutex_);  // first of each chain; a power of two
  uint32_t free_ GUARDED_BY(mutex_) = kNone;        // first free place
  size_t live_ GUARDED_BY(mutex_) = 0;
  size_t hand_ GUARDED_BY(mutex_) = 0;  // of the clock: the place it looked at last
  uint64_t hits_ GUARDED_BY(mutex_) = 0;
  uint64_t misses_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

struct BlockCache::Rep {
  explicit Rep(size_t bytes) : capacity(bytes) {}

  bool TryReserve(size_t charge) {
    const size_t limit = capacity.load(std::memory_order_relaxed);
    size_t used = usage.load(std::memory_order_relaxed);
    do {
      if (charge > limit || used > limit - charge) return false;
    } while (!usage.compare_exchange_weak(used, used + charge, std::memory_order_relaxed));
    return true;
  }

  // False if no shard had an entry that is not pinned.
  bool EvictOne() {
    if (PinnedBytes() >= usage.load(std::memory_order_relaxed)) return false;
    for (size_t tries = 0; tries < kShards; ++tries) {
      Shard& shard = shards[turn.fetch_add(1, std::memory_order_relaxed) % kShards];
      if (const size_t freed = shard.EvictOne(); freed != 0) {
        usage.fetch_sub(freed, std::memory_order_relaxed);
        return true;
      }
    }
    return false;
  }

  // Evicts until the charge is reserved; gives up where that takes too long.
  bool Reserve(size_t charge) {
    for (size_t victims = 0; !TryReserve(charge); ++victims) {
      if (victims == kMostVictims + charge / 1024 || !EvictOne()) return false;
    }
    return true;
  }

  size_t PinnedBytes() const {
    size_t sum = 0;
    for (const Shard& shard : shards) sum += shard.pinned_bytes();
    return sum;
  }

  std::array<Shard, kShards> shards;
  std::atomic<size_t> capacity;
  std::atomic<size_t> usage{0};
  std::atomic<size_t> turn{0};  // the shard that gives the next victim
};

BlockCache::BlockCache(size_t capacity_bytes) : rep_(std::make_unique<Rep>(capacity_bytes)) {}
BlockCache::~BlockCache() = default;

std::shared_ptr<const Block> BlockCache::Lookup(uint64_t file, uint64_t offset) {
  const Key key{file, offset};
  const uint64_t hash = key.Hash();
  return rep_->shards[hash % kShards].Lookup(key, hash);
}

void BlockCache::PrefetchEntry(uint64_t file, uint64_t offset) const {
  const uint64_t hash = Key{file, offset}.Hash();
  rep_->shards[hash % kShards].PrefetchEntry(hash);
}

void BlockCache::PrefetchBlock(uint64_t file, uint64_t offset) const {
  const Key key{file, offset};
  const uint64_t hash = key.Hash();
  rep_->shards[hash % kShards].PrefetchBlock(key, hash);
}

std::shared_ptr<const Block> BlockCache::Peek(uint64_t file, uint64_t offset) const {
  const Key key{file, offset};
  const uint64_t hash = key.Hash();
  return rep_->shards[hash % kShards].Peek(key, hash);
}

void BlockCache::Insert(uint64_t file, uint64_t offset, std::shared_ptr<const Block> block,
                        size_t charge) {
  assert(block != nullptr && charge > 0);
  if (!rep_->TryReserve(charge)) {
    // Rather than emptying the cache in vain.
    const size_t capacity = capacity_bytes();
    const size_t pinned = rep_->PinnedBytes();
    if (pinned > capacity || charge > capacity - pinned) return;
    if (!rep_->Reserve(charge)) return;
  }
  const Key key{file, offset};
  const uint64_t hash = key.Hash();
  if (!rep_->shards[hash % kShards].Insert(key, hash, std::move(block), charge, /*pin=*/false)) {
    rep_->usage.fetch_sub(charge, std::memory_order_relaxed);
  }
}

BlockCache::Pin BlockCache::InsertPinned(uint64_t file, uint64_t offset,
                                         std::shared_ptr<const Block> block, size_t charge) {
  assert(block != nullptr && charge > 0);
  if (!rep_->Reserve(charge)) rep_->usage.fetch_add(charge, std::memory_order_relaxed);
  const Key key{file, offset};
  const uint64_t hash = key.Hash();
  if (!rep_->shards[hash % kShards].Insert(key, hash, std::move(block), charge, /*pin=*/true)) {
    rep_->usage.fetch_sub(charge, std::memory_order_relaxed);
  }
  Pin pin;
  pin.rep_ = rep_.get();
  pin.key_ = {file, offset};
  pin.charge_ = charge;
  return pin;
}

BlockCache::Pin BlockCache::PinIfPresent(uint64_t file, uint64_t offset) {
  const Key key{file, offset};
  const uint64_t hash = key.Hash();
  Pin pin;
  pin.charge_ = rep_->shards[hash % kShards].PinIfPresent(key, hash);
  if (pin.charge_ == 0) return pin;
  pin.rep_ = rep_.get();
  pin.key_ = {file, offset};
  return pin;
}

// What was beyond the budget leaves with the pins that kept it.
void BlockCache::Pin::Release() {
  Rep* const rep = std::exchange(rep_, nullptr);
  if (rep == nullptr) return;
  const Key key{key_.first, key_.second};
  const uint64_t hash = key.Hash();
  rep->shards[hash % kShards].Unpin(key, hash);
  for (size_t victims = 0; victims < kMostVictims; ++victims) {
    if (rep->usage.load(std::memory_order_relaxed) <= rep->capacity.load(std::memory_order_relaxed))
      return;
    if (!rep->EvictOne()) return;
  }
}

size_t BlockCache::usage_bytes() const { return rep_->usage.load(std::memory_order_relaxed); }
size_t BlockCache::capacity_bytes() const { return rep_->capacity.load(std::memory_order_relaxed); }

void BlockCache::SetCapacity(size_t bytes) {
  rep_->capacity.store(bytes, std::memory_order_relaxed);
}

bool BlockCache::Shrink(size_t entries) {
  for (; usage_bytes() > capacity_bytes(); --entries) {
    if (entries == 0) return true;
    if (!rep_->EvictOne()) return false;
  }
  return false;
}

uint64_t BlockCache::hits() const {
  uint64_t sum = 0;
  for (const Shard& shard : rep_->shards) sum += shard.hits();
  return sum;
}

uint64_t BlockCache::misses() const {
  uint64_t sum = 0;
  for (const Shard& shard : rep_->shards) sum += shard.misses();
  return sum;
}

}  // namespace lsm
