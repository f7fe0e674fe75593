// SPDX-License-Identifier: BSD-3-Clause
// AccessTracker estimates how often, or how long ago, each key was accessed, in 4 MiB for any
// number of keys. It exists only while maxmemory-policy is an LFU or an LRU policy, so that whoever
// does not ask pays nothing.
//
// A count-min sketch (Cormode and Muthukrishnan 2005) of 4 rows of 2^18 cells. A key has one cell
// in each row, by its hash; keys that share a cell only ever make each other look more active, so
// of the 4 the least active tells most.
//
// LFU: a cell holds a counter of 8 bits and the minute of its last change.
//   1. A counter loses one for every lfu-decay-time minutes since that minute.
//   2. An access raises the estimate c, the least of the 4, by one with probability
//      1 / ((c - 5) * lfu-log-factor + 1), for certain up to 5, never beyond 255 (Morris 1978, with
//      Redis's constants).
//   3. Cells below the new estimate are set to it; others, which tell of other keys too, stay.
// LRU: a cell holds the second of its last access.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "lsm/random.h"
#include "lsm/types.h"

namespace redis {

struct CommandContext;

class AccessTracker {
 public:
  enum class Kind { kFrequency, kRecency };

  AccessTracker(Kind kind, int64_t now_ms);

  // Counts the command's keys, unless its row or its client says that it is no access.
  void Note(const CommandContext& context);
  void Touch(lsm::TreeId tree, std::string_view key, int64_t now_ms);

  // lfu-log-factor and lfu-decay-time.
  void SetPace(int64_t log_factor, int64_t decay_minutes) {
    log_factor_ = log_factor;
    decay_minutes_ = decay_minutes;
  }

  Kind kind() const { return kind_; }
  // 0 to 255; 0 for a key that was not accessed. REQUIRES: kind() == kFrequency
  uint8_t Frequency(lsm::TreeId tree, std::string_view key, int64_t now_ms) const;
  // Seconds since the last access, or since tracking began. REQUIRES: kind() == kRecency
  int64_t IdleSeconds(lsm::TreeId tree, std::string_view key, int64_t now_ms) const;

  size_t memory_usage() const { return cells_.capacity() * sizeof(uint32_t); }

 private:
  static constexpr size_t kRows = 4;
  static constexpr size_t kColumns = size_t{1} << 18;

  // The places of a key's cells, one in each row.
  struct Places {
    size_t at[kRows];
  };
  static Places PlacesOf(lsm::TreeId tree, std::string_view key);
  // A counter as it is after its decay.
  uint8_t Decayed(uint32_t cell, uint32_t now_minutes) const;
  uint8_t Least(const Places& places, uint32_t now_minutes) const;

  const Kind kind_;
  const int64_t began_ms_;
  int64_t log_factor_ = 10;
  int64_t decay_minutes_ = 1;
  lsm::Random random_;
  std::vector<uint32_t> cells_;
};

}  // namespace redis
