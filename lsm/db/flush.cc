// SPDX-License-Identifier: BSD-3-Clause
// A flush:
//   1. Pick: every tree that somebody asked to be flushed, oldest first, together, up to the size
//      of a memtable; or else the oldest table of a tree that has too many. What pending forks need
//      comes along (fork.cc).
//   2. Sync the log through what will be flushed: no SST file may be durable ahead of the log.
//   3. Write one SST file with a slice a tree, or several if trees share tables; sync files and
//      directory.
//   4. Record it in the manifest, with the counters as of the tables' freezing.
//   5. Publish new tree states without the tables and with the files, all in one step.
// Steps 4 and 5 are for every tree that owns the tables at that moment.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/util/check.h"

namespace lsm {

FlushPlan DBImpl::PickFlush() {
  FlushPlan plan;
  std::vector<std::pair<SequenceNumber, TreeRef>> asked;
  TreeRef crowded;
  for (const TreeId id : frozen_trees_) {
    const TreeRef& tree = trees_.at(id);
    if (!WantsFlush(*tree)) continue;
    if (IsAskedFor(*tree)) {
      asked.emplace_back(tree->OldestFrozen(), tree);
    } else if (crowded == nullptr || tree->OldestFrozen() < crowded->OldestFrozen()) {
      crowded = tree;
    }
  }
  std::sort(asked.begin(), asked.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [first, tree] : asked) {
    if (plan.bytes >= options_.memtable_size) break;
    plan.Add(tree, kMaxSequence);
  }
  if (plan.empty() && crowded != nullptr) {
    plan.Add(crowded, crowded->state->frozen.back()->mark.through);
  }
  AddWhatForksNeed(&plan);
  plan.Finish();
  return plan;
}

Status DBImpl::WriteFlushFile(const FlushPlan& plan, const std::vector<size_t>& items,
                              FlushedSlices* slices) {
  std::vector<SliceInput> inputs;
  std::unordered_map<TreeId, size_t> item_of;
  for (const size_t item : items) {
    SliceInput input;
    input.tree = plan.items[item].slice;
    for (const auto& frozen : plan.items[item].tables) input.tables.push_back(frozen->table.get());
    inputs.push_back(std::move(input));
    item_of[plan.items[item].slice] = item;
  }
  std::sort(inputs.begin(), inputs.end(),
            [](const SliceInput& a, const SliceInput& b) { return a.tree < b.tree; });
  Result<FlushOutput> written = WriteMemTables(
      target_, [this] { return NewFileNumber(); }, inputs, pins_.Pins());
  RETURN_IF_ERROR(written.status());
  for (FileMetadata& file : written->files) {
    const size_t item = item_of.at(file.slice_tree);
    slices->of_item[item] = std::move(file);
  }
  slices->blobs.insert(slices->blobs.end(), written->blobs.begin(), written->blobs.end());
  slices->bytes_written += written->bytes_written;
  return {};
}

Result<FlushedSlices> DBImpl::WritePlan(const FlushPlan& plan) {
  std::vector<std::vector<size_t>> files;
  for (size_t i = 0; i < plan.items.size(); ++i) {
    files.resize(std::max(files.size(), plan.items[i].file + 1));
    files[plan.items[i].file].push_back(i);
  }
  FlushedSlices slices;
  slices.of_item.resize(plan.items.size());
  Status status;
  for (const std::vector<size_t>& items : files) {
    if (status.ok()) status = WriteFlushFile(plan, items, &slices);
  }
  if (status.ok() && !files.empty()) status = fs_->SyncDirectory(directory_);
  for (const auto& slice : slices.of_item) {
    if (status.ok() && slice) status = OpenNewFile(*slice);
  }
  if (status.ok()) return slices;
  Discard(slices);
  return status;
}

void DBImpl::Discard(const FlushedSlices& slices) {
  std::set<uint64_t> written;
  for (const auto& slice : slices.of_item) {
    if (slice) written.insert(slice->file);
  }
  for (const uint64_t file : written) obsolete_->Add(file);
  for (const uint64_t blob : slices.blobs) obsolete_->Add(blob, FileKind::kBlob);
}

void DBImpl::DescribeFlush(const FlushPlan& plan, const FlushedSlices& slices,
                           VersionEdit* edit) const {
  for (size_t i = 0; i < plan.items.size(); ++i) {
    const FlushMark& mark = plan.items[i].mark();
    for (const TreeId owner : plan.items[i].owners()) {
      edit->flushed.push_back({owner, mark.through, mark.counters});
      if (slices.of_item[i]) edit->added_files.push_back({owner, 0, *slices.of_item[i]});
    }
  }
  for (const auto& [tree, mark] : plan.counted) {
    // A dropped tree does not get its tables either, and its drop may yet be lost.
    if (!tree->discounted) edit->flushed.push_back({tree->id, mark.through, mark.counters});
  }
}

Result<DBImpl::Installation> DBImpl::MakeVersions(const FlushPlan& plan,
                                                  const FlushedSlices& slices) {
  Installation made;
  std::map<uint64_t, std::shared_ptr<FileHold>> holds;
  for (const auto& slice : slices.of_item) {
    FileRef file;
    if (slice) {
      std::shared_ptr<FileHold>& hold = holds[slice->file];
      if (hold == nullptr) hold = HoldFile(slice->file);
      file = MakeRef(*slice, hold);
    }
    made.files.push_back(std::move(file));
  }
  std::map<TreeId, std::vector<std::pair<int, FileRef>>> added;
  {
    MutexLock lock(&mutex_);
    for (size_t i = 0; i < plan.items.size(); ++i) {
      for (const TreeId owner : plan.items[i].owners()) {
        // A version changes under the manifest lock only.
        made.versions[owner].base = trees_.at(owner)->state->version;
        if (made.files[i] != nullptr) added[owner].emplace_back(0, made.files[i]);
      }
    }
  }
  for (auto& [tree, version] : made.versions) {
    Result<std::shared_ptr<const Version>> next = Version::Apply(*version.base, {}, added[tree]);
    RETURN_IF_ERROR(next.status());
    version.next = std::move(next).value();
  }
  return made;
}

void DBImpl::InstallInTree(Tree* tree, const FlushPlan& plan, const std::vector<size_t>& items,
                           const Installation& made, Garbage* garbage) {
  auto state = std::make_shared<TreeState>(*tree->state);
  std::vector<std::pair<int, FileRef>> added;
  for (const size_t item : items) {
    for (const auto& flushed : plan.items[item].tables) {
      VARVE_CHECK(!state->frozen.empty() && state->frozen.back() == flushed);
      state->frozen.pop_back();
    }
    if (made.files[item] != nullptr) added.emplace_back(0, made.files[item]);
    tree->flushed_through = std::max(tree->flushed_through, plan.items[item].mark().through);
  }
  const auto known = made.versions.find(tree->id);
  if (known != made.versions.end() && known->second.base == state->version) {
    state->version = known->second.next;
  } else {
    // Forked while the flush was recorded, which is rare: the one time that this costs more.
    Result<std::shared_ptr<const Version>> next = Version::Apply(*state->version, {}, added);
    VARVE_CHECK(next.ok());
    state->version = std::move(next).value();
  }
  SetState(tree, std::move(state), garbage);
}

void DBImpl::InstallFlush(const FlushPlan& plan, const Installation& made) {
  Garbage garbage;
  MutexLock lock(&mutex_);
  std::map<TreeId, std::vector<size_t>> items_of;
  for (size_t i = 0; i < plan.items.size(); ++i) {
    for (const TreeId owner : plan.items[i].owners()) items_of[owner].push_back(i);
    for (const auto& flushed : plan.items[i].tables) {
      garbage.push_back(flushed);
      if (flushed->owners.empty()) continue;  // counts for nothing since its last owner was dropped
      memtable_bytes_ -= flushed->bytes;
      frozen_bytes_ -= flushed->bytes;
      --frozen_tables_;
    }
  }
  for (const auto& [tree, mark] : plan.counted) {
    if (tree->discounted) continue;
    tree->flushed_through = std::max(tree->flushed_through, mark.through);
    items_of[tree->id];
  }
  for (const auto& [id, items] : items_of) {
    Tree* const tree = trees_.at(id).get();
    if (!items.empty()) InstallInTree(tree, plan, items, made, &garbage);
    if (tree->counted && tree->counted->through <= tree->flushed_through) tree->counted.reset();
    if (!tree->HasFrozen()) frozen_trees_.erase(id);
    NoteUnflushed(tree);
    QueueCompaction(*tree);
    if (tree->dropped == 0) idle_candidates_.insert(id);
  }
  ++stats_.flushes;
}

Status DBImpl::RunFlush(const FlushPlan& plan) {
  RETURN_IF_ERROR(SettleManifest());
  if (Status synced = SyncLog(plan.largest); !synced.ok()) {
    // Not a failure of the flush: the rescue comes first, and flushes everything.
    return rescue_wanted_.load() ? Status() : synced;
  }
  Result<FlushedSlices> slices = WritePlan(plan);
  RETURN_IF_ERROR(slices.status());
  MutexLock manifest(&manifest_mutex_);
  Result<Installation> made = MakeVersions(plan, *slices);
  RETURN_IF_ERROR(made.status());
  if (Status recorded = RecordFlush({}, wal_.synced_through(), &plan, *slices); !recorded.ok()) {
    return recorded.IsBusy() ? Status() : recorded;
  }
  InstallFlush(plan, *made);
  MutexLock lock(&mutex_);
  for (const std::optional<FileMetadata>& slice : slices->of_item) {
    if (slice) stats_.levels[0].bytes_written += slice->slice_size;
  }
  stats_.flush_bytes_written += slices->bytes_written;
  return {};
}

}  // namespace lsm
