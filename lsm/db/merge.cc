// SPDX-License-Identifier: BSD-3-Clause
// The merge of L0 into L1:
//   1. Pick the tree with most L0 files among those that have too many or were asked to be
//      compacted. Inputs: all its L0 files and the L1 files that overlap them (all, if asked).
//   2. Write new L1 files; versions that nobody needs are dropped, and tombstones too if no deeper
//      level has files: all older records of their keys are among the inputs.
//   3. Record it, publish the tree's new version. The inputs go when nobody reads them any more.
// A flush may add L0 files meanwhile: they are newer than all inputs, and stay.

#include <algorithm>
#include <utility>

#include "lsm/compaction/merge_job.h"
#include "lsm/db/db_impl.h"

namespace lsm {

struct DBImpl::MergePlan {
  TreeRef tree;
  std::vector<VersionEdit::RemovedFile> removed;
  bool compact = false;
  uint64_t bytes = 0;
  MergeInput input;
};

bool DBImpl::MergeWanted(const Tree& tree) const {
  if (tree.dropped != 0) return false;
  const size_t l0_files = tree.state->version->files(0).size();
  // Writes never stop for files that no merge would come for.
  const int trigger = std::min(options_.l0_merge_trigger, options_.l0_slowdown_trigger);
  return tree.compact || l0_files >= static_cast<size_t>(std::max(trigger, 1));
}

void DBImpl::QueueMerge(const Tree& tree) {
  if (!MergeWanted(tree)) return;
  merge_queue_.insert(tree.id);
  ScheduleMerge();
}

bool DBImpl::PickMerge(MergePlan* plan) {
  for (auto id = merge_queue_.begin(); id != merge_queue_.end();) {
    const auto found = trees_.find(*id);
    if (found == trees_.end() || !MergeWanted(*found->second)) {
      id = merge_queue_.erase(id);
      continue;
    }
    const size_t files = found->second->state->version->files(0).size();
    if (plan->tree == nullptr || files > plan->tree->state->version->files(0).size()) {
      plan->tree = found->second;
    }
    ++id;
  }
  if (plan->tree == nullptr) return false;

  const Version& version = *plan->tree->state->version;
  plan->compact = plan->tree->compact;
  std::string smallest;
  std::string largest;
  const auto take = [&](int level, const FileRef& file) {
    plan->input.files.push_back(file);
    plan->removed.push_back({plan->tree->id, level, file->file});
    plan->bytes += file->file_size;
  };
  for (const FileRef& file : version.files(0)) {
    if (plan->input.files.empty() || file->smallest_key < smallest) smallest = file->smallest_key;
    largest = std::max(largest, file->largest_key);
    take(0, file);
  }
  for (const FileRef& file : version.files(1)) {
    const bool overlaps = !plan->input.files.empty() && file->largest_key >= smallest &&
                          file->smallest_key <= largest;
    if (plan->compact || overlaps) take(1, file);
  }
  plan->input.tree = plan->tree->id;
  plan->input.target_file_size = options_.target_file_size;
  plan->input.nothing_beneath = true;
  for (int level = 2; level < kMaxLevels; ++level) {
    if (!version.files(level).empty()) plan->input.nothing_beneath = false;
  }
  return true;
}

Status DBImpl::RunMerge(const MergePlan& plan) {
  MergeInput input = plan.input;
  input.pins = pins_.Pins();
  input.cancelled = &closing_;
  Result<std::vector<FileMetadata>> files =
      MergeFiles(target_, &tables_, input, [this] { return NewFileNumber(); });
  RETURN_IF_ERROR(files.status());
  if (Status synced = fs_->SyncDirectory(directory_); !synced.ok()) {
    for (const FileMetadata& file : *files) obsolete_->Add(file.file);
    return synced;
  }
  return PublishMerge(plan, *files);
}

Status DBImpl::PublishMerge(const MergePlan& plan, const std::vector<FileMetadata>& files) {
  Tree* tree = plan.tree.get();
  Garbage garbage;
  MutexLock manifest(&manifest_mutex_);
  VersionEdit edit;
  edit.removed_files = plan.removed;
  std::vector<std::pair<int, FileRef>> added;
  uint64_t bytes = 0;
  for (const FileMetadata& file : files) {
    edit.added_files.push_back({tree->id, 1, file});
    added.emplace_back(1, MakeFileRef(file, HoldFile(file.file)));
    bytes += file.file_size;
  }
  std::shared_ptr<const Version> base;
  {
    MutexLock lock(&mutex_);
    base = tree->state->version;  // changes under the manifest lock only
  }
  Result<std::shared_ptr<const Version>> version = Version::Apply(*base, plan.removed, added);
  RETURN_IF_ERROR(version.status());
  RETURN_IF_ERROR(Record(std::move(edit), wal_.synced_through()));

  MutexLock lock(&mutex_);
  auto state = std::make_shared<TreeState>(*tree->state);
  state->version = std::move(version).value();
  SetState(tree, std::move(state), &garbage);
  if (plan.compact) tree->compact = false;
  ++stats_.merges;
  stats_.merge_bytes_read += plan.bytes;
  stats_.merge_bytes_written += bytes;
  return {};
}

void DBImpl::BackgroundMerge() {
  MergePlan plan;
  bool found = false;
  {
    MutexLock lock(&mutex_);
    found = PickMerge(&plan);
    if (found && plan.input.files.empty()) {
      plan.tree->compact = false;  // nothing there
      found = false;
    }
  }
  Status merged;
  uint64_t l0_bytes = 0;
  int64_t took = 0;
  if (found) {
    for (size_t i = 0; i < plan.removed.size(); ++i) {
      if (plan.removed[i].level == 0) l0_bytes += plan.input.files[i]->file_size;
    }
    const int64_t started = options_.clock->MonotonicMicros();
    merged = RunMerge(plan);
    took = options_.clock->MonotonicMicros() - started;
    NoteWork(BackgroundWork::kMerge, started);
  }
  if (merged.IsAborted()) merged = Status();  // the database closes
  plan = MergePlan();                         // lets go of the inputs
  bool relieved = false;
  {
    MutexLock lock(&mutex_);
    merge_error_ = merged;
    merge_failed_at_ = 0;
    if (found && merged.ok()) compaction_drain_.Note(l0_bytes, took);
    if (!merged.ok()) {
      ++merge_failures_;
      merge_failed_at_ = std::max<int64_t>(options_.clock->MonotonicMicros(), 1);
    }
    relieved = UpdateStall();
  }
  if (!merged.ok()) NoteFailure(merged);
  if (relieved && options_.listener != nullptr) options_.listener->OnStallRelieved();
  MutexLock lock(&mutex_);
  merge_scheduled_ = false;
  if (!merge_queue_.empty() && merged.ok()) ScheduleMerge();
  if (HousekeepingWanted()) ScheduleFlush();
  --jobs_;
  changed_.SignalAll();
}

Status DBImpl::CompactTree(TreeId tree) {
  RETURN_IF_ERROR(Flush(tree));
  MutexLock lock(&mutex_);
  const auto found = trees_.find(tree);
  if (found == trees_.end() || found->second->dropped != 0) {
    return Status::NotFound("tree " + std::to_string(tree) + " does not exist");
  }
  const TreeRef target = found->second;
  const uint64_t failures = merge_failures_;
  target->compact = true;
  QueueMerge(*target);
  WaitUntil([&] {
    mutex_.AssertHeld();
    return !target->compact || target->dropped != 0 || merge_failures_ != failures;
  });
  if (!target->compact || target->dropped != 0) return {};
  target->compact = false;
  return merge_error_.ok() ? Status::IoError("the merge failed and is being tried again")
                           : merge_error_;
}

}  // namespace lsm
