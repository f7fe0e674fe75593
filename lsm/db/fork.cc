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
#include <iterator>
#include <set>
#include <string>
#include <tuple>
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
  for (size_t i = 0; i < structural_.size(); ++i) {
    const StructuralOp& op = structural_[i];
    if (op.sequence > durable) break;
    if (op.kind == StructuralOp::Kind::kFork) {
      const Tree& fork = *trees_.at(op.tree);
      if (!IsForkReady(fork, plan)) {
        if (!fork.discounted) break;
        needed_drop = std::max(needed_drop, fork.dropped);
      }
    }
    ops.push_back(op);
    // A replay passes over units, not over parts of them.
    const bool unit_ends =
        i + 1 == structural_.size() || structural_[i + 1].sequence != op.sequence;
    if (unit_ends && needed_drop <= op.sequence) recordable = ops.size();
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

std::vector<DBImpl::ForkFiles> DBImpl::FilesOfForks(const std::vector<StructuralOp>& ops) const {
  std::vector<ForkFiles> forks;
  for (const StructuralOp& op : ops) {
    if (op.kind == StructuralOp::Kind::kFork) {
      forks.push_back({op, trees_.at(op.tree)->state->version});
    } else if (op.kind == StructuralOp::Kind::kDrop) {
      std::erase_if(forks, [&op](const ForkFiles& fork) { return fork.op.tree == op.tree; });
    }
  }
  return forks;
}

void DBImpl::DescribeOps(const std::vector<StructuralOp>& ops, const std::vector<ForkFiles>& forks,
                         VersionEdit* edit) {
  for (const StructuralOp& op : ops) {
    const bool drop = op.kind == StructuralOp::Kind::kDrop;
    (drop ? edit->dropped_trees : edit->created_trees).push_back(op.tree);
    edit->structural_through = op.sequence;
  }
  std::unordered_map<TreeId, SequenceNumber> forked;
  for (const ForkFiles& fork : forks) forked[fork.op.tree] = fork.op.sequence;
  // What a compaction of a fork that is published with this takes away is not there yet.
  std::set<std::tuple<TreeId, int, uint64_t>> removed;
  for (const auto& file : edit->removed_files) {
    if (forked.contains(file.tree)) removed.insert({file.tree, file.level, file.file});
  }
  std::erase_if(edit->removed_files, [&](const auto& file) { return forked.contains(file.tree); });
  std::erase_if(edit->flushed, [&](const VersionEdit::TreeFlushed& flushed) {
    const auto fork = forked.find(flushed.tree);
    return fork != forked.end() && flushed.through <= fork->second;
  });
  std::vector<VersionEdit::AddedFile> files;
  std::vector<VersionEdit::TreeFlushed> flushed;
  for (const auto& [op, version] : forks) {
    flushed.push_back({op.tree, op.sequence, op.counters});
    const auto add = [&, tree = op.tree](int level, const FileRef& file) {
      if (!removed.contains({tree, level, file->file})) files.push_back({tree, level, *file});
    };
    const std::vector<FileRef>& l0 = version->files(0);  // the manifest has the oldest first
    std::for_each(l0.rbegin(), l0.rend(), [&](const FileRef& file) { add(0, file); });
    for (int level = 1; level < kMaxLevels; ++level) {
      for (const FileRef& file : version->files(level)) add(level, file);
    }
  }
  edit->added_files.insert(edit->added_files.begin(), std::make_move_iterator(files.begin()),
                           std::make_move_iterator(files.end()));
  edit->flushed.insert(edit->flushed.begin(), flushed.begin(), flushed.end());
}

}  // namespace lsm
