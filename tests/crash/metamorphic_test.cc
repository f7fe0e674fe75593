// SPDX-License-Identifier: BSD-3-Clause
// usage: metamorphic_test [--histories N] [--seed FIRST] [--steps N] [--configuration NAME]
//
// Runs each history under every configuration and demands the answers of std::map. Two threads
// share the seeds.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/metamorphic_run.h"

namespace crash {
namespace {

struct Plan {
  uint64_t first_seed = 1;
  uint64_t histories = 100;
  uint64_t steps = 250;
  std::string only;  // one configuration; empty: all
};

class Campaign {
 public:
  explicit Campaign(const Plan& plan) : plan_(plan), next_(plan.first_seed) {
    for (Configuration& configuration : Configurations()) {
      if (plan.only.empty() || plan.only == configuration.name) {
        configurations_.push_back(std::move(configuration));
      }
    }
  }

  bool Run() {
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 2; ++i) threads.emplace_back([this] { Work(); });
    }
    std::printf("%llu histories of %llu steps under %zu configurations: %llu runs, %llu wrong\n",
                Number(done_), Number(plan_.steps), configurations_.size(), Number(runs_),
                Number(wrong_));
    return wrong_ == 0 && runs_ == plan_.histories * configurations_.size() && runs_ > 0;
  }

 private:
  static unsigned long long Number(uint64_t value) { return value; }

  void Work() {
    while (wrong_ < 5) {
      const uint64_t seed = next_++;
      if (seed >= plan_.first_seed + plan_.histories) return;
      const std::vector<Step> history = MakeHistory(seed, plan_.steps);
      for (const Configuration& configuration : configurations_) {
        Judge(seed, configuration, RunHistory(history, configuration, seed));
      }
      if (++done_ % 100 == 0) {
        std::fprintf(stderr, "%llu of %llu histories\n", Number(done_), Number(plan_.histories));
      }
    }
  }

  void Judge(uint64_t seed, const Configuration& configuration, const std::string& wrong) {
    ++runs_;
    if (wrong.empty()) return;
    ++wrong_;
    const std::lock_guard<std::mutex> lock(mutex_);
    std::printf(
        "WRONG: seed %llu, \"%s\": %s\n"
        "  again: metamorphic_test --histories 1 --seed %llu --steps %llu "
        "--configuration \"%s\"\n",
        Number(seed), configuration.name, wrong.c_str(), Number(seed), Number(plan_.steps),
        configuration.name);
  }

  const Plan plan_;
  std::vector<Configuration> configurations_;
  std::atomic<uint64_t> next_;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<uint64_t> runs_ = 0;
  std::atomic<uint64_t> wrong_ = 0;
  std::mutex mutex_;
};

int Main(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--configuration") == 0) {
      plan.only = argv[i + 1];
      continue;
    }
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--histories") == 0) plan.histories = value;
    if (std::strcmp(argv[i], "--seed") == 0) plan.first_seed = value;
    if (std::strcmp(argv[i], "--steps") == 0) plan.steps = value;
  }
  return Campaign(plan).Run() ? 0 : 1;
}

}  // namespace
}  // namespace crash

int main(int argc, char** argv) { return crash::Main(argc, argv); }
