// SPDX-License-Identifier: BSD-3-Clause
// usage: write_gaps --directory DIR [--keys N] [--seconds N] [--share PERCENT]
//
// What a caller feels of the background's work while it writes all the time:
//   1. Load N keys of 16 bytes with values of 100 random bytes; then overwrite keys chosen
//   uniformly
//      as fast as it goes, for a fifth of the time: the measured maximum.
//   2. Wait until nothing is written any more, and read keys one by one: the quiet latencies.
//   3. Write at PERCENT (60) of the maximum for the whole time, each write at its own moment of a
//      fixed schedule, while another thread goes on reading.
// Printed: the longest gap between two completed writes, before and after what the scheduler of a
// busy machine took is left out - a control thread that only sleeps sees those times - and the
// latencies of reads, quiet and beside the writer.
//
// DIR must not exist; it is removed at the end.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/random.h"
#include "tests/bench/engine/overwriter.h"

namespace bench {
namespace {

int64_t NowMicros() { return lsm::Clock::System()->MonotonicMicros(); }

// A time span, monotonic microseconds.
using Span = std::pair<int64_t, int64_t>;

// Notes when a thread that sleeps a millisecond at a time was not woken for much longer.
class SchedulerWatch {
 public:
  SchedulerWatch() : thread_([this](const std::stop_token& stop) { Run(stop); }) {}
  // Ends the watch.
  std::vector<Span> Take() {
    thread_.request_stop();
    thread_.join();
    return std::move(gaps_);
  }

 private:
  void Run(const std::stop_token& stop) {
    for (int64_t last = NowMicros(); !stop.stop_requested();) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const int64_t now = NowMicros();
      if (now - last > 3'000) gaps_.push_back({last, now});
      last = now;
    }
  }

  std::vector<Span> gaps_;
  std::jthread thread_;
};

// How much of `span` is left beside `gaps`, which ascend.
int64_t Beyond(Span span, const std::vector<Span>& gaps) {
  int64_t left = span.second - span.first;
  for (const Span& gap : gaps) {
    left -=
        std::max<int64_t>(0, std::min(gap.second, span.second) - std::max(gap.first, span.first));
  }
  return left;
}

struct Latencies {
  std::vector<int64_t> nanos;

  void Print(const char* what) {
    std::sort(nanos.begin(), nanos.end());
    const auto at = [this](double share) {
      const auto i = static_cast<size_t>(share * static_cast<double>(nanos.size() - 1));
      return static_cast<double>(nanos[i]) / 1000;
    };
    std::printf("%-22s %9zu reads: median %.1f us, p99 %.1f, p99.9 %.1f, longest %.1f\n", what,
                nanos.size(), at(0.5), at(0.99), at(0.999), at(1));
  }
};

class Run {
 public:
  Run(const std::string& directory, uint64_t keys, int64_t seconds, double share)
      : keys_(keys), seconds_(seconds), share_(share), overwriter_({}, directory) {}

  void All() {
    for (uint64_t i = 0; i < keys_; ++i) overwriter_.Put(i);
    const double maximum = MeasureMaximum();
    std::printf("sustained maximum      %9.0f writes a second\n", maximum);
    overwriter_.WaitForQuiet();
    Latencies quiet = ReadFor(std::min<int64_t>(seconds_, 20));
    quiet.Print("quiet");

    SchedulerWatch watch;
    std::atomic<bool> done = false;
    Latencies beside;
    std::jthread reader([&] { beside = ReadUntil(done); });
    const std::vector<Span> gaps = WriteAt(maximum * share_);
    done = true;
    reader.join();
    beside.Print("beside the writer");
    Report(gaps, watch.Take());
    Demand(overwriter_.db()->Close());
  }

 private:
  double MeasureMaximum() {
    const int64_t begin = NowMicros();
    uint64_t writes = 0;
    while (NowMicros() - begin < seconds_ * 200'000) {
      for (int i = 0; i < 100; ++i) overwriter_.Put(overwriter_.random()->Uniform(keys_));
      writes += 100;
    }
    return static_cast<double>(writes) * 1e6 / static_cast<double>(NowMicros() - begin);
  }

  // Gaps between completed writes that are long enough to be looked at.
  std::vector<Span> WriteAt(double rate) {
    std::vector<Span> gaps;
    const int64_t begin = NowMicros();
    const int64_t end = begin + seconds_ * 1'000'000;
    int64_t last = begin;
    for (uint64_t i = 0; last < end; ++i) {
      const auto due = begin + static_cast<int64_t>(static_cast<double>(i) * 1e6 / rate);
      if (due - last > 200) std::this_thread::sleep_for(std::chrono::microseconds(due - last));
      overwriter_.Put(overwriter_.random()->Uniform(keys_));
      const int64_t now = NowMicros();
      if (now - last > 10'000) gaps.push_back({last, now});
      last = now;
      written_ = i + 1;
    }
    std::printf("written                %9.0f writes a second (%.0f %% of the maximum)\n",
                static_cast<double>(written_) / static_cast<double>(seconds_), share_ * 100);
    return gaps;
  }

  Latencies ReadUntil(const std::atomic<bool>& done) {
    lsm::Random random(7);
    Latencies latencies;
    const auto view = overwriter_.db()->NewReadView();
    while (!done) {
      const std::string key = KeyOf(random.Uniform(keys_));
      const auto begin = std::chrono::steady_clock::now();
      view->Refresh();
      const auto found = view->Get(lsm::kDirectoryTree, key);
      const auto end = std::chrono::steady_clock::now();
      Demand(found.status());
      latencies.nanos.push_back(
          std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count());
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return latencies;
  }
  Latencies ReadFor(int64_t seconds) {
    std::atomic<bool> done = false;
    Latencies latencies;
    std::jthread reader([&] { latencies = ReadUntil(done); });
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    done = true;
    reader.join();
    return latencies;
  }

  static void Report(const std::vector<Span>& gaps, const std::vector<Span>& scheduler) {
    int64_t longest = 0;
    int64_t longest_beyond = 0;
    int64_t longest_scheduler = 0;
    for (const Span& gap : gaps) {
      longest = std::max(longest, gap.second - gap.first);
      longest_beyond = std::max(longest_beyond, Beyond(gap, scheduler));
    }
    for (const Span& gap : scheduler) {
      longest_scheduler = std::max(longest_scheduler, gap.second - gap.first);
    }
    std::printf("longest gap of writes  %.1f ms; beyond the scheduler's %.1f ms (bar 50)\n",
                static_cast<double>(longest) / 1000, static_cast<double>(longest_beyond) / 1000);
    std::printf("longest of the scheduler %.1f ms, %zu above 3 ms\n",
                static_cast<double>(longest_scheduler) / 1000, scheduler.size());
  }

  const uint64_t keys_;
  const int64_t seconds_;
  const double share_;
  uint64_t written_ = 0;
  Overwriter overwriter_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  std::string directory;
  uint64_t keys = 10'000'000;
  int64_t seconds = 300;
  double share = 0.6;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--directory") == 0) directory = argv[i + 1];
    if (std::strcmp(argv[i], "--keys") == 0) keys = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::strtoll(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--share") == 0) share = std::strtod(argv[i + 1], nullptr) / 100;
  }
  if (directory.empty() || keys == 0 || seconds <= 0 || std::filesystem::exists(directory)) {
    std::fprintf(stderr,
                 "usage: write_gaps --directory NEW [--keys N] [--seconds N] [--share PERCENT]\n");
    return 2;
  }
  std::make_unique<bench::Run>(directory, keys, seconds, share)->All();
  std::filesystem::remove_all(directory);
  return 0;
}
