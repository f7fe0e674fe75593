// SPDX-License-Identifier: BSD-3-Clause
// ServerTime is the wall clock as commands see it: it never goes back, across restarts either, so
// that what was shown as expired stays expired. Where the wall clock is behind, time goes on at
// the pace of the monotonic clock.
//
// The highest time is kept in the directory; Instance::Cron writes it once a second while there is
// something to remember.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <string>

#include "lsm/clock.h"
#include "lsm/db.h"
#include "lsm/status.h"

namespace redis {

class ServerTime {
 public:
  explicit ServerTime(lsm::Clock* clock) : clock_(clock) {}

  // Reads the highest time of earlier runs.
  lsm::Status Load(lsm::ReadView* view);
  int64_t NowMs();
  // What to write as the time record now.
  std::string Persist();
  int64_t persisted_ms() const { return persisted_ms_; }

 private:
  lsm::Clock* const clock_;
  int64_t now_ms_ = 0;
  int64_t monotonic_us_ = 0;  // when now_ms_ was read
  int64_t persisted_ms_ = 0;
};

}  // namespace redis
