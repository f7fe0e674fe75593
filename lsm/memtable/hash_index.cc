// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/hash_index.h"

#include <cassert>

namespace lsm {
namespace {

constexpr size_t kFirstSlots = 64;

}  // namespace

void HashIndex::Insert(uint64_t hash, Link link) {
  assert(link != Arena::kNull);
  if (size_ == limit_) Grow();
  Place(*table_.load(std::memory_order_relaxed), Tag(hash) << 32 | link);
  ++size_;
}

void HashIndex::Place(const Table& table, uint64_t entry) {
  size_t i = Start(entry >> 32, table.mask);
  while (table.slots[i].load(std::memory_order_relaxed) != 0) i = (i + 1) & table.mask;
  table.slots[i].store(entry, std::memory_order_release);
}

void HashIndex::Grow() {
  const Table* old = table_.load(std::memory_order_relaxed);
  const size_t slots = old == nullptr ? kFirstSlots : (old->mask + 1) * 2;
  auto table = std::make_unique<Table>();
  table->mask = slots - 1;
  table->slots = std::make_unique<Slot[]>(slots);
  for (size_t i = 0; old != nullptr && i <= old->mask; ++i) {
    const uint64_t entry = old->slots[i].load(std::memory_order_relaxed);
    if (entry != 0) Place(*table, entry);
  }
  limit_ = slots / 8 * 7;
  memory_usage_.store(MemoryUsage() + slots * sizeof(Slot) + sizeof(Table),
                      std::memory_order_relaxed);
  table_.store(table.get(), std::memory_order_release);
  tables_.push_back(std::move(table));
}

}  // namespace lsm
