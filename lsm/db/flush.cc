// SPDX-License-Identifier: BSD-3-Clause
// A flush:
//   1. Pick: every tree that somebody asked to be flushed, oldest first, together, up to the size
//      of a memtable; or else the oldest table of a tree that has too many.
//   2. Sync the log through what will be flushed: no SST file may be durable ahead of the log.
//   3. Write one SST file with a slice a tree; sync it and its directory.
//   4. Record it in the manifest, with the counters as of the tables' freezing.
//   5. Publish new tree states without the tables and with the file, all in one step.

#include <algorithm>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/util/check.h"

namespace lsm {

void DBImpl::AddToPlan(const TreeRef& tree, bool whole, FlushPlan* plan) {
  FlushPlan::Item item;
  item.tree = tree;
  const auto& frozen = tree->state->frozen;
  const size_t take = whole ? frozen.size() : std::min<size_t>(frozen.size(), 1);
  for (size_t i = 0; i < take; ++i) {
    item.tables.push_back(frozen[frozen.size() - 1 - i]);
    plan->bytes += item.tables.back()->bytes;
    item.mark = item.tables.back()->mark;
  }
  if (tree->counted && whole && tree->counted->through > item.mark.through) {
    item.mark = *tree->counted;
  }
  plan->largest = std::max(plan->largest, item.mark.through);
  plan->items.push_back(std::move(item));
}

FlushPlan DBImpl::PickFlush() {
  FlushPlan plan;
  std::vector<std::pair<SequenceNumber, TreeRef>> asked;
  TreeRef crowded;
  for (const TreeId id : frozen_trees_) {
    const TreeRef& tree = trees_.at(id);
    if (!WantsFlush(*tree)) continue;
    if (tree->OldestFrozen() <= tree->flush_through) {
      asked.emplace_back(tree->OldestFrozen(), tree);
    } else if (crowded == nullptr || tree->OldestFrozen() < crowded->OldestFrozen()) {
      crowded = tree;
    }
  }
  std::sort(asked.begin(), asked.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [first, tree] : asked) {
    if (plan.bytes >= options_.memtable_size) break;
    AddToPlan(tree, /*whole=*/true, &plan);
  }
  if (plan.items.empty() && crowded != nullptr) AddToPlan(crowded, /*whole=*/false, &plan);
  std::sort(plan.items.begin(), plan.items.end(),
            [](const auto& a, const auto& b) { return a.tree->id < b.tree->id; });
  return plan;
}

Result<FlushOutput> DBImpl::WritePlan(const FlushPlan& plan) {
  std::vector<SliceInput> inputs;
  for (const FlushPlan::Item& item : plan.items) {
    if (item.tables.empty()) continue;
    SliceInput input;
    input.tree = item.tree->id;
    for (const auto& frozen : item.tables) input.tables.push_back(frozen->table.get());
    inputs.push_back(std::move(input));
  }
  if (inputs.empty()) return FlushOutput();
  Result<FlushOutput> output = WriteMemTables(
      target_, [this] { return NewFileNumber(); }, inputs, pins_.Pins());
  RETURN_IF_ERROR(output.status());
  if (Status synced = fs_->SyncDirectory(directory_); !synced.ok()) {
    obsolete_->Add(output->files.front().file);
    for (const uint64_t blob : output->blobs) obsolete_->Add(blob, FileKind::kBlob);
    return synced;
  }
  return output;
}

VersionEdit DBImpl::DescribeFlush(const FlushPlan& plan, const std::vector<FileMetadata>& files) {
  VersionEdit edit;
  for (const FlushPlan::Item& item : plan.items) {
    edit.flushed.push_back({item.tree->id, item.mark.through, item.mark.counters});
  }
  for (const FileMetadata& file : files) edit.added_files.push_back({file.slice_tree, 0, file});
  return edit;
}

Result<DBImpl::NewVersions> DBImpl::MakeVersions(const FlushPlan& plan,
                                                 const std::vector<FileMetadata>& files) {
  std::shared_ptr<FileHold> hold;
  if (!files.empty()) hold = HoldFile(files.front().file);
  NewVersions versions;
  for (const FlushPlan::Item& item : plan.items) {
    std::shared_ptr<const Version> version;
    {
      MutexLock lock(&mutex_);
      version = item.tree->state->version;  // changes under the manifest lock only
    }
    const auto file = std::find_if(files.begin(), files.end(), [&](const FileMetadata& f) {
      return f.slice_tree == item.tree->id;
    });
    if (file != files.end()) {
      Result<std::shared_ptr<const Version>> next =
          Version::Apply(*version, {}, {{0, MakeRef(*file, hold)}});
      RETURN_IF_ERROR(next.status());
      version = std::move(next).value();
    }
    versions.push_back(std::move(version));
  }
  return versions;
}

void DBImpl::InstallItem(const FlushPlan::Item& item, std::shared_ptr<const Version> version,
                         Garbage* garbage) {
  Tree* tree = item.tree.get();
  auto state = std::make_shared<TreeState>();
  state->active = tree->state->active;
  state->frozen = tree->state->frozen;
  state->version = std::move(version);
  for (const auto& flushed : item.tables) {
    VARVE_CHECK(!state->frozen.empty() && state->frozen.back() == flushed);
    state->frozen.pop_back();
    garbage->push_back(flushed);
    if (tree->discounted) continue;
    memtable_bytes_ -= flushed->bytes;
    frozen_bytes_ -= flushed->bytes;
    --frozen_tables_;
  }
  if (tree->counted && tree->counted->through <= item.mark.through) tree->counted.reset();
  tree->flushed_through = std::max(tree->flushed_through, item.mark.through);
  SetState(tree, std::move(state), garbage);
  if (!tree->HasFrozen()) frozen_trees_.erase(tree->id);
  NoteUnflushed(tree);
  QueueCompaction(*tree);
  if (tree->dropped == 0) idle_candidates_.insert(tree->id);
}

void DBImpl::InstallFlush(const FlushPlan& plan, const NewVersions& versions) {
  Garbage garbage;
  MutexLock lock(&mutex_);
  for (size_t i = 0; i < plan.items.size(); ++i) {
    InstallItem(plan.items[i], versions[i], &garbage);
  }
  ++stats_.flushes;
}

Status DBImpl::RunFlush(const FlushPlan& plan) {
  if (Status synced = SyncLog(plan.largest); !synced.ok()) {
    // Not a failure of the flush: the rescue comes first, and flushes everything.
    return rescue_wanted_.load() ? Status() : synced;
  }
  const Result<FlushOutput> output = WritePlan(plan);
  RETURN_IF_ERROR(output.status());
  MutexLock manifest(&manifest_mutex_);
  Result<NewVersions> versions = MakeVersions(plan, output->files);
  RETURN_IF_ERROR(versions.status());
  RETURN_IF_ERROR(Record(DescribeFlush(plan, output->files), wal_.synced_through()));
  InstallFlush(plan, *versions);
  MutexLock lock(&mutex_);
  stats_.flush_bytes_written += output->bytes_written;
  return {};
}

}  // namespace lsm
