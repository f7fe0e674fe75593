// SPDX-License-Identifier: BSD-3-Clause
// LogLimiter says how many of the lines that clients can cause are logged: so many a second, and
// then how many were left out.
// Thread safety: none.

#pragma once

#include <cstdint>
#include <utility>

namespace redis {

class LogLimiter {
 public:
  static constexpr int kLinesPerSecond = 10;

  // Whether the line may be logged.
  bool Allow(int64_t now_ms) {
    if (now_ms - second_began_ms_ >= 1000) {
      second_began_ms_ = now_ms;
      lines_ = 0;
    }
    if (lines_ < kLinesPerSecond) {
      ++lines_;
      return true;
    }
    ++left_out_;
    return false;
  }
  // Lines that were not allowed since it was last asked.
  uint64_t TakeLeftOut() { return std::exchange(left_out_, 0); }

 private:
  int64_t second_began_ms_ = INT64_MIN / 2;
  int lines_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace redis
