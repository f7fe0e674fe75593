// SPDX-License-Identifier: BSD-3-Clause
// Clock is the engine's and the server's only source of time.
// Thread safety: safe for concurrent use.

#pragma once

#include <cstdint>

namespace lsm {

class Clock {
 public:
  virtual ~Clock() = default;
  // The real one. Process-wide, never destroyed.
  static Clock* System();

  // Microseconds since 1970-01-01 UTC; may jump.
  virtual int64_t NowMicros() = 0;
  // Microseconds since an arbitrary start; never goes back.
  virtual int64_t MonotonicMicros() = 0;
  // Returns when so much time has passed. REQUIRES: micros >= 0
  virtual void SleepMicros(int64_t micros);
};

}  // namespace lsm
