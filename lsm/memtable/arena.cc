// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/arena.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <map>

#include "lsm/util/check.h"
#include "lsm/util/poison.h"

namespace lsm {

// A piece in a list of its size begins with the link to the next one.
struct Arena::FreeLists {
  static constexpr size_t kListed = 128;  // units

  std::array<Link, kListed + 1> by_units{};
  std::multimap<size_t, Link> larger;
};

Arena::Arena() = default;

Arena::~Arena() {
  if (!kPoisonsMemory || free_ == nullptr) return;
  // The chunks go back to the system's allocator as it gave them out.
  for (size_t units = 1; units <= FreeLists::kListed; ++units) {
    while (Reuse(units) != kNull) continue;
  }
  for (const auto& [units, link] : free_->larger) UnpoisonMemory(At(link), units * kUnit);
}

Arena::Link Arena::Allocate(size_t bytes) {
  assert(bytes > 0);
  VARVE_CHECK(bytes <= kMaxRegions * kRegion);
  const size_t units = UnitsOf(bytes);
  if (free_ != nullptr) {
    if (const Link reused = Reuse(units); reused != kNull) return reused;
  }
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

void Arena::Free(Link link, size_t bytes) {
  assert(link != kNull && bytes > 0);
  if (free_ == nullptr) {
    free_ = std::make_unique<FreeLists>();
    CountMemory(sizeof(FreeLists));
  }
  const size_t units = UnitsOf(bytes);
  char* const memory = At(link);
  if (units > FreeLists::kListed) {
    free_->larger.emplace(units, link);
    PoisonMemory(memory, units * kUnit);
    return;
  }
  std::memcpy(memory, &free_->by_units[units], sizeof(Link));
  free_->by_units[units] = link;
  PoisonMemory(memory, units * kUnit);
}

Arena::Link Arena::Reuse(size_t units) {
  if (units <= FreeLists::kListed) {
    Link& first = free_->by_units[units];
    const Link link = first;
    if (link == kNull) return kNull;
    UnpoisonMemory(At(link), units * kUnit);
    std::memcpy(&first, At(link), sizeof(Link));
    return link;
  }
  const auto found = free_->larger.lower_bound(units);
  if (found == free_->larger.end()) return kNull;
  const auto [size, link] = *found;
  free_->larger.erase(found);
  UnpoisonMemory(At(link), size * kUnit);
  if (size > units) Free(link + static_cast<Link>(units), (size - units) * kUnit);
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
