// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/fault_plan.h"

#include <utility>

#include "lsm/util/check.h"

namespace lsm {
namespace {

std::string_view LastPart(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

Status Failure(const FileCallInfo& info, Status::Code code, std::string_view why) {
  std::string message(ToString(info.call));
  message += ' ';
  message += info.path;
  message += ": ";
  message += why;
  return code == Status::Code::kNoSpace ? Status::NoSpace(std::move(message))
                                        : Status::IoError(std::move(message));
}

Status InjectedFailure(const FileCallInfo& info, Status::Code code) {
  return Failure(info, code,
                 code == Status::Code::kNoSpace ? "No space left on device (injected)"
                                                : "Input/output error (injected)");
}

FileVerdict PowerIsOff(const FileCallInfo& info) {
  return FileVerdict::Fail(Failure(info, Status::Code::kIoError, "power is off"));
}

FileVerdict VerdictOf(const FaultPlan::Fault& fault, const FileCallInfo& info) {
  if (fault.effect == FaultPlan::Effect::kPretend) return FileVerdict::Pretend();
  FileVerdict verdict;
  verdict.status = InjectedFailure(info, fault.code);
  verdict.perform = fault.effect == FaultPlan::Effect::kPerformed;
  if (fault.effect == FaultPlan::Effect::kTorn) verdict.torn_at = fault.torn_at;
  verdict.mark_clean = fault.effect == FaultPlan::Effect::kMarkClean;
  return verdict;
}

}  // namespace

void FaultPlan::Add(Fault fault) {
  VARVE_CHECK(fault.code == Status::Code::kIoError || fault.code == Status::Code::kNoSpace);
  MutexLock lock(&mutex_);
  faults_.push_back({std::move(fault)});
}

void FaultPlan::ClearFaults() {
  MutexLock lock(&mutex_);
  faults_.clear();
}

void FaultPlan::CutPowerAfter(uint64_t ordinal) {
  MutexLock lock(&mutex_);
  last_call_ = ordinal;
  tear_.reset();
}

void FaultPlan::CutPowerWithin(uint64_t ordinal, uint64_t tear) {
  VARVE_CHECK(ordinal > 0);
  MutexLock lock(&mutex_);
  last_call_ = ordinal;
  tear_ = tear;
}

bool FaultPlan::power_is_off() const {
  MutexLock lock(&mutex_);
  return calls_ >= last_call_;
}

void FaultPlan::WriteBackInBetween(MemFileSystem* fs, uint64_t seed, uint64_t one_in) {
  VARVE_CHECK(one_in > 0);
  MutexLock lock(&mutex_);
  write_back_fs_ = fs;
  write_back_one_in_ = one_in;
  write_back_random_ = Random(seed);
}

uint64_t FaultPlan::calls() const {
  MutexLock lock(&mutex_);
  return calls_;
}

uint64_t FaultPlan::faults_met() const {
  MutexLock lock(&mutex_);
  return faults_met_;
}

void FaultPlan::StartTrace(Trace kind) {
  MutexLock lock(&mutex_);
  trace_kind_ = kind;
  trace_.clear();
}

std::vector<std::string> FaultPlan::TakeTrace() {
  MutexLock lock(&mutex_);
  return std::exchange(trace_, {});
}

void FaultPlan::AddToTrace(const FileCallInfo& info) {
  if (!trace_kind_.has_value()) return;
  std::string line(ToString(info.call));
  line += ' ';
  line += LastPart(info.path);
  if (!info.target.empty()) {
    line += ' ';
    line += LastPart(info.target);
  }
  const bool has_range = info.call == FileCall::kWrite || info.call == FileCall::kAllocate ||
                         info.call == FileCall::kTruncate;
  if (*trace_kind_ == Trace::kRanges && has_range) {
    line += ' ';
    line += std::to_string(info.offset);
    line += '+';
    line += std::to_string(info.size);
  }
  const bool repeated = !trace_.empty() && trace_.back() == line;
  if (*trace_kind_ == Trace::kNames && repeated) return;
  trace_.push_back(std::move(line));
}

const FaultPlan::Fault* FaultPlan::Match(const FileCallInfo& info) {
  for (ActiveFault& active : faults_) {
    const Fault& fault = active.fault;
    const bool meant = fault.call.has_value() ? info.call == *fault.call
                                              : fault.any_call || ChangesSomething(info.call);
    if (!meant) continue;
    if (!info.path.ends_with(fault.suffix) && !info.target.ends_with(fault.suffix)) continue;
    ++active.seen;
    if (active.seen >= fault.first && active.seen - fault.first < fault.count) {
      ++faults_met_;
      return &fault;
    }
  }
  return nullptr;
}

// 1. Without power nothing works. 2. Count, trace. 3. The power may go within this call. 4. The
// system may write something back by itself. 5. The hook may object; the power may go meanwhile.
// 6. A fault may apply.
FileVerdict FaultPlan::Before(const FileCallInfo& info) {
  const bool changes = ChangesSomething(info.call);
  uint64_t ordinal = 0;
  MemFileSystem* write_back_fs = nullptr;
  Random write_back_random(0);
  {
    MutexLock lock(&mutex_);
    if (calls_ >= last_call_) return PowerIsOff(info);
    if (changes) {
      ordinal = ++calls_;
      AddToTrace(info);
      if (ordinal == last_call_ && tear_.has_value()) {
        FileVerdict torn = PowerIsOff(info);
        if (info.call == FileCall::kWrite) torn.torn_at = *tear_ % (info.size + 1);
        return torn;
      }
      if (write_back_fs_ != nullptr && write_back_random_.OneIn(write_back_one_in_)) {
        write_back_fs = write_back_fs_;
        write_back_random = Random(write_back_random_.Next64());
      }
    }
  }
  if (write_back_fs != nullptr) write_back_fs->WriteBackSome(&write_back_random);
  if (changes && hook_) {
    Status status = hook_(info, ordinal);
    if (!status.ok()) return FileVerdict::Fail(std::move(status));
  }
  MutexLock lock(&mutex_);
  if (changes && calls_ != ordinal && calls_ >= last_call_) return PowerIsOff(info);
  const Fault* const fault = Match(info);
  return fault == nullptr ? FileVerdict::Proceed() : VerdictOf(*fault, info);
}

}  // namespace lsm
