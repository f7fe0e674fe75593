// SPDX-License-Identifier: BSD-3-Clause
// FaultPlan decides what becomes of the calls on a MemFileSystem: it counts and traces them, makes
// chosen ones fail or lie, and cuts the power.
//
//     MemFileSystem fs;
//     FaultPlan plan;
//     fs.SetInterceptor(&plan);
//     plan.Add({.call = FileCall::kSync, .suffix = ".wal", .first = 3});  // the third one fails
//     plan.CutPowerAfter(120);                                            // nothing works after
//     that
//     ... run the engine, drop it ...
//     fs.SetInterceptor(nullptr);
//     auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
//
// Ordinals count the calls that change something (ChangesSomething), from 1, over all files.
//
// Thread safety: safe for concurrent use. The hook runs without a lock.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "lsm/util/mutex.h"
#include "tests/support/mem_file_system.h"

namespace lsm {

class FaultPlan : public FileInterceptor {
 public:
  static constexpr uint64_t kForEver = ~uint64_t{0};

  enum class Effect {
    kNothing,    // the call is not performed
    kTorn,       // kWrite: the first torn_at bytes are written
    kPerformed,  // the call is performed and reported as failed nevertheless
    kMarkClean,  // kSync: unsynced pages are marked clean; no later sync writes them
    kPretend,    // the call is not performed and reported as done: a planted bug. For calls that
                 // return nothing but a Status.
  };

  struct Fault {
    std::optional<FileCall> call = {};  // absent: every call that changes something
    bool any_call = false;              // without `call`: those that change nothing, too
    std::string suffix = {};            // of the path, or of the new name; empty: of any
    uint64_t first = 1;                 // which of the matching calls is the first to fail
    uint64_t count = 1;                 // how many do
    Effect effect = Effect::kNothing;
    Status::Code code = Status::Code::kIoError;  // or kNoSpace
    uint64_t torn_at = 0;
  };

  enum class Trace {
    kNames,   // "write 000003.wal"; consecutive equal lines are one
    kRanges,  // "write 000003.wal 4096+512"
  };

  // Sees each call that changes something before it happens, with its ordinal; a status that is not
  // OK is the call's result, and the call is not performed.
  using Hook = std::function<Status(const FileCallInfo& info, uint64_t ordinal)>;

  // Faults are asked in the order they were added; the first that applies decides.
  void Add(Fault fault);
  void ClearFaults();
  // REQUIRES: no call is under way.
  void SetHook(Hook hook) { hook_ = std::move(hook); }

  // The call with this ordinal is the last that is performed; every later call of any kind fails.
  // 0: the power is off at once. kForEver: it stays, or is back.
  void CutPowerAfter(uint64_t ordinal);
  // The power goes in the middle of the call with this ordinal: of a write, the first bytes are
  // written, how many `tear` says; other calls are not performed. REQUIRES: ordinal > 0
  void CutPowerWithin(uint64_t ordinal, uint64_t tear);
  bool power_is_off() const;

  // Before each call that changes something, one time in `one_in`, `fs` writes back some of what is
  // not synced. Not owned. REQUIRES: one_in > 0
  void WriteBackInBetween(MemFileSystem* fs, uint64_t seed, uint64_t one_in);

  // Calls that change something, so far; those that failed count.
  uint64_t calls() const;
  // Calls that ran into a fault.
  uint64_t faults_met() const;
  // The calls that change something from now on, by the last part of their paths.
  void StartTrace(Trace kind);
  std::vector<std::string> TakeTrace();

  FileVerdict Before(const FileCallInfo& info) override;

 private:
  struct ActiveFault {
    Fault fault;
    uint64_t seen = 0;  // matching calls so far
  };

  void AddToTrace(const FileCallInfo& info) REQUIRES_LOCK(mutex_);
  // The fault that this call runs into, if any.
  const Fault* Match(const FileCallInfo& info) REQUIRES_LOCK(mutex_);

  Hook hook_;
  mutable Mutex mutex_;
  std::vector<ActiveFault> faults_ GUARDED_BY(mutex_);
  uint64_t calls_ GUARDED_BY(mutex_) = 0;
  uint64_t last_call_ GUARDED_BY(mutex_) = kForEver;
  std::optional<uint64_t> tear_ GUARDED_BY(mutex_);  // of the last call; absent: it is performed
  uint64_t faults_met_ GUARDED_BY(mutex_) = 0;
  std::optional<Trace> trace_kind_ GUARDED_BY(mutex_);
  std::vector<std::string> trace_ GUARDED_BY(mutex_);
  MemFileSystem* write_back_fs_ GUARDED_BY(mutex_) = nullptr;
  uint64_t write_back_one_in_ GUARDED_BY(mutex_) = 1;
  Random write_back_random_ GUARDED_BY(mutex_){0};
};

}  // namespace lsm
