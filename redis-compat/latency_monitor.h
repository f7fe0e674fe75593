// SPDX-License-Identifier: BSD-3-Clause
// LatencyMonitor remembers when something took at least latency-monitor-threshold milliseconds: for
// each event, the worst of every second that had any, and the worst of all.
//
// Events: `command` and `fast-command` (executed commands), `expire-cycle` (a round of removing
// expired keys), `log-append` (closing a group of units), `event-loop` (a tick with all of these),
// and those of the engine's threads, which stop nobody: `wal-sync`, `flush`, `compaction`.
//
// Invariant: the number of events is bounded, since their names are constants here.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace redis {

struct LatencySample {
  int64_t second;  // of the wall clock
  int64_t milliseconds;
};

class LatencyMonitor {
 public:
  static constexpr size_t kSamples = 160;  // kept of an event

  struct Event {
    int64_t worst_ms = 0;               // ever
    std::deque<LatencySample> samples;  // oldest first, one a second; never empty
  };

  // 0: nothing is recorded.
  void set_threshold_ms(int64_t threshold_ms) { threshold_ms_ = threshold_ms; }
  int64_t threshold_ms() const { return threshold_ms_; }

  // Does nothing below the threshold.
  void Add(std::string_view event, int64_t second, int64_t milliseconds);

  // Null if it never happened.
  const Event* Find(std::string_view event) const;
  const std::map<std::string, Event, std::less<>>& events() const { return events_; }
  // Forgets one event. False if there was nothing to forget.
  bool Reset(std::string_view event);
  // Forgets all, and says how many there were.
  size_t ResetAll();

 private:
  int64_t threshold_ms_ = 0;
  std::map<std::string, Event, std::less<>> events_;
};

// LATENCY GRAPH's picture: the samples over their age, the higher the longer they took.
std::string DrawLatencyGraph(std::string_view name, const LatencyMonitor::Event& event,
                             int64_t now_s);
// LATENCY DOCTOR's report: what was observed, and what may help. `slowlog_us` is
// slowlog-log-slower-than.
std::string ReportLatency(const LatencyMonitor& monitor, int64_t now_s, int64_t slowlog_us);

}  // namespace redis
