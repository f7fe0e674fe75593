// SPDX-License-Identifier: BSD-3-Clause
// Tree is one ordered key space in memory: an active memtable, frozen ones, and a Version of files.
//
// Thread safety: a field is guarded as its group says. The locks are DBImpl's (db_impl.h); clang's
// analysis cannot follow a lock of another object, so the groups are comments here.
//
// Forks. A fork begins with the same frozen tables and the same Version as its source. A frozen
// table knows its owners, the trees that have it to flush; whoever's turn it is flushes it for all
// of them. Two trees that share a table share all older ones that either of them has.
//
// Invariants:
//   - state->active is the only table that is written; state->frozen are newest first.
//   - Every record of a frozen table is appended to the log, is at most its `through`, and is older
//     than every record of the tables before it.
//   - A published TreeState never changes.

#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lsm/compaction/compaction_picker.h"
#include "lsm/memtable/memtable.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/util/mutex.h"
#include "lsm/version/version.h"

namespace lsm {

// The values a tree's counters had at each unit that somebody may still look at.
// Thread safety: safe for concurrent use; changes are ordered by the writer lock.
class CounterHistory {
 public:
  explicit CounterHistory(const TreeCounters& counters) : history_{{0, counters}} {}

  // REQUIRES: `sequence` is not below that of any earlier call.
  void Add(SequenceNumber sequence, size_t counter, int64_t delta) EXCLUDES_LOCK(mutex_);
  // Forgets what was added with `sequence` or later.
  void Undo(SequenceNumber sequence) EXCLUDES_LOCK(mutex_);
  // Forgets what nobody at `floor` or later can see. True if so much is left that Thin pays.
  bool Prune(SequenceNumber floor) EXCLUDES_LOCK(mutex_);
  // Forgets what lies between points that somebody looks at: `pins`, ascending, or any from
  // `visible` on.
  void Thin(const std::vector<SequenceNumber>& pins, SequenceNumber visible) EXCLUDES_LOCK(mutex_);
  size_t size() const EXCLUDES_LOCK(mutex_);
  TreeCounters At(SequenceNumber sequence) const EXCLUDES_LOCK(mutex_);

 private:
  mutable Mutex mutex_;
  static constexpr size_t kThinFrom = 64;

  // Ascending by sequence, never empty.
  std::deque<std::pair<SequenceNumber, TreeCounters>> history_ GUARDED_BY(mutex_);
  size_t thin_at_ GUARDED_BY(mutex_) = kThinFrom;  // the size that is worth a Thin
};

// Everything of a tree up to `through`, from unit `first` on, waits to be flushed.
struct FlushMark {
  SequenceNumber first = 0;
  SequenceNumber through = 0;
  TreeCounters counters{};
};

struct FrozenTable {
  std::shared_ptr<const MemTable> table;
  FlushMark mark;  // of the tree that wrote it
  size_t bytes = 0;
  // The state lock. Dropped trees leave when the drop is published.
  mutable std::vector<TreeId> owners;
};

struct TreeState {
  std::shared_ptr<MemTable> active;
  std::vector<std::shared_ptr<const FrozenTable>> frozen;
  std::shared_ptr<const Version> version;
};

// A call of DB::CompactRange; what changes is guarded by the state lock.
struct ManualCompaction {
  CompactionRange range;
  uint64_t first_new_file = 0;  // files from this number on were written after the call
  bool waited = false;          // since before the job that is running
  bool done = false;
  Status error;  // of the last try
};

struct Tree {
  Tree(TreeId tree_id, SequenceNumber created_by, const TreeCounters& initial)
      : id(tree_id), created(created_by), counters(initial) {}

  const TreeId id;
  const SequenceNumber created;  // the unit that created it, 0 if it is older than the log
  CounterHistory counters;

  // The writer lock.
  MemTable* active = nullptr;  // state->active
  bool touched = false;        // by the open group

  // The state lock.
  std::shared_ptr<const TreeState> state;
  SequenceNumber dropped = 0;       // the unit that dropped it; changed under the writer lock too
  SequenceNumber active_first = 0;  // oldest unit in the active table or counted since it was made
  SequenceNumber unflushed_entry = 0;  // under which DBImpl::unflushed_ has this tree
  size_t active_bytes = 0;             // 0 while the active table is empty
  std::optional<FlushMark> counted;    // counters that changed without records; no table to flush
  SequenceNumber flush_through = 0;    // somebody asked for everything up to here to be flushed
  SequenceNumber flushed_through = 0;
  bool drop_recorded = false;  // the manifest does not know the tree any more
  bool discounted = false;     // no sum of DBImpl's counts it any more
  // What somebody waits for to be compacted, first come first served.
  std::vector<std::shared_ptr<ManualCompaction>> manual;

  // The oldest unit that is only in the log and in memory; 0 if there is none.
  SequenceNumber OldestUnflushed() const;
  // A fork that has tables which its source had before: it is not in the manifest.
  bool HasInherited() const {
    return !state->frozen.empty() && state->frozen.back()->mark.through < created;
  }
  bool HasFrozen() const { return !state->frozen.empty() || counted.has_value(); }
  // The oldest of what waits to be flushed. REQUIRES: HasFrozen()
  SequenceNumber OldestFrozen() const;
  // Through which unit all that waits reaches. REQUIRES: HasFrozen()
  SequenceNumber NewestFrozen() const;
  size_t memtables() const { return state->frozen.size() + 1; }
};

}  // namespace lsm
