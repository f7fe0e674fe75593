// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/arena.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "lsm/util/check.h"

namespace lsm {

Arena::Link Arena::Allocate(size_t bytes) {
  assert(bytes > 0);
  VARVE_CHECK(bytes <= kMaxRegions * kRegion);
  const size_t units = (bytes + kUnit - 1) / kUnit;
  if (units > end_ - next_) {
    if (bytes > kOwnChunk) {
      return static_cast<Link>(AddChunk(units * kUnit) * kUnitsPerRegion);
    }
    chunk_size_ = chunk_size_ == 0 ? kFirstChunk : std::min(chunk_size_ * 2, kMaxChunk);
    chunk_size_ = std::max(chunk_size_, std::bit_ceil(units * kUnit));
    const size_t region = AddChunk(chunk_size_);
    next_ = static_cast<Link>(region * kUnitsPerRegion);
    end_ = next_ + static_cast<Link>(chunk_size_ / kUnit);
  }
  const Link link = next_;
  next_ += static_cast<Link>(units);
  return link;
}

size_t Arena::AddChunk(size_t bytes) {
  const size_t first = region_count_;
  const size_t regions = (bytes + kRegion - 1) / kRegion;
  VARVE_CHECK(regions < kMaxRegions - first);  // the end of a chunk is a link, too
  if (first + regions > region_capacity_) GrowRegionTable(first + regions);
  chunks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
  for (size_t i = 0; i < regions; ++i) {
    writable_regions_[first + i] = chunks_.back().get() + i * kRegion;
  }
  region_count_ = first + regions;
  CountMemory(bytes);
  return first;
}

void Arena::GrowRegionTable(size_t needed) {
  const size_t capacity = std::bit_ceil(needed);
  auto table = std::make_unique<char*[]>(capacity);
  std::copy_n(writable_regions_, region_count_, table.get());
  writable_regions_ = table.get();
  region_capacity_ = capacity;
  region_tables_.push_back(std::move(table));
  regions_.store(writable_regions_, std::memory_order_release);
  CountMemory(capacity * sizeof(char*));
}

void Arena::CountMemory(size_t bytes) {
  memory_usage_.store(memory_usage_.load(std::memory_order_relaxed) + bytes,
                      std::memory_order_relaxed);
}

}  // namespace lsm
