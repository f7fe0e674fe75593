// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/simulated_machine.h"

#include <utility>

#include "lsm/util/check.h"

namespace lsm {

SimulatedMachine::SimulatedMachine(std::unique_ptr<MemFileSystem> files)
    : files_(std::move(files)) {
  files_->SetInterceptor(&plan_);
}

SimulatedMachine::~SimulatedMachine() { files_->SetInterceptor(nullptr); }

void SimulatedMachine::StartProcess(uint64_t seed) {
  executor_ = std::make_unique<ManualExecutor>(seed);
}

Options SimulatedMachine::Equip(Options options) {
  VARVE_CHECK(executor_ != nullptr);
  options.file_system = files_.get();
  options.clock = &clock_;
  options.executor = executor_.get();
  return options;
}

void SimulatedMachine::KillProcess() { ComeBack(files_->AfterKill()); }

void SimulatedMachine::LosePower(Random* random, PowerLoss loss) {
  ComeBack(files_->AfterPowerCut(random, loss));
}

void SimulatedMachine::ComeBack(std::unique_ptr<MemFileSystem> files) {
  executor_.reset();
  files_ = std::move(files);
  files_->SetInterceptor(&plan_);
  plan_.CutPowerAfter(FaultPlan::kForEver);
}

}  // namespace lsm
