// SPDX-License-Identifier: BSD-3-Clause
// Observer is told how long things took and hands it to who remembers: the histograms of commands,
// the slow log, the latency monitor.
//
// Every executed command costs one increment and one comparison; the rest is for the slow ones.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "redis-compat/command.h"
#include "redis-compat/config.h"
#include "redis-compat/latency.h"
#include "redis-compat/latency_monitor.h"
#include "redis-compat/session.h"
#include "redis-compat/slowlog.h"

namespace redis {

class Observer {
 public:
  explicit Observer(size_t rows) : latencies_(rows) {}

  // Takes over thresholds and lengths; to be called whenever they changed.
  void Follow(const Settings& settings);

  // After each executed command.
  void RecordLatency(size_t row, uint64_t micros) { latencies_.Record(row, micros); }
  // Whether NoteSlow has something to do.
  bool IsSlow(uint64_t micros) const { return micros >= slow_micros_; }
  // `args` as they were sent.
  void NoteSlow(const Session& session, const CommandSpec& spec,
                std::span<const std::string_view> args, uint64_t micros, int64_t now_ms);

  // Anything else that took so long.
  void NoteEvent(std::string_view event, int64_t micros, int64_t now_ms) {
    if (micros >= event_micros_) monitor_.Add(event, now_ms / 1000, micros / 1000);
  }
  bool WatchesEvents() const { return event_micros_ != kNever; }
  // The least that NoteEvent remembers; the largest number if it remembers nothing.
  int64_t event_micros() const { return event_micros_; }

  CommandLatencies& latencies() { return latencies_; }
  LatencyMonitor& monitor() { return monitor_; }
  SlowLog& slow_log() { return slow_log_; }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  CommandLatencies latencies_;
  LatencyMonitor monitor_;
  SlowLog slow_log_;
  uint64_t slow_micros_ = std::numeric_limits<uint64_t>::max();  // the least of the two below
  int64_t slow_log_micros_ = kNever;
  int64_t event_micros_ = kNever;
};

}  // namespace redis
