// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/observer.h"

#include <algorithm>

#include "redis-compat/redact.h"

namespace redis {

void Observer::Follow(const Settings& settings) {
  latencies_.set_enabled(settings.latency_tracking);
  monitor_.set_threshold_ms(settings.latency_monitor_threshold_ms);
  slow_log_.set_max_length(static_cast<size_t>(settings.slowlog_max_len));
  // -1 turns the slow log off, 0 logs everything. The monitor is off at 0.
  const int64_t slower_than = settings.slowlog_log_slower_than_us;
  const int64_t threshold_ms = settings.latency_monitor_threshold_ms;
  slow_log_micros_ = slower_than < 0 ? kNever : slower_than;
  event_micros_ = threshold_ms == 0 ? kNever : std::min(threshold_ms, kNever / 1000) * 1000;
  slow_micros_ = static_cast<uint64_t>(std::min(slow_log_micros_, event_micros_));
}

void Observer::NoteSlow(const Session& session, const CommandSpec& spec,
                        std::span<const std::string_view> args, uint64_t micros, int64_t now_ms) {
  const auto took = static_cast<int64_t>(micros);
  NoteEvent(spec.Is(kFast) ? "fast-command" : "command", took, now_ms);
  if (took < slow_log_micros_ || spec.Is(kSkipSlowlog)) return;
  slow_log_.Add(now_ms / 1000, took, ShownArguments(spec, args), session.peer().address,
                session.state().name);
}

}  // namespace redis
