// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/latency_monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <vector>

namespace redis {
namespace {

constexpr size_t kGraphWidth = 80;
constexpr size_t kGraphHeight = 4;

// "3s", "12m", "5h", "2d".
std::string AgeText(int64_t seconds) {
  seconds = std::max<int64_t>(seconds, 0);
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 24 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / (24 * 3600));
}

struct Summary {
  int64_t average_ms = 0;
  int64_t deviation_ms = 0;  // the mean distance from the average
  double period_s = 0;       // between two samples
};

Summary Summarize(const LatencyMonitor::Event& event) {
  Summary summary;
  const auto count = static_cast<int64_t>(event.samples.size());
  for (const LatencySample& sample : event.samples) summary.average_ms += sample.milliseconds;
  summary.average_ms /= count;
  for (const LatencySample& sample : event.samples) {
    summary.deviation_ms += std::abs(sample.milliseconds - summary.average_ms);
  }
  summary.deviation_ms /= count;
  const int64_t span_s = event.samples.back().second - event.samples.front().second;
  if (count > 1) summary.period_s = static_cast<double>(span_s) / static_cast<double>(count - 1);
  return summary;
}

// What may help against an event.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kAdvice = {{
    {"command",
     "SLOWLOG GET names the commands that take long. Commands that read or write many "
     "keys at once (KEYS, large MGET and DEL, SCAN with a large COUNT) are better split."},
    {"fast-command",
     "Commands that do little took long: look for other programs on the same processors, for "
     "swapping, and for a machine that is paused. `redis-cli --intrinsic-latency 100` on the "
     "server's machine measures what the system alone costs."},
    {"event-loop",
     "A turn of the loop took long, with all the commands that were read in it: "
     "many clients with long pipelines, or slow commands (see `command`)."},
    {"expire-cycle",
     "Many keys expired together. Spreading expiry times spreads the work; a "
     "higher `hz` makes each round smaller."},
    {"log-append",
     "Writing to the log's file took long: the disk is busy, or the system writes "
     "back many changed pages at once."},
    {"wal-sync",
     "Syncing the log took long, in the background. Under `appendfsync always` "
     "clients wait for it; under `everysec` only when it lasts for two seconds. A "
     "faster disk helps, or one that is not shared."},
    {"flush",
     "Writing a memtable to disk took long, in the background. It stops no client unless "
     "INFO's engine_stall_state says so."},
    {"compaction",
     "Merging files took long, in the background. It stops no client unless INFO's "
     "engine_stall_state says so."},
}};

}  // namespace

void LatencyMonitor::Add(std::string_view event, int64_t second, int64_t milliseconds) {
  if (threshold_ms_ == 0 || milliseconds < threshold_ms_) return;
  auto found = events_.find(event);
  if (found == events_.end()) found = events_.emplace(event, Event()).first;
  Event& known = found->second;
  known.worst_ms = std::max(known.worst_ms, milliseconds);
  if (!known.samples.empty() && known.samples.back().second == second) {
    known.samples.back().milliseconds = std::max(known.samples.back().milliseconds, milliseconds);
    return;
  }
  known.samples.push_back({second, milliseconds});
  if (known.samples.size() > kSamples) known.samples.pop_front();
}

const LatencyMonitor::Event* LatencyMonitor::Find(std::string_view event) const {
  const auto found = events_.find(event);
  return found == events_.end() ? nullptr : &found->second;
}

bool LatencyMonitor::Reset(std::string_view event) {
  const auto found = events_.find(event);
  if (found == events_.end()) return false;
  events_.erase(found);
  return true;
}

size_t LatencyMonitor::ResetAll() {
  const size_t count = events_.size();
  events_.clear();
  return count;
}

std::string DrawLatencyGraph(std::string_view name, const LatencyMonitor::Event& event,
                             int64_t now_s) {
  // 1. The newest samples, as many as fit, a column each.
  // 2. Four rows from the top: '#' or '_' is a column's end, '|' is below it.
  // 3. Below each column its age, downwards.
  const size_t count = std::min(event.samples.size(), kGraphWidth);
  const std::vector<LatencySample> shown(event.samples.end() - static_cast<ptrdiff_t>(count),
                                         event.samples.end());
  const auto less = [](const LatencySample& a, const LatencySample& b) {
    return a.milliseconds < b.milliseconds;
  };
  const auto [low, high] = std::minmax_element(shown.begin(), shown.end(), less);
  std::string text =
      fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n{}\n", name,
                  high->milliseconds, low->milliseconds, event.worst_ms, std::string(80, '-'));
  const int64_t span = std::max<int64_t>(high->milliseconds - low->milliseconds, 1);
  for (size_t row = kGraphHeight; row-- > 0;) {
    for (const LatencySample& sample : shown) {
      const int64_t above = sample.milliseconds - low->milliseconds;
      const auto end = static_cast<size_t>(above * int64_t{kGraphHeight - 1} / span);
      const bool is_high = sample.milliseconds == high->milliseconds;
      text += row > end ? ' ' : row < end ? '|' : is_high ? '#' : '_';
    }
    text += '\n';
  }
  text += '\n';
  size_t longest = 0;
  std::vector<std::string> ages;
  for (const LatencySample& sample : shown) {
    ages.push_back(AgeText(now_s - sample.second));
    longest = std::max(longest, ages.back().size());
  }
  for (size_t row = 0; row < longest; ++row) {
    for (const std::string& age : ages) text += row < age.size() ? age[row] : ' ';
    text += '\n';
  }
  return text;
}

std::string ReportLatency(const LatencyMonitor& monitor, int64_t now_s, int64_t slowlog_us) {
  std::string text;
  if (monitor.threshold_ms() == 0) {
    text =
        "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it "
        "on: whatever takes at least so long is remembered from then on.\n";
  }
  if (monitor.events().empty()) return text + "Nothing was observed to take too long.\n";
  text += fmt::format("These took {} ms or longer:\n\n", monitor.threshold_ms());
  int number = 0;
  for (const auto& [name, event] : monitor.events()) {
    const Summary summary = Summarize(event);
    fmt::format_to(std::back_inserter(text),
                   "{}. {}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2f} "
                   "sec, last {} ago). Worst all time event {}ms.\n",
                   ++number, name, event.samples.size(), summary.average_ms, summary.deviation_ms,
                   summary.period_s, AgeText(now_s - event.samples.back().second), event.worst_ms);
  }
  text += "\nWhat may help:\n\n";
  for (const auto& [name, advice] : kAdvice) {
    if (monitor.Find(name) != nullptr) text += fmt::format("- {}: {}\n", name, advice);
  }
  const int64_t threshold_us = monitor.threshold_ms() * 1000;
  if (monitor.Find("command") != nullptr && (slowlog_us < 0 || slowlog_us > threshold_us)) {
    text += fmt::format(
        "- The slow log misses some of these commands: CONFIG SET slowlog-log-slower-than {}.\n",
        threshold_us);
  }
  return text;
}

}  // namespace redis
