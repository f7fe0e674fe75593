// SPDX-License-Identifier: BSD-3-Clause
// RateLimiter keeps background writing below a rate, and lets what is urgent pass what is not.
// It is one bucket of time: a byte is worth 1/rate of a second. A flush takes what it needs and
// never waits, so that memory is never held up; what it takes, compactions wait for. L0 waits until
// the bucket is no more than kHeadStart overdrawn, deeper levels until it is not overdrawn at all.
// The log is not limited and not counted.
//
// Thread safety: safe for concurrent use. Sleeps are short and without a lock.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "lsm/clock.h"
#include "lsm/util/mutex.h"

namespace lsm {

class RateLimiter {
 public:
  enum class Priority { kFlush, kL0, kDeeper };
  static constexpr int64_t kHeadStart = 100'000;  // microseconds
  static constexpr int64_t kLongestSleep = 10'000;

  // 0 bytes a second: no limit. `clock` must outlive it.
  RateLimiter(Clock* clock, uint64_t bytes_per_second)
      : clock_(clock), bytes_per_second_(bytes_per_second) {}

  // Returns when so many bytes may be written, or at once when `cancelled` (may be null) is true.
  void Request(uint64_t bytes, Priority priority, const std::atomic<bool>* cancelled) {
    if (bytes_per_second_ == 0) return;
    while (priority != Priority::kFlush && (cancelled == nullptr || !cancelled->load())) {
      const int64_t allowed = priority == Priority::kL0 ? kHeadStart : 0;
      const int64_t wait = Overdrawn() - allowed;
      if (wait <= 0) break;
      clock_->SleepMicros(std::min(wait, kLongestSleep));
    }
    MutexLock lock(&mutex_);
    const auto worth = static_cast<int64_t>(static_cast<double>(bytes) * 1e6 /
                                            static_cast<double>(bytes_per_second_));
    paid_until_ = std::max(paid_until_, clock_->MonotonicMicros()) + worth;
  }

 private:
  // How long until everything that was taken is paid for.
  int64_t Overdrawn() {
    MutexLock lock(&mutex_);
    return paid_until_ - clock_->MonotonicMicros();
  }

  Clock* const clock_;
  const uint64_t bytes_per_second_;
  Mutex mutex_;
  int64_t paid_until_ GUARDED_BY(mutex_) = 0;
};

}  // namespace lsm
