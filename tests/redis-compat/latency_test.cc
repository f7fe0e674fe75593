// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/latency.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "redis-compat/latency_monitor.h"

namespace redis {
namespace {

using Step = LatencyHistogram::Step;

// Two decimal digits: a bucket is at most 1/128 of its values wide.
bool IsUpperEndFor(uint64_t answer_ns, uint64_t value_ns) {
  return answer_ns >= value_ns && answer_ns - value_ns <= value_ns / 128;
}

TEST_CASE("a percentile is the upper end of the bucket that holds the value of that rank") {
  for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::vector<uint64_t> values;
    LatencyHistogram histogram;
    const size_t count = 1 + random() % 3000;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t micros = random() % (uint64_t{1} << (random() % 20));
      values.push_back(micros);
      histogram.Record(micros);
    }
    std::sort(values.begin(), values.end());
    CHECK(histogram.total() == count);
    for (const double percentile : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
      CAPTURE(percentile);
      const double rank = std::floor(percentile / 100 * static_cast<double>(count) + 0.5);
      const size_t place = std::max<size_t>(static_cast<size_t>(rank), 1) - 1;
      const uint64_t nanos = std::max<uint64_t>(values[place] * 1000, 1);
      CHECK(IsUpperEndFor(histogram.Percentile(percentile), nanos));
    }
  }
}

TEST_CASE("percentiles of few values are those that redis-server prints") {
  // One value each, and what INFO says of it, in nanoseconds.
  const std::vector<std::pair<uint64_t, uint64_t>> known = {{0, 1},
                                                            {1, 1003},
                                                            {2, 2007},
                                                            {3, 3007},
                                                            {11, 11007},
                                                            {18, 18047},
                                                            {24, 24063},
                                                            {39, 39167},
                                                            {696, 696319},
                                                            {1110, 1114111},
                                                            {60131, 60293119},
                                                            {999999, 1002438655},
                                                            {1200122, 1002438655}};
  for (const auto& entry : known) {
    const auto [micros, nanos] = entry;
    CAPTURE(entry.first);
    LatencyHistogram histogram;
    histogram.Record(micros);
    CHECK(histogram.Percentile(50) == nanos);
  }
  CHECK(LatencyHistogram().Percentile(50) == 0);
}

TEST_CASE("cumulative steps have redis-server's names and leave out what adds nothing") {
  LatencyHistogram histogram;
  CHECK(histogram.Cumulative().empty());
  for (const int micros : {1100, 5100, 30118, 60131, 120095, 500120, 1200122}) {
    histogram.Record(static_cast<uint64_t>(micros));
  }
  CHECK(histogram.Cumulative() ==
        std::vector<Step>{
            {2113, 1}, {8454, 2}, {33816, 3}, {67633, 4}, {135266, 5}, {541065, 6}, {1073741, 7}});
  LatencyHistogram small;
  for (const int micros : {0, 0, 1, 2, 3, 3, 17, 18}) {
    small.Record(static_cast<uint64_t>(micros));
  }
  CHECK(small.Cumulative() == std::vector<Step>{{1, 3}, {2, 4}, {4, 6}, {33, 8}});
}

TEST_CASE("a row has a histogram once something was recorded, unless tracking is off") {
  CommandLatencies latencies(3);
  CHECK(latencies.Find(1) == nullptr);
  latencies.Record(1, 5);
  REQUIRE(latencies.Find(1) != nullptr);
  CHECK(latencies.Find(1)->total() == 1);
  latencies.set_enabled(false);
  latencies.Record(1, 5);
  latencies.Record(2, 5);
  CHECK(latencies.Find(1)->total() == 1);
  CHECK(latencies.Find(2) == nullptr);
  latencies.Reset();
  CHECK(latencies.Find(1) == nullptr);
}

TEST_CASE("an event keeps the worst of each second, the newest 160 seconds, and the worst ever") {
  LatencyMonitor monitor;
  monitor.Add("command", 1, 1000);
  CHECK(monitor.Find("command") == nullptr);  // the threshold is 0: off
  monitor.set_threshold_ms(10);
  monitor.Add("command", 1, 9);
  CHECK(monitor.events().empty());
  monitor.Add("command", 1, 500);
  monitor.Add("command", 1, 10);
  monitor.Add("command", 1, 20);
  REQUIRE(monitor.Find("command") != nullptr);
  REQUIRE(monitor.Find("command")->samples.size() == 1);
  CHECK(monitor.Find("command")->samples[0].milliseconds == 500);
  for (int64_t second = 2; second <= 201; ++second) monitor.Add("command", second, second);
  const LatencyMonitor::Event& event = *monitor.Find("command");
  CHECK(event.samples.size() == LatencyMonitor::kSamples);
  CHECK(event.samples.front().second == 42);
  CHECK(event.samples.back().milliseconds == 201);
  CHECK(event.worst_ms == 500);
  CHECK(monitor.Reset("command"));
  CHECK_FALSE(monitor.Reset("command"));
  monitor.Add("flush", 1, 10);
  monitor.Add("compaction", 1, 10);
  CHECK(monitor.ResetAll() == 2);
}

TEST_CASE("a latency graph has a column a sample, over its age") {
  LatencyMonitor::Event event;
  event.worst_ms = 1200;
  event.samples = {{98, 500}, {99, 730}, {100, 1200}};
  CHECK(DrawLatencyGraph("command", event, 120) ==
        "command - high 1200 ms, low 500 ms (all time high 1200 ms)\n" + std::string(80, '-') +
            "\n"
            "  #\n"
            "  |\n"
            "  |\n"
            "__|\n"
            "\n"
            "222\n"
            "210\n"
            "sss\n");
  // Equal samples are all the highest; more than fit lose the oldest.
  event.samples.clear();
  for (int64_t second = 0; second < 100; ++second) event.samples.push_back({second, 7});
  const std::string wide = DrawLatencyGraph("x", event, 100);
  CHECK(wide.find(std::string(80, '#') + "\n") != std::string::npos);
  CHECK(wide.find(std::string(81, '#')) == std::string::npos);
}

TEST_CASE("the latency report says what was observed and what helps against it") {
  LatencyMonitor monitor;
  CHECK(ReportLatency(monitor, 0, 10000).find("monitoring is off") != std::string::npos);
  monitor.set_threshold_ms(100);
  CHECK(ReportLatency(monitor, 0, 10000) == "Nothing was observed to take too long.\n");
  monitor.Add("command", 10, 500);
  monitor.Add("command", 12, 1200);
  const std::string report = ReportLatency(monitor, 20, 1'000'000);
  CHECK(report.find("1. command: 2 latency spikes (average 850ms, mean deviation 350ms, period "
                    "2.00 sec, last 8s ago). Worst all time event 1200ms.\n") != std::string::npos);
  CHECK(report.find("- command: ") != std::string::npos);
  CHECK(report.find("- flush: ") == std::string::npos);
  CHECK(report.find("CONFIG SET slowlog-log-slower-than 100000") != std::string::npos);
  CHECK(ReportLatency(monitor, 20, 10000).find("slowlog-log-slower-than") == std::string::npos);
}

}  // namespace
}  // namespace redis
