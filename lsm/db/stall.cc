// SPDX-License-Identifier: BSD-3-Clause
// Each figure has a mark at which slowing begins and one at which writes stop; the delay grows in a
// straight line between them, so that writers meet the background's pace instead of a wall.

#include "lsm/db/stall.h"

#include <algorithm>

namespace lsm {
namespace {

constexpr int64_t kMaxDelayMicros = 10000;

// What one figure asks for.
WriteStall Judge(WriteStall::Reason reason, size_t figure, size_t slow_from, size_t stop_at) {
  if (figure >= stop_at) return {WriteStall::State::kStop, reason, 0};
  if (figure <= slow_from) return {};
  const double share =
      static_cast<double>(figure - slow_from) / static_cast<double>(stop_at - slow_from);
  const auto delay = static_cast<int64_t>(share * static_cast<double>(kMaxDelayMicros));
  return {WriteStall::State::kSlowdown, reason, std::max<int64_t>(delay, 1)};
}

bool MoreSevere(const WriteStall& a, const WriteStall& b) {
  if (a.state != b.state) return a.state > b.state;
  return a.delay_micros > b.delay_micros;
}

}  // namespace

WriteStall ComputeStall(const Options& options, const StallInput& input) {
  if (input.log_failed) {
    return {WriteStall::State::kStop, WriteStall::Reason::kBackgroundError, 0};
  }
  const size_t limit = static_cast<size_t>(std::max(options.memtable_limit, 1));
  const size_t budget = options.write_buffer_budget;
  const auto l0_slow = static_cast<size_t>(std::max(options.l0_slowdown_trigger, 1));
  const auto l0_stop =
      std::max(static_cast<size_t>(std::max(options.l0_stop_trigger, 1)), l0_slow + 1);

  WriteStall stall = Judge(WriteStall::Reason::kWriteBufferBudget, input.memtable_bytes,
                           budget - budget / 8, budget);
  // One table above the limit is the flush that is under way.
  const WriteStall tables =
      Judge(WriteStall::Reason::kMemtables, input.max_memtables, limit + 1, 2 * limit + 2);
  if (MoreSevere(tables, stall)) stall = tables;
  const WriteStall files =
      Judge(WriteStall::Reason::kL0Files, input.max_l0_files, l0_slow - 1, l0_stop);
  if (MoreSevere(files, stall)) stall = files;

  // A stop that background work cannot end by itself has that work's failure for a reason.
  const bool failed =
      stall.reason == WriteStall::Reason::kL0Files ? input.merge_failed : input.flush_failed;
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

}  // namespace lsm
