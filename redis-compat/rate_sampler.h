// SPDX-License-Identifier: BSD-3-Clause
// RateSampler turns a counter that only grows into "per second, lately".
//
// Thread safety: none.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace redis {

class RateSampler {
 public:
  // The counter's value now. A value below the last one (the counter was reset) starts anew.
  void Sample(int64_t now_ms, uint64_t count) {
    if (last_ms_ >= 0 && now_ms > last_ms_ && count >= last_count_) {
      const auto elapsed = static_cast<uint64_t>(now_ms - last_ms_);
      samples_[next_] = {count - last_count_, elapsed};
      next_ = (next_ + 1) % samples_.size();
    }
    last_ms_ = now_ms;
    last_count_ = count;
  }

  // Over the last samples; 0 before there are two.
  uint64_t PerSecond() const {
    uint64_t counted = 0;
    uint64_t milliseconds = 0;
    for (const auto& [count, elapsed] : samples_) {
      counted += count;
      milliseconds += elapsed;
    }
    return milliseconds == 0 ? 0 : counted * 1000 / milliseconds;
  }

 private:
  struct Step {
    uint64_t count = 0;
    uint64_t elapsed_ms = 0;
  };
  std::array<Step, 16> samples_{};
  size_t next_ = 0;
  int64_t last_ms_ = -1;
  uint64_t last_count_ = 0;
};

}  // namespace redis
