// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/write_gate.h"

#include <algorithm>
#include <utility>

namespace redis {

namespace {

constexpr int64_t kMaxUnsyncedAgeUs = 2'000'000;
// However far writes are behind, one waits no longer than this at a time.
constexpr int64_t kMaxDelayUs = 100'000;
// Slowed writes may run this far ahead of their pace. The host's timers tick in milliseconds: if
// each write waited for its own, a delay of microseconds would be one of milliseconds.
constexpr int64_t kMaxAheadUs = 2'000;

bool PassesByItself(lsm::WriteStall::Reason reason) {
  return reason != lsm::WriteStall::Reason::kDiskFull &&
         reason != lsm::WriteStall::Reason::kBackgroundError;
}

}  // namespace

bool WriteGate::SyncIsLate() const {
  return settings_->appendfsync == AppendFsync::kEverysec &&
         db_->UnsyncedAgeMicros() > kMaxUnsyncedAgeUs;
}

bool WriteGate::IsOpen() const {
  return db_->CurrentStall().state != lsm::WriteStall::State::kStop && !sync_is_late_;
}

bool WriteGate::MustWait(const lsm::WriteStall& stall) const {
  if (stall.state == lsm::WriteStall::State::kStop) return PassesByItself(stall.reason);
  return sync_is_late_;
}

WriteGate::Answer WriteGate::Ask(ClientId client) {
  const lsm::WriteStall stall = db_->CurrentStall();
  if (MustWait(stall)) {
    if (is_waiting_.insert(client).second) waiting_.push_back(client);
    return Answer::kWait;
  }
  if (stall.state != lsm::WriteStall::State::kSlowdown) {
    next_write_us_ = 0;
    return Answer::kGo;
  }
  const int64_t now_us = clock_->MonotonicMicros();
  const int64_t ahead_us = next_write_us_ - now_us;
  if (ahead_us > kMaxAheadUs) {
    host_->WakeAfter(client, std::min(ahead_us - kMaxAheadUs, kMaxDelayUs));
    return Answer::kWait;
  }
  next_write_us_ = std::max(next_write_us_, now_us) + std::min(stall.delay_micros, kMaxDelayUs);
  return Answer::kGo;
}

void WriteGate::WakeIfDecided() {
  sync_is_late_ = SyncIsLate();
  if (!waiting_.empty() && !MustWait(db_->CurrentStall())) WakeAll();
}

void WriteGate::WakeAll() {
  is_waiting_.clear();
  for (const ClientId client : std::exchange(waiting_, {})) host_->Wake(client);
}

}  // namespace redis
