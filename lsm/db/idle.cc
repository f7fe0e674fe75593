// SPDX-License-Identifier: BSD-3-Clause
// While nobody writes much, files are brought into the order that reads like best and that takes
// least space, as far as that is worth its work (CompactionPicker):
//   1. Every few seconds: was a memtable frozen since the last time, or is there more than a
//      trickle in the log? Then nothing is idle.
//   2. Otherwise trees that have changed since their last turn get one.
//   3. Tombstones in a memtable keep what they delete on disk: where that is much of their tree,
//      the memtable is flushed.

#include <utility>

#include "lsm/db/db_impl.h"

namespace lsm {
namespace {

constexpr uint64_t kTrickle = uint64_t{1} << 20;  // bytes of log from one look to the next
// Tombstones for a twelfth of the tree are worth a flush.
constexpr uint64_t kWorthShare = 12;

}  // namespace

void DBImpl::OnIdleTick() {
  const uint64_t log_bytes = wal_.figures().bytes_written;
  std::vector<TreeId> to_flush;
  {
    MutexLock lock(&mutex_);
    if (closing_.load() || !opened_) return;
    if (CompactionFails()) RetryBackgroundWork();
    idle_ = stats_.rotations == idle_rotations_ && log_bytes - idle_log_bytes_ <= kTrickle;
    idle_rotations_ = stats_.rotations;
    idle_log_bytes_ = log_bytes;
    if (!idle_) return;
    compaction_queue_.insert(idle_candidates_.begin(), idle_candidates_.end());
    if (!compaction_queue_.empty()) ScheduleCompaction();
    for (const auto& [first, id] : unflushed_) {
      if (WorthFlushing(*trees_.at(id))) to_flush.push_back(id);
    }
  }
  if (to_flush.empty()) return;
  const std::unique_ptr<Writer> writer = TryLockWriter();
  if (writer == nullptr) return;
  writer_mutex_.AssertHeld();
  Garbage garbage;
  MutexLock lock(&mutex_);
  const uint64_t before = stats_.rotations;
  for (const TreeId id : to_flush) {
    const auto found = trees_.find(id);
    if (found != trees_.end()) RotateToFlush(found->second.get(), &garbage);
  }
  idle_rotations_ += stats_.rotations - before;  // these are not somebody's writing
  ScheduleFlush();
}

bool DBImpl::WorthFlushing(const Tree& tree) const {
  if (tree.dropped != 0) return false;
  const Version& version = *tree.state->version;
  uint64_t entries = 0;
  for (int level = 0; level < kMaxLevels; ++level) entries += version.sums(level).entries;
  return entries > 0 && tree.state->active->tombstones() * kWorthShare >= entries;
}

}  // namespace lsm
