// SPDX-License-Identifier: BSD-3-Clause
// ManualClock shows the time that a test has set. It starts at a time that is neither 0 nor equal
// on both scales, so that a mix-up of the two shows. Thread safety: safe for concurrent use.

#pragma once

#include <atomic>

#include "lsm/clock.h"

namespace lsm {

class ManualClock : public Clock {
 public:
  int64_t NowMicros() override { return now_.load(); }
  int64_t MonotonicMicros() override { return monotonic_.fetch_add(step_) + step_; }

  void SleepMicros(int64_t micros) override { Advance(micros); }

  // Time passes. REQUIRES: micros >= 0
  void Advance(int64_t micros) {
    now_ += micros;
    monotonic_ += micros;
  }
  // From now on the monotonic time moves by so much each time it is asked for.
  void set_step(int64_t micros) { step_ = micros; }
  // The calendar is set, forward or back; the monotonic time is not.
  void JumpTo(int64_t now_micros) { now_ = now_micros; }

 private:
  std::atomic<int64_t> now_ = 1'700'000'000'000'000;
  std::atomic<int64_t> step_ = 0;
  std::atomic<int64_t> monotonic_ = 5'000'000;
};

}  // namespace lsm
