// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/write_gate.h"

#include <utility>

namespace redis {

namespace {

constexpr int64_t kMaxUnsyncedAgeUs = 2'000'000;
bool PassesByItself(lsm::WriteStall::Reason reason) {
  return reason != lsm::WriteStall::Reason::kDiskFull &&
         reason != lsm::WriteStall::Reason::kBackgroundError;
}

}  // namespace

void WriteGate::BeginTick() {
  const bool limited = settings_->appendfsync == AppendFsync::kEverysec;
  const int64_t max_age_us = limited ? kMaxUnsyncedAgeUs : 0;
  if (max_age_us != max_unsynced_age_us_) db_->LimitUnsyncedAge(max_age_us);
  max_unsynced_age_us_ = max_age_us;
  if (settings_->maxmemory != memory_limit_) {
    memory_limit_ = settings_->maxmemory;
    db_->SetMemoryLimit(static_cast<size_t>(memory_limit_));
  }
  sync_is_late_ = SyncIsLate();
}

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
  if (stall.delay_micros == 0) return Answer::kGo;
  host_->WakeAfter(client, stall.delay_micros);
  return Answer::kWait;
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
