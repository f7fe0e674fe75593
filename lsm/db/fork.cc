// SPDX-License-Identifier: BSD-3-Clause
// Forks of trees.
//
// Unit s forks F from S:
//   1. Close the open group: what S holds is then in the log and visible.
//   2. Freeze S's active memtable.
//   3. F is {a fresh active memtable, S's frozen tables, S's Version, S's counters}. The tables
//   have
//      one owner more. Pointers are copied, so it costs the same at any size.
//
// How it becomes durable. The log has the unit. The manifest takes a fork as a new tree with all
// files that F's Version names then, so neither F nor S need care what becomes of their files
// meanwhile. That is possible as soon as none of the tables that F has from S waits to be flushed;
// until then the fork is *pending*, and so is every structural operation behind it.
//   A crash while it is pending replays the unit, which finds S as it was: an edit that adds
//   records
// of unit t to any tree records all structural operations before t with it or before it, so nothing
// younger than s is in any file that the manifest names. A flush that writes something younger than
// a pending fork therefore takes along what the fork has inherited (AddWhatForksNeed).
//   A fork that is dropped before it was recorded is recorded together with its drop, without data.
//
// Who flushes a shared table writes one slice, and the edit and the new states name every owner.
// The owners are looked up under the state lock where the edit is made, and again where the states
// are changed: a fork may come at any moment between. It then has the old Version and the table,
// and gets the file when the states are changed.
//
// If the group of a fork cannot be appended, F vanishes; S keeps its frozen table.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

// Whether a unit with forks is one that can be applied, by what it names.
class ForkChecker final : public WriteBatch::Handler {
 public:
  Status Put(TreeId tree, std::string_view, std::string_view) override { return Note(tree); }
  Status Delete(TreeId tree, std::string_view) override { return Note(tree); }
  Status AddCounter(TreeId tree, size_t, int64_t) override { return Note(tree); }
  Status CreateTree(TreeId tree) override { return Note(tree); }
  Status DropTree(TreeId tree) override { return Note(tree); }
  Status ForkTree(TreeId tree, TreeId source) override {
    sources_.insert(source);
    if (forked_.insert(tree).second) return {};
    return Status::InvalidArgument("tree id " + std::to_string(tree) + " is not a new one");
  }

  Status Judge() const {
    for (const TreeId tree : forked_) {
      if (others_.contains(tree) || sources_.contains(tree)) return Mixed(tree);
    }
    for (const TreeId tree : sources_) {
      if (others_.contains(tree)) return Mixed(tree);
    }
    return {};
  }

 private:
  Status Note(TreeId tree) {
    others_.insert(tree);
    return {};
  }
  static Status Mixed(TreeId tree) {
    return Status::InvalidArgument("tree " + std::to_string(tree) +
                                   " is forked, and something else in the same unit");
  }

  std::set<TreeId> forked_;
  std::set<TreeId> sources_;
  std::set<TreeId> others_;
};

}  // namespace

Status DBImpl::PrepareForks(const WriteBatch& unit) {
  ForkChecker checker;
  RETURN_IF_ERROR(WriteBatch::Iterate(unit.rep(), unit.count(), &checker));
  RETURN_IF_ERROR(checker.Judge());
  return CloseGroup().status();
}

Status DBImpl::ForkTree(TreeId tree, TreeId source, SequenceNumber sequence) {
  Tree* found = FindForWriter(source);
  if (found == nullptr) {
    return Status::NotFound("tree " + std::to_string(source) + " does not exist");
  }
  Garbage garbage;
  MutexLock lock(&mutex_);
  if (tree >= next_tree_id_ || trees_.contains(tree)) {
    return Status::InvalidArgument("tree id " + std::to_string(tree) + " is not a new one");
  }
  group_.structural.push_back(MakeFork(tree, found, sequence, &garbage));
  return {};
}

StructuralOp DBImpl::MakeFork(TreeId id, Tree* source, SequenceNumber sequence, Garbage* garbage) {
  Rotate(source, NewMemTable(), garbage);
  const TreeCounters counters = source->counters.At(sequence - 1);
  const TreeRef fork =
      MakeTree(id, sequence, counters, source->state->version, source->flushed_through);
  auto state = std::make_shared<TreeState>(*fork->state);
  state->frozen = source->state->frozen;
  for (const auto& table : state->frozen) table->owners.push_back(id);
  fork->state = std::move(state);
  AddTree(fork);
  if (!fork->state->frozen.empty()) frozen_trees_.insert(id);
  NoteUnflushed(fork.get());
  QueueCompaction(*fork);
  return {sequence, id, StructuralOp::Kind::kFork, counters};
}

void DBImpl::LeaveTables(Tree* tree) {
  for (const auto& table : tree->state->frozen) {
    if (std::erase(table->owners, tree->id) == 0 || !table->owners.empty()) continue;
    memtable_bytes_ -= table->bytes;
    frozen_bytes_ -= table->bytes;
    --frozen_tables_;
  }
}

bool DBImpl::IsForkReady(const Tree& fork, const FlushPlan* plan) const {
  for (auto table = fork.state->frozen.rbegin(); table != fork.state->frozen.rend(); ++table) {
    if ((*table)->mark.through >= fork.created) break;
    // A dropped fork does not give its tables back.
    if (fork.discounted || plan == nullptr || !plan->tables.contains(table->get())) return false;
  }
  return true;
}

std::vector<StructuralOp> DBImpl::RecordableOps(SequenceNumber durable,
                                                const FlushPlan* plan) const {
  std::vector<StructuralOp> ops;
  size_t recordable = 0;
  SequenceNumber needed_drop = 0;  // forks without their tables go only with this one
  for (const StructuralOp& op : structural_) {
    if (op.sequence > durable) break;
    if (op.kind == StructuralOp::Kind::kFork) {
      const Tree& fork = *trees_.at(op.tree);
      if (!IsForkReady(fork, plan)) {
        if (!fork.discounted) break;
        needed_drop = std::max(needed_drop, fork.dropped);
      }
    }
    ops.push_back(op);
    if (needed_drop <= op.sequence) recordable = ops.size();
  }
  ops.resize(recordable);
  return ops;
}

void DBImpl::AddWhatForksNeed(FlushPlan* plan) {
  for (const StructuralOp& op : structural_) {
    if (op.sequence > plan->largest) break;
    if (op.kind != StructuralOp::Kind::kFork) continue;
    const TreeRef& fork = trees_.at(op.tree);
    if (!fork->HasInherited()) continue;
    if (fork->discounted) {
      plan->largest = std::max(plan->largest, fork->dropped);
    } else {
      plan->Add(fork, fork->created - 1);
    }
  }
}

bool DBImpl::AskForForks() {
  bool asked = false;
  std::vector<Tree*> pending;
  for (const StructuralOp& op : structural_) {
    if (op.kind == StructuralOp::Kind::kFork) {
      Tree* const fork = trees_.at(op.tree).get();
      if (!fork->discounted && fork->HasInherited()) pending.push_back(fork);
    }
    if (op.kind != StructuralOp::Kind::kDrop) continue;
    for (Tree* const fork : pending) {
      fork->flush_through = std::max(fork->flush_through, fork->created);
      asked = true;
    }
    pending.clear();
  }
  return asked;
}

void DBImpl::DescribeFork(const StructuralOp& op, VersionEdit* edit) const {
  const auto of_fork = [&op](const auto& item) { return item.tree == op.tree; };
  // A compaction of the fork that is published with this: what it takes away is not there yet.
  std::set<std::pair<int, uint64_t>> removed;
  for (const auto& file : edit->removed_files) {
    if (of_fork(file)) removed.insert({file.level, file.file});
  }
  std::erase_if(edit->removed_files, of_fork);
  std::vector<VersionEdit::AddedFile> files;
  const Version& version = *trees_.at(op.tree)->state->version;
  for (int level = 0; level < kMaxLevels; ++level) {
    for (const FileRef& file : version.files(level)) {
      if (!removed.contains({level, file->file})) files.push_back({op.tree, level, *file});
    }
    if (level == 0) std::reverse(files.begin(), files.end());  // the manifest has the oldest first
  }
  edit->added_files.insert(edit->added_files.begin(), files.begin(), files.end());
  std::erase_if(edit->flushed, [&](const VersionEdit::TreeFlushed& flushed) {
    return of_fork(flushed) && flushed.through <= op.sequence;
  });
  edit->flushed.insert(edit->flushed.begin(), {op.tree, op.sequence, op.counters});
}

void DBImpl::DescribeOps(const std::vector<StructuralOp>& ops, VersionEdit* edit) const {
  std::set<TreeId> dropped;
  for (const StructuralOp& op : ops) {
    const bool drop = op.kind == StructuralOp::Kind::kDrop;
    (drop ? edit->dropped_trees : edit->created_trees).push_back(op.tree);
    if (drop) dropped.insert(op.tree);
    edit->structural_through = op.sequence;
  }
  for (const StructuralOp& op : ops) {
    if (op.kind == StructuralOp::Kind::kFork && !dropped.contains(op.tree)) {
      DescribeFork(op, edit);
    }
  }
}

}  // namespace lsm
