// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/db/stall.h"

#include <algorithm>
#include <cmath>

namespace lsm {
namespace {

// However great the pressure, writes go on at this share of the measured rate until they stop: a
// rate that was measured badly must not hold them for ever.
constexpr double kLeastShare = 0.02;
constexpr uint64_t kLeastPace = 64 << 10;

constexpr int64_t kMaxAheadNanos = 1'000'000;
// Who writes a lot at once has it charged at once; nobody else is to wait for longer than this.
constexpr int64_t kMaxDelayNanos = 20'000'000;

// What one figure asks for. `rate`: of the work that brings it down.
WriteStall Judge(WriteStall::Reason reason, double pressure, uint64_t rate) {
  if (pressure >= 1) return {.state = WriteStall::State::kStop, .reason = reason};
  if (pressure <= 0) return {};
  const double share = std::max(2 * (1 - pressure), kLeastShare);
  const auto pace = static_cast<uint64_t>(share * static_cast<double>(rate));
  return {.state = WriteStall::State::kSlowdown,
          .reason = reason,
          .bytes_per_second = std::max(pace, kLeastPace)};
}

// How far `figure` has come from `slow_from`, where pressure begins, to `stop_at`.
double Pressure(size_t figure, size_t slow_from, size_t stop_at) {
  if (figure >= stop_at) return 1;
  if (figure <= slow_from) return 0;
  return static_cast<double>(figure - slow_from) / static_cast<double>(stop_at - slow_from);
}

bool MoreSevere(const WriteStall& a, const WriteStall& b) {
  if (a.state != b.state) return a.state > b.state;
  return a.state == WriteStall::State::kSlowdown && a.bytes_per_second < b.bytes_per_second;
}

WriteStall JudgeSync(const StallInput& input) {
  if (input.max_unsynced_age == 0) return {};
  const int64_t half = input.max_unsynced_age / 2;
  const double pressure =
      static_cast<double>(input.unsynced_age - half) / static_cast<double>(half + 1);
  // Whether writes stop at the limit is up to those who know what was promised.
  return Judge(WriteStall::Reason::kUnsyncedLog, std::min(pressure, 1 - kLeastShare / 2),
               input.sync_rate);
}

}  // namespace

WriteStall ComputeStall(const Options& options, const StallInput& input) {
  if (input.log_failed) {
    return {.state = WriteStall::State::kStop, .reason = WriteStall::Reason::kBackgroundError};
  }
  const size_t limit = static_cast<size_t>(std::max(options.memtable_limit, 1));
  const size_t budget =
      input.write_buffer_budget != 0 ? input.write_buffer_budget : options.write_buffer_budget;
  const auto l0_slow = static_cast<size_t>(std::max(options.l0_slowdown_trigger, 1));
  const auto l0_stop =
      std::max(static_cast<size_t>(std::max(options.l0_stop_trigger, 1)), l0_slow + 1);

  // A little below the budget, so that the group which reaches the mark is within it.
  WriteStall stall = Judge(
      WriteStall::Reason::kWriteBufferBudget,
      Pressure(input.memtable_bytes, budget - budget / 8, budget - budget / 64), input.flush_rate);
  const auto consider = [&stall](const WriteStall& other) {
    if (MoreSevere(other, stall)) stall = other;
  };
  // One table above the limit is the flush that is under way.
  consider(Judge(WriteStall::Reason::kMemtables,
                 Pressure(input.max_memtables, limit + 1, 2 * limit + 2), input.flush_rate));
  consider(Judge(WriteStall::Reason::kL0Files, Pressure(input.max_l0_files, l0_slow - 1, l0_stop),
                 input.compaction_rate));
  consider(JudgeSync(input));

  // A stop that background work cannot end by itself has that work's failure for a reason.
  const bool failed =
      stall.reason == WriteStall::Reason::kL0Files ? input.compaction_failed : input.flush_failed;
  if (stall.state == WriteStall::State::kStop && failed) {
    stall.reason =
        input.disk_full ? WriteStall::Reason::kDiskFull : WriteStall::Reason::kBackgroundError;
  }
  return stall;
}

bool IsRelief(const WriteStall& before, const WriteStall& after) {
  return MoreSevere(before, after);
}

std::string_view ToString(WriteStall::State state) {
  switch (state) {
    case WriteStall::State::kNone:
      return "none";
    case WriteStall::State::kSlowdown:
      return "slowdown";
    case WriteStall::State::kStop:
      return "stop";
  }
  return "unknown";
}

std::string_view ToString(WriteStall::Reason reason) {
  switch (reason) {
    case WriteStall::Reason::kNone:
      return "none";
    case WriteStall::Reason::kMemtables:
      return "memtables";
    case WriteStall::Reason::kWriteBufferBudget:
      return "write-buffer-budget";
    case WriteStall::Reason::kL0Files:
      return "l0-files";
    case WriteStall::Reason::kUnsyncedLog:
      return "unsynced-log";
    case WriteStall::Reason::kDiskFull:
      return "disk-full";
    case WriteStall::Reason::kBackgroundError:
      return "background-error";
  }
  return "unknown";
}

void DrainMeter::Note(uint64_t bytes, int64_t micros) {
  constexpr double kMemoryMicros = 10e6;
  const auto took = static_cast<double>(std::max<int64_t>(micros, 1));
  const double kept = std::exp(-took / kMemoryMicros);
  bytes_ = bytes_ * kept + static_cast<double>(bytes);
  micros_ = micros_ * kept + took;
}

uint64_t DrainMeter::BytesPerSecond() const {
  constexpr uint64_t kGuess = 64 << 20;
  return micros_ == 0 ? kGuess : static_cast<uint64_t>(bytes_ / micros_ * 1e6);
}

void WritePacer::SetPace(uint64_t bytes_per_second) {
  MutexLock lock(&mutex_);
  pace_ = bytes_per_second;
}

void WritePacer::Charge(uint64_t bytes, int64_t now) {
  MutexLock lock(&mutex_);
  if (pace_ == 0) return;
  const int64_t now_nanos = now * 1000;
  const int64_t latest = now_nanos + kMaxAheadNanos + kMaxDelayNanos;
  const double worth = static_cast<double>(bytes) * 1e9 / static_cast<double>(pace_);
  const auto bounded = static_cast<int64_t>(std::min(worth, 1e9));
  paid_until_nanos_ = std::min(std::max(paid_until_nanos_, now_nanos) + bounded, latest);
}

int64_t WritePacer::DelayMicros(int64_t now) const {
  MutexLock lock(&mutex_);
  if (pace_ == 0) return 0;
  const int64_t behind = paid_until_nanos_ - now * 1000 - kMaxAheadNanos;
  return behind <= 0 ? 0 : (behind + 999) / 1000;
}

}  // namespace lsm
