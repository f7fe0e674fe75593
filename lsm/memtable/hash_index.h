// SPDX-License-Identifier: BSD-3-Clause
// HashIndex finds a node of the skiplist by the hash of its key: open addressing with linear
// probing over slots of 8 bytes, each {tag: upper half of the hash, link}. A slot is written once,
// from empty to its entry; nothing is ever removed.
//
// Thread safety: one thread inserts at a time; any number of threads look up meanwhile, without
// locks.
//
// Why a reader is safe beside the writer: a slot is one atomic word, so no half of an entry is
// ever seen, and it is stored with release after the node it links. A table that becomes too full
// is replaced by one of twice the size, filled before one release store publishes it, and kept
// until the index dies: a reader that still has the old table finds in it all that was inserted
// before it looked.
//
// Invariant: every table has an empty slot, so probing ends.

#pragma once

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

  // The link inserted with `hash` for which `matches(link)` is true, or null. Asks about few
  // others.
  template <typename Matches>
  Link Find(uint64_t hash, Matches matches) const;

  // REQUIRES: link is not null and not in the index; the writer's thread.
  void Insert(uint64_t hash, Link link);

  // Bytes taken from the system.
  size_t MemoryUsage() const { return memory_usage_.load(std::memory_order_relaxed); }

 private:
  using Slot = std::atomic<uint64_t>;  // tag << 32 | link; 0 is empty
  struct Table {
    size_t mask = 0;  // slots - 1
    std::unique_ptr<Slot[]> slots;
  };

  static uint64_t Tag(uint64_t hash) { return hash >> 32; }
  // Where probing begins. The tag holds all that growing needs, so no key is read again for it.
  static size_t Start(uint64_t tag, size_t mask) {
    return (tag * 0x9e3779b97f4a7c15u >> 32) & mask;
  }
  static void Place(const Table& table, uint64_t entry);
  void Grow();

  size_t size_ = 0;
  size_t limit_ = 0;  // entries at which the current table is replaced
  std::atomic<const Table*> table_{nullptr};
  std::vector<std::unique_ptr<Table>> tables_;
  std::atomic<size_t> memory_usage_{0};
};

template <typename Matches>
HashIndex::Link HashIndex::Find(uint64_t hash, Matches matches) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return Arena::kNull;
  const uint64_t tag = Tag(hash);
  for (size_t i = Start(tag, table->mask);; i = (i + 1) & table->mask) {
    const uint64_t entry = table->slots[i].load(std::memory_order_acquire);
    if (entry == 0) return Arena::kNull;
    const Link link = static_cast<Link>(entry);
    if (entry >> 32 == tag && matches(link)) return link;
  }
}

}  // namespace lsm
