// SPDX-License-Identifier: BSD-3-Clause
// Sorting nodes of an arena by their keys: a radix sort from the front, 8 bytes at a time, with a
// comparison sort of the 8 bytes (after Bentley and Sedgewick, "Fast Algorithms for Sorting and
// Searching Strings", 1997). Following a link costs a cache miss, so the bytes are fetched once for
// all comparisons, and the prefix that a range of keys has in common is skipped.
//
// Thread safety: none needed; the nodes must not change their keys, and never do.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lsm/memtable/arena.h"

namespace lsm {

// The 8 bytes of `key` from `depth` on as a number that sorts as they do; zeros behind its end.
// REQUIRES: depth <= key.size()
uint64_t KeyPrefix(std::string_view key, size_t depth);

size_t CommonPrefix(std::string_view a, std::string_view b);

// REQUIRES: the links are of KeyNodes whose keys differ.
void SortByKey(const Arena& arena, std::span<Arena::Link> links);

}  // namespace lsm
