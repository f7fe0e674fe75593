// SPDX-License-Identifier: BSD-3-Clause
// usage: power_cut_test [--runs N] [--seed FIRST] [--units N]
//
// First plants each bug and demands that the harness sees it; then runs N seeds without a bug and
// demands that none violates what is promised (see power_cut_run.h). Two threads share the seeds.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/power_cut_run.h"

namespace crash {
namespace {

constexpr uint64_t kSeedsToFindABug = 5000;

bool FindPlantedBugs(uint64_t units) {
  for (const PlantedBug bug : kPlantedBugs) {
    bool found = false;
    for (uint64_t seed = 1; seed <= kSeedsToFindABug && !found; ++seed) {
      const PowerCutResult result = RunPowerCuts(seed, bug, units);
      found = !result.violation.empty();
      if (found) {
        std::printf("planted: %s: seen with seed %llu: %s\n", Name(bug),
                    static_cast<unsigned long long>(seed), result.violation.c_str());
      }
    }
    if (!found) {
      std::printf("NOT SEEN: %s\n", Name(bug));
      return false;
    }
  }
  return true;
}

class Campaign {
 public:
  Campaign(uint64_t first_seed, uint64_t runs, uint64_t units)
      : end_(first_seed + runs), units_(units), next_(first_seed), runs_(runs) {}

  bool Run() {
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 2; ++i) threads.emplace_back([this] { Work(); });
    }
    std::printf(
        "\n%llu runs: %llu units, %llu deaths (%llu with a flush in flight, %llu while "
        "opening), %llu flushes, %llu compactions; %llu deaths with several levels below L0, %llu "
        "of them with more than two; %llu violations\n",
        Number(done_), Number(total_.units), Number(total_.deaths),
        Number(total_.cuts_with_flush_in_flight), Number(total_.cuts_while_opening),
        Number(total_.flushes), Number(total_.compactions), Number(total_.lives_of_several_levels),
        Number(total_.lives_of_many_levels), Number(violations_));
    if (runs_ >= 50 && total_.lives_of_many_levels == 0) {
      std::printf("no database had more than two levels below L0\n");
      return false;
    }
    return violations_ == 0;
  }

 private:
  static unsigned long long Number(uint64_t value) { return value; }

  void Work() {
    while (violations_ < 5) {
      const uint64_t seed = next_++;
      if (seed >= end_) return;
      const PowerCutResult result = RunPowerCuts(seed, PlantedBug::kNone, units_);
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!result.violation.empty()) {
        ++violations_;
        std::printf("\nVIOLATION: %s\n  again: power_cut_test --runs 1 --units %llu --seed %llu\n",
                    result.violation.c_str(), Number(units_), Number(seed));
      }
      total_.units += result.units;
      total_.deaths += result.deaths;
      total_.cuts_with_flush_in_flight += result.cuts_with_flush_in_flight;
      total_.cuts_while_opening += result.cuts_while_opening;
      total_.flushes += result.flushes;
      total_.compactions += result.compactions;
      total_.lives_of_several_levels += result.lives_of_several_levels;
      total_.lives_of_many_levels += result.lives_of_many_levels;
      if (++done_ % 500 == 0) {
        std::fprintf(stderr, "\r%llu of %llu runs", Number(done_), Number(runs_));
      }
    }
  }

  const uint64_t end_;
  const uint64_t units_;
  std::atomic<uint64_t> next_;
  const uint64_t runs_;
  std::atomic<uint64_t> violations_ = 0;
  std::mutex mutex_;  // guards what follows, and the output
  PowerCutResult total_;
  uint64_t done_ = 0;
};

int Main(int argc, char** argv) {
  uint64_t runs = 500;
  uint64_t seed = 1;
  uint64_t units = 300;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--runs") == 0) runs = value;
    if (std::strcmp(argv[i], "--seed") == 0) seed = value;
    if (std::strcmp(argv[i], "--units") == 0) units = value;
  }
  if (runs > 1 && !FindPlantedBugs(units)) return 1;
  return Campaign(seed, runs, units).Run() ? 0 : 1;
}

}  // namespace
}  // namespace crash

int main(int argc, char** argv) { return crash::Main(argc, argv); }
