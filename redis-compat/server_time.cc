// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/server_time.h"

#include <algorithm>
#include <optional>

#include "redis-compat/key_codec.h"

namespace redis {

lsm::Status ServerTime::Load(lsm::ReadView* view) {
  lsm::Result<lsm::Lookup> record = view->Get(lsm::kDirectoryTree, kTimeRecord);
  if (!record.ok()) return record.status();
  if (record->value) {
    const auto time = DecodeFixed64(record->value->view(), "time record");
    if (!time.ok()) return time.status();
    persisted_ms_ = static_cast<int64_t>(time.value());
    if (persisted_ms_ < 0) return lsm::Status::Corruption("malformed time record");
    now_ms_ = persisted_ms_;
  }
  monotonic_us_ = clock_->MonotonicMicros();
  return {};
}

int64_t ServerTime::NowMs() {
  const int64_t wall_ms = clock_->NowMicros() / 1000;
  const int64_t monotonic_us = clock_->MonotonicMicros();
  const int64_t elapsed_ms = (monotonic_us - monotonic_us_) / 1000;
  if (wall_ms >= now_ms_) {
    now_ms_ = wall_ms;
    monotonic_us_ = monotonic_us;
  } else if (elapsed_ms > 0) {
    now_ms_ += elapsed_ms;
    monotonic_us_ += elapsed_ms * 1000;
  }
  return now_ms_;
}

std::string ServerTime::Persist() {
  persisted_ms_ = now_ms_;
  return EncodeFixed64(static_cast<uint64_t>(now_ms_));
}

}  // namespace redis
