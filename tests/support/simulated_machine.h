// SPDX-License-Identifier: BSD-3-Clause
// SimulatedMachine is where a database lives and dies in the crash tests: files in memory, a clock,
// a plan for what goes wrong, and, for each life of the process, an executor stepped by hand.
//
//     SimulatedMachine machine;
//     machine.StartProcess(seed);
//     auto db = DB::Open(machine.Equip(options), "/db");
//     machine.plan()->CutPowerWithin(machine.plan()->calls() + 17, tear);
//     ... use it ...
//     machine.Halt();
//     db.reset();
//     machine.LosePower(&random, PowerLoss::kRandom);  // or KillProcess()
//     machine.StartProcess(seed + 1);
//
// The plan lives as long as the machine: its calls are counted over all lives.
//
// Thread safety: none; machines share nothing.

#pragma once

#include <cstdint>
#include <memory>

#include "lsm/options.h"
#include "lsm/random.h"
#include "tests/support/fault_plan.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"

namespace lsm {

class SimulatedMachine {
 public:
  SimulatedMachine() : SimulatedMachine(std::make_unique<MemFileSystem>()) {}
  // One that finds these files.
  explicit SimulatedMachine(std::unique_ptr<MemFileSystem> files);
  ~SimulatedMachine();
  SimulatedMachine(const SimulatedMachine&) = delete;
  SimulatedMachine& operator=(const SimulatedMachine&) = delete;

  MemFileSystem* files() { return files_.get(); }
  FaultPlan* plan() { return &plan_; }
  ManualClock* clock() { return &clock_; }
  ManualExecutor* executor() { return executor_.get(); }

  // A new process: nothing is queued. The seed decides which lane has its turn.
  void StartProcess(uint64_t seed);
  // The options, on this machine's files, clock and executor. REQUIRES: a process was started
  Options Equip(Options options);

  // Nothing works any more: what the engine tries from now on happens after its death.
  void Halt() { plan_.CutPowerAfter(0); }
  // What follows needs a new process, and finds the power on. REQUIRES: nothing uses the executor
  // and the files any more
  void KillProcess();
  void LosePower(Random* random, PowerLoss loss);

 private:
  void ComeBack(std::unique_ptr<MemFileSystem> files);

  FaultPlan plan_;
  ManualClock clock_;
  std::unique_ptr<MemFileSystem> files_;
  std::unique_ptr<ManualExecutor> executor_;
};

}  // namespace lsm
