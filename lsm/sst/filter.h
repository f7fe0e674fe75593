// SPDX-License-Identifier: BSD-3-Clause
// A blocked Bloom filter over the hashes of user keys (FORMAT.md, "filter block"): all probes of a
// key fall into one cache line, so a question costs one cache miss.
//
// Thread safety: FilterBuilder none; Filter is immutable after Parse.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/util/allocation.h"

namespace lsm {

class FilterBuilder {
 public:
  // `hash` is HashKey(user key). Equal hashes in a row, as of a key's versions, count once.
  void Add(uint64_t hash) {
    if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
  }
  // Contents of a filter block over all hashes so far. REQUIRES: bits_per_key >= 1
  std::string Build(int bits_per_key) const;
  void Reset() { hashes_.clear(); }

 private:
  std::vector<uint64_t> hashes_;
};

class Filter {
 public:
  // Copies a filter block's contents, which may be hostile. Null, or what is wrong.
  [[nodiscard]] static const char* Parse(std::string_view contents, Filter* filter);

  // False only if no key of this hash was added.
  bool MayContain(uint64_t hash) const;
  // Of the heap.
  size_t MemoryUsage() const { return AllocatedBytes(lines_.data()); }
  // Asks for the memory that MayContain will look at.
  void Prefetch(uint64_t hash) const;

 private:
  struct alignas(64) Line {
    unsigned char bytes[64];
  };

  std::vector<Line> lines_;
  unsigned probes_ = 0;
};

}  // namespace lsm
