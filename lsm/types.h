// SPDX-License-Identifier: BSD-3-Clause
// The small vocabulary that every part of the engine and its callers share.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lsm {

// Names an ordered key space within a database. Never reused. Persisted.
using TreeId = uint32_t;

// Tree 0 always exists and cannot be dropped; callers keep their directory of trees in it.
inline constexpr TreeId kDirectoryTree = 0;

// No id is higher: whoever counts on from one that a file gave does not come back to 0.
inline constexpr TreeId kMaxTreeId = UINT32_MAX - (TreeId{1} << 20);

// Databases give out ids below this; one whose next tree would have a higher id does not open.
inline constexpr TreeId kMaxNextTreeId = kMaxTreeId - (TreeId{1} << 20);

// Position in the order of execution. One number a write unit; 0 is before the first. 56 bits.
using SequenceNumber = uint64_t;
inline constexpr SequenceNumber kMaxSequence = (uint64_t{1} << 56) - 1;

// Counters that the caller keeps per tree in the same write units as the data they count, so that
// they are exact after any crash. The engine adds deltas and never interprets them. Persisted.
inline constexpr size_t kTreeCounters = 4;
using TreeCounters = std::array<int64_t, kTreeCounters>;

// Limits that hold for every stored record, on disk and in memory.
inline constexpr size_t kMaxKeySize = size_t{512} * 1024 * 1024 + 64;
inline constexpr size_t kMaxValueSize = size_t{512} * 1024 * 1024 + 1024;

}  // namespace lsm
