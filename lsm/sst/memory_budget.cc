// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/memory_budget.h"

#include <algorithm>
#include <cstdint>

namespace lsm {

MemoryBudget::MemoryBudget(const Options& options, BlockCache* blocks)
    : memtable_size_(options.memtable_size),
      write_buffer_budget_(options.write_buffer_budget),
      block_cache_size_(options.block_cache_size),
      blocks_(blocks) {
  SetLimit(options.memory_limit);
}

void MemoryBudget::SetLimit(size_t bytes) {
  limit_.store(bytes == 0 ? 0 : std::max(bytes, kLeastLimit), std::memory_order_relaxed);
  Apply();
}

size_t MemoryBudget::usable() const {
  constexpr size_t kProgram = size_t{12} << 20;
  const size_t whole = limit();
  return whole == 0 ? 0 : whole - whole / 8 - kProgram;
}

size_t MemoryBudget::write_buffer_budget() const {
  const size_t share = usable() / 8 * 3;
  return share == 0 ? write_buffer_budget_ : std::min(write_buffer_budget_, share);
}

size_t MemoryBudget::memtable_size() const {
  if (limit() == 0) return memtable_size_;
  return std::min(memtable_size_, std::max<size_t>(write_buffer_budget() / 4, 1));
}

size_t MemoryBudget::table_limit() const { return limit() == 0 ? SIZE_MAX : usable() / 4; }

size_t MemoryBudget::Rest() const {
  const size_t whole = usable();
  if (whole == 0) return block_cache_size_;
  const size_t buffers = (size_t{4} << 20) + whole / 32;
  const size_t taken = buffers + memtables_.load(std::memory_order_relaxed) +
                       tables_.load(std::memory_order_relaxed);
  return std::max(whole - std::min(whole, taken), whole / 8);
}

void MemoryBudget::Apply() {
  MutexLock lock(&mutex_);
  blocks_->SetCapacity(Rest());
}

// The capacity follows in steps of a 256th of the limit, so that most changes cost two reads.
void MemoryBudget::Note(std::atomic<size_t>* part, size_t bytes) {
  const size_t before = part->exchange(bytes, std::memory_order_relaxed);
  if (limit() == 0) return;
  const size_t rest = Rest();
  const size_t capacity = blocks_->capacity_bytes();
  const size_t change = rest > capacity ? rest - capacity : capacity - rest;
  if (change > limit() / 256) Apply();
  // A few blocks, and as much as the part grew: so this keeps up with parts that grow by much.
  constexpr size_t kEntries = 32;
  const size_t grown = bytes > before ? bytes - before : 0;
  const size_t usage = blocks_->usage_bytes();
  const size_t goal = usage - std::min(usage, grown);
  while (blocks_->Shrink(kEntries) && blocks_->usage_bytes() > goal) {
  }
}

}  // namespace lsm
