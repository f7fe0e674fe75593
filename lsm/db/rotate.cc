// SPDX-License-Identifier: BSD-3-Clause
// What happens to memtables when a group has been appended, in this order:
//   1. The group becomes visible. In the tables it touched, what was replaced and nobody can see is
//      reclaimed: a tree whose keys are only overwritten is flushed for step 4 alone.
//   2. Each tree it touched notes its oldest unit that is not in files, and its size; one that is
//      over memtable_size is frozen.
//   3. Over 7/8 of the write-buffer budget all that is frozen is asked to be flushed. If that would
//      leave more than 3/4 of the budget in active tables, trees are frozen, those that are largest
//      and oldest first, until 5/8 are left: so flushes always end a stop, and trees are looked
//      through once for an eighth of the budget that was written.
//   4. If the log is longer than its limit, the trees that need its oldest segment are flushed.
//   5. The stall is worked out anew.
//
// A memtable is frozen under the state lock, after its size was looked at again, so that of several
// writers that saw a full table one freezes it; and an empty one never is.

#include <algorithm>
#include <limits>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

std::shared_ptr<const Version> EmptyVersion() {
  return std::make_shared<const Version>(Version::Levels());
}

}  // namespace

std::shared_ptr<MemTable> DBImpl::NewMemTable() const {
  constexpr size_t kBig = size_t{1} << 20;
  const auto free = [executor = executor_](MemTable* table) {
    std::shared_ptr<MemTable> owned(table);
    if (owned->ApproximateMemoryUsage() < kBig) return;
    // On the lane of many threads, so that memory does not wait behind a long job.
    executor->Schedule(Executor::Lane::kRead,
                       [owned = std::move(owned)]() mutable { owned.reset(); });
  };
  return {new MemTable(), free};
}

TreeRef DBImpl::MakeTree(TreeId id, SequenceNumber created, const TreeCounters& counters,
                         std::shared_ptr<const Version> version, SequenceNumber flushed_through) {
  auto tree = std::make_shared<Tree>(id, created, counters);
  auto state = std::make_shared<TreeState>();
  state->active = NewMemTable();
  state->version = version != nullptr ? std::move(version) : EmptyVersion();
  tree->active = state->active.get();
  tree->state = std::move(state);
  tree->flushed_through = flushed_through;
  return tree;
}

void DBImpl::AddTree(const TreeRef& tree) {
  trees_[tree->id] = tree;
  CountTree(*tree, /*add=*/true);
}

void DBImpl::SetState(Tree* tree, std::shared_ptr<const TreeState> state, Garbage* garbage) {
  CountTree(*tree, /*add=*/false);
  garbage->push_back(std::move(tree->state));
  tree->state = std::move(state);
  state_changes_.fetch_add(1, std::memory_order_release);
  CountTree(*tree, /*add=*/true);
}

void DBImpl::NoteUnflushed(Tree* tree) {
  // Once the manifest has forgotten a tree, the log is not needed for it.
  const SequenceNumber oldest = tree->drop_recorded ? 0 : tree->OldestUnflushed();
  if (oldest == tree->unflushed_entry) return;
  if (tree->unflushed_entry != 0) unflushed_.erase({tree->unflushed_entry, tree->id});
  if (oldest != 0) unflushed_.insert({oldest, tree->id});
  tree->unflushed_entry = oldest;
}

void DBImpl::NoteGrowth(Tree* tree, SequenceNumber first) {
  if (tree->active_first == 0) {
    tree->active_first = first;
    NoteUnflushed(tree);
  }
  const size_t bytes = tree->active->empty() ? 0 : tree->active->ApproximateMemoryUsage();
  memtable_bytes_ += bytes - tree->active_bytes;
  tree->active_bytes = bytes;
}

void DBImpl::PublishGroup() {
  visible_.store(last_sequence_, std::memory_order_release);
  const SequenceNumber floor = pins_.Floor();
  for (const TreeRef& tree : group_.touched) {
    tree->active->Reclaim(floor);
    if (tree->counters.Prune(floor)) tree->counters.Thin(pins_.Pins(), last_sequence_);
  }

  Garbage garbage;
  {
    MutexLock lock(&mutex_);
    for (const TreeRef& tree : group_.touched) {
      tree->touched = false;
      NoteGrowth(tree.get(), group_.first);
      if (tree->active_bytes >= memory_.memtable_size() && tree->dropped == 0) {
        Rotate(tree.get(), NewMemTable(), &garbage);
        idle_ = false;  // somebody writes; the next look may be seconds away
      }
    }
    for (const StructuralOp& op : group_.structural) {
      structural_.push_back(op);
      if (op.kind == StructuralOp::Kind::kFork) QueueCompaction(*trees_.at(op.tree));
      if (op.kind != StructuralOp::Kind::kDrop) continue;
      drop_to_record_ = true;
      DiscountTree(trees_.at(op.tree).get());
      writer_cache_[op.tree % kWriterCache].reset();  // it must not keep the tree's files
    }
    RotateForBudget(&garbage);
    RotateForLogSize(&garbage);
    if (UpdateStall()) relief_untold_.store(true);  // no callback under the writer lock
    if (!flush_scheduled_ && (FlushWanted() || HousekeepingWanted())) ScheduleFlush();
  }
  group_.touched.clear();
  group_.structural.clear();
  group_.ClearPayload();
  group_.units = 0;
}

bool DBImpl::Rotate(Tree* tree, std::shared_ptr<MemTable> fresh, Garbage* garbage) {
  VARVE_CHECK(last_sequence_ == visible_sequence());
  if (tree->active->empty()) return false;
  const SequenceNumber through = visible_sequence();
  auto frozen = std::make_shared<FrozenTable>();
  frozen->table = tree->state->active;
  frozen->bytes = tree->active->ApproximateMemoryUsage();
  frozen->mark.first = tree->active_first;
  frozen->mark.through = through;
  frozen->mark.counters = tree->counters.At(through);
  frozen->owners.push_back(tree->id);
  memtable_bytes_ += frozen->bytes - tree->active_bytes;
  frozen_bytes_ += frozen->bytes;
  ++frozen_tables_;
  ++stats_.rotations;

  auto state = std::make_shared<TreeState>();
  state->active = std::move(fresh);
  state->frozen.reserve(tree->state->frozen.size() + 1);
  state->frozen.push_back(std::move(frozen));
  state->frozen.insert(state->frozen.end(), tree->state->frozen.begin(), tree->state->frozen.end());
  state->version = tree->state->version;
  tree->active = state->active.get();
  tree->active_bytes = 0;
  tree->active_first = 0;
  SetState(tree, std::move(state), garbage);
  frozen_trees_.insert(tree->id);
  return true;
}

void DBImpl::RotateToFlush(Tree* tree, Garbage* garbage) {
  if (tree->dropped != 0) return;
  if (!tree->active->empty()) {
    Rotate(tree, NewMemTable(), garbage);
  } else if (tree->active_first != 0) {
    const SequenceNumber first = tree->counted ? tree->counted->first : tree->active_first;
    tree->counted = FlushMark{first, visible_sequence(), tree->counters.At(visible_sequence())};
    tree->active_first = 0;
    frozen_trees_.insert(tree->id);
  }
  if (!tree->HasFrozen()) return;
  tree->flush_through = visible_sequence();
}

void DBImpl::RotateForLimit() {
  if (group_.units != 0) return;  // its end will do
  Garbage garbage;
  MutexLock lock(&mutex_);
  RotateForBudget(&garbage);
  if (UpdateStall()) relief_untold_.store(true);
  if (FlushWanted()) ScheduleFlush();
}

void DBImpl::RotateForBudget(Garbage* garbage) {
  const size_t budget = memory_.write_buffer_budget();
  if (memtable_bytes_ < budget - budget / 8) return;
  if (memtable_bytes_ - frozen_bytes_ >= budget - budget / 4) {
    struct Victim {
      double score;
      Tree* tree;
    };
    std::vector<Victim> victims;
    const SequenceNumber now = visible_sequence();
    for (const auto& [first, id] : unflushed_) {
      Tree* tree = trees_.at(id).get();
      if (tree->active_bytes == 0 || tree->dropped != 0) continue;
      const auto age = static_cast<double>(now - tree->active_first + 1);
      victims.push_back({static_cast<double>(tree->active_bytes) * age, tree});
    }
    std::sort(victims.begin(), victims.end(),
              [](const Victim& a, const Victim& b) { return a.score > b.score; });
    for (const Victim& victim : victims) {
      if (memtable_bytes_ - frozen_bytes_ < budget / 8 * 5) break;
      Rotate(victim.tree, NewMemTable(), garbage);
    }
  }
  all_flush_through_ = visible_sequence();
}

void DBImpl::RotateForLogSize(Garbage* garbage) {
  const uint64_t segments = wal_.segment_count();
  if (segments < 2 || segments * options_.wal_segment_size <= options_.wal_size_limit) return;
  const SequenceNumber last = wal_.OldestSegmentLast();
  if (last <= log_flush_through_) return;  // asked before: the flushes are under way
  log_flush_through_ = last;
  std::vector<TreeId> holders;
  for (const auto& [first, id] : unflushed_) {
    if (first > last) break;
    holders.push_back(id);
  }
  for (const TreeId id : holders) {
    Tree* tree = trees_.at(id).get();
    // Nothing younger than the segment has to go; a table frozen earlier may be enough.
    if (tree->active_first != 0 && tree->active_first <= last) RotateToFlush(tree, garbage);
    tree->flush_through = std::max(tree->flush_through, last);
  }
}

void DBImpl::RotateAll(Garbage* garbage) {
  std::vector<TreeId> ids;
  ids.reserve(unflushed_.size());
  for (const auto& [first, id] : unflushed_) ids.push_back(id);
  for (const TreeId id : ids) RotateToFlush(trees_.at(id).get(), garbage);
}

}  // namespace lsm
