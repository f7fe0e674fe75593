// SPDX-License-Identifier: BSD-3-Clause
// usage: every_call_test [--every K] [--again-every K] [--seed S]
//
// Interrupts one life of a database (every_call_run.h) at every K-th of its calls to the file
// system: by a power cut, by a failure of that call, and, after every K-th of these power cuts, by
// another one at each call of the recovery. First the life must have in it what it should, and
// planted bugs must be seen. Two threads share the work.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/every_call_run.h"

namespace crash {
namespace {

unsigned long long Number(uint64_t value) { return value; }

class Campaign {
 public:
  Campaign(uint64_t seed, uint64_t every, uint64_t again_every)
      : seed_(seed), every_(every), again_every_(again_every) {}

  bool Run() {
    const Verdict whole = LiveUndisturbed(seed_, &life_);
    std::printf(
        "the life: %zu calls, %llu of them changes; %llu units, %llu flushes, %llu compactions, "
        "%llu moves, %llu drops, %llu levels, %llu forks, %llu units replayed, %llu orphans\n",
        life_.calls.size(), Number(life_.changes), Number(life_.units), Number(life_.flushes),
        Number(life_.compactions), Number(life_.moves), Number(life_.drops), Number(life_.levels),
        Number(life_.forks), Number(life_.replayed_units), Number(life_.orphans_removed));
    const std::string missing = life_.Missing();
    if (!missing.empty() || !whole.violation.empty()) {
      std::printf("not as it should be: %s missing:%s\n", whole.violation.c_str(), missing.c_str());
      return false;
    }
    if (!SeesPlantedBugs()) return false;
    Stage("power cuts", CutJobs());
    Stage("failing calls", FailJobs());
    Stage("power cuts during recovery", AgainJobs());
    return violations_ == 0;
  }

 private:
  using Job = std::function<std::pair<Verdict, std::string>()>;

  bool SeesPlantedBugs() {
    for (const PlantedBug bug : {PlantedBug::kBlobAheadOfSync, PlantedBug::kForkedOntoLaterData,
                                 PlantedBug::kForgottenOwner, PlantedBug::kTombstoneDroppedEarly}) {
      uint64_t at = 1;
      Verdict verdict;
      // Not in order: neighbours are alike.
      for (uint64_t i = 1; i <= life_.changes && verdict.violation.empty(); ++i) {
        at = 1 + i * 7919 % life_.changes;
        verdict = CutPowerAt(seed_, at, bug);
      }
      if (verdict.violation.empty()) {
        std::printf("NOT SEEN: %s\n", Name(bug));
        return false;
      }
      std::printf("planted: %s: seen with seed %llu, a cut within change %llu\n", Name(bug),
                  Number(seed_), Number(at));
    }
    return true;
  }

  std::vector<Job> CutJobs() const {
    std::vector<Job> jobs;
    for (uint64_t at = 1; at <= life_.changes; at += every_) {
      jobs.push_back([this, at] {
        return std::pair(CutPowerAt(seed_, at, PlantedBug::kNone),
                         "a cut within change " + std::to_string(at));
      });
    }
    return jobs;
  }

  std::vector<Job> FailJobs() const {
    std::vector<Job> jobs;
    for (uint64_t at = 1; at <= life_.calls.size(); at += every_) {
      const lsm::FileCall call = life_.calls[at - 1];
      for (const lsm::FaultPlan::Fault& fault : FaultsOf(call, at)) {
        jobs.push_back([this, at, call, fault] {
          return std::pair(FailCall(seed_, fault),
                           "call " + std::to_string(at) + " (" + std::string(ToString(call)) +
                               ") fails, effect " + std::to_string(static_cast<int>(fault.effect)) +
                               ", code " + std::to_string(static_cast<int>(fault.code)));
        });
      }
    }
    return jobs;
  }

  std::vector<Job> AgainJobs() const {
    std::vector<Job> jobs;
    for (uint64_t at = 1 + again_every_ / 2; at <= life_.changes; at += again_every_) {
      const uint64_t calls = CutPowerTwice(seed_, at, 0).calls;
      for (uint64_t again = 1; again <= calls; ++again) {
        jobs.push_back([this, at, again] {
          return std::pair(CutPowerTwice(seed_, at, again),
                           "cuts within change " + std::to_string(at) + " and within change " +
                               std::to_string(again) + " of the recovery");
        });
      }
    }
    return jobs;
  }

  void Stage(const char* what, const std::vector<Job>& jobs) {
    const auto started = std::chrono::steady_clock::now();
    std::atomic<size_t> next = 0;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
          for (size_t at = next++; at < jobs.size() && violations_ < 10; at = next++) {
            const auto [verdict, where] = jobs[at]();
            if (!verdict.violation.empty()) Report(where, verdict.violation);
          }
        });
      }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    std::printf("%s: %zu, %.1f s; %llu violations so far\n", what, jobs.size(), took.count(),
                Number(violations_));
  }

  void Report(const std::string& where, const std::string& violation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++violations_;
    std::printf("VIOLATION with seed %llu, %s: %s\n", Number(seed_), where.c_str(),
                violation.c_str());
  }

  const uint64_t seed_;
  const uint64_t every_;
  const uint64_t again_every_;
  LifeFigures life_;
  std::atomic<uint64_t> violations_ = 0;
  std::mutex mutex_;
};

int Main(int argc, char** argv) {
  uint64_t seed = 1;
  uint64_t every = 1;
  uint64_t again_every = 50;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seed") == 0) seed = value;
    if (std::strcmp(argv[i], "--every") == 0) every = value;
    if (std::strcmp(argv[i], "--again-every") == 0) again_every = value;
  }
  if (every == 0 || again_every == 0) return 2;
  return Campaign(seed, every, again_every).Run() ? 0 : 1;
}

}  // namespace
}  // namespace crash

int main(int argc, char** argv) { return crash::Main(argc, argv); }
