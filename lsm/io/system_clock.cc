// SPDX-License-Identifier: BSD-3-Clause
#include <chrono>
#include <thread>

#include "lsm/clock.h"

namespace lsm {
namespace {

template <typename Source>
int64_t MicrosOf() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Source::now().time_since_epoch())
      .count();
}

class SystemClock : public Clock {
 public:
  int64_t NowMicros() override { return MicrosOf<std::chrono::system_clock>(); }
  int64_t MonotonicMicros() override { return MicrosOf<std::chrono::steady_clock>(); }
};

}  // namespace

void Clock::SleepMicros(int64_t micros) {
  std::this_thread::sleep_for(std::chrono::microseconds(micros));
}

Clock* Clock::System() {
  static Clock* const instance = new SystemClock;
  return instance;
}

}  // namespace lsm
