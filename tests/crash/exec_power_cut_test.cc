// SPDX-License-Identifier: BSD-3-Clause
// usage: exec_power_cut_test [--runs N] [--seed FIRST] [--transactions N]
//
// First plants a bug and demands that the harness sees it; then runs N seeds without one and
// demands that none violates what is promised of EXEC (see exec_power_cut_run.h).

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/crash/exec_power_cut_run.h"

namespace crash {
namespace {

constexpr uint64_t kSeedsToFindABug = 100;

unsigned long long Number(uint64_t value) { return value; }

bool FindPlantedBug(uint64_t transactions) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    const ExecPowerCutResult result = RunExecPowerCuts(seed, ExecBug::kCommandsAlone, transactions);
    if (result.violation.empty()) continue;
    std::printf("planted: commands committed alone: seen with seed %llu: %s\n", Number(seed),
                result.violation.c_str());
    return true;
  }
  std::printf("NOT SEEN: commands committed alone\n");
  return false;
}

bool RunSeeds(uint64_t first, uint64_t runs, uint64_t transactions) {
  ExecPowerCutResult total;
  uint64_t violations = 0;
  for (uint64_t seed = first; seed < first + runs && violations < 5; ++seed) {
    const ExecPowerCutResult result = RunExecPowerCuts(seed, ExecBug::kNone, transactions);
    if (!result.violation.empty()) {
      ++violations;
      std::printf(
          "VIOLATION: %s\n  again: exec_power_cut_test --runs 1 --transactions %llu --seed "
          "%llu\n",
          result.violation.c_str(), Number(transactions), Number(seed));
    }
    total.transactions += result.transactions;
    total.acknowledged += result.acknowledged;
    total.power_cuts += result.power_cuts;
    total.kills += result.kills;
    total.cuts_while_opening += result.cuts_while_opening;
    total.lost += result.lost;
  }
  std::printf(
      "%llu runs: %llu transactions, %llu acknowledged, %llu lost before they were promised; %llu "
      "power cuts (%llu while opening), %llu kills; %llu violations\n",
      Number(runs), Number(total.transactions), Number(total.acknowledged), Number(total.lost),
      Number(total.power_cuts), Number(total.cuts_while_opening), Number(total.kills),
      Number(violations));
  return violations == 0;
}

int Main(int argc, char** argv) {
  uint64_t runs = 100;
  uint64_t seed = 1;
  uint64_t transactions = 300;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--runs") == 0) runs = value;
    if (std::strcmp(argv[i], "--seed") == 0) seed = value;
    if (std::strcmp(argv[i], "--transactions") == 0) transactions = value;
  }
  if (runs > 1 && !FindPlantedBug(transactions)) return 1;
  return RunSeeds(seed, runs, transactions) ? 0 : 1;
}

}  // namespace
}  // namespace crash

int main(int argc, char** argv) { return crash::Main(argc, argv); }
