// SPDX-License-Identifier: BSD-3-Clause
// A checkpoint, as the database sees it:
//   1. Under the manifest lock, in memory only: take the manifest's state M; then the log as it is,
//      up to its last whole unit S. Everything M calls flushed was in the log before, so it is at
//      most S. From here on nothing that M names is removed or reused.
//   2. M names segments that hold nothing (prepared for use next): leave them out. The log may
//      still know segments that M has forgotten: they are not copied.
//   3. Without any lock, write it (checkpoint_writer.h).
//   4. Let go of the files; upkeep that was put off is done.

#include <algorithm>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/format/file_names.h"

namespace lsm {

Status DBImpl::StartCheckpoint(const std::string& directory,
                               const std::vector<std::string>& obsolete) {
  return BeginCheckpoint(directory, obsolete).status();
}

Result<uint64_t> DBImpl::BeginCheckpoint(const std::string& directory,
                                         const std::vector<std::string>& obsolete) {
  std::string target = directory;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  if (target.empty() || target.ends_with(".tmp")) {
    return Status::InvalidArgument(
        "a checkpoint's directory needs a name that does not end in .tmp");
  }
  const Result<bool> exists = fs_->Exists(target);
  RETURN_IF_ERROR(exists.status());
  if (*exists) return Status::InvalidArgument(target + ": exists already");
  MutexLock lock(&mutex_);
  if (!opened_ || closed_ || closing_.load()) return Status::Aborted("the database is closing");
  if (!checkpoint_directory_.empty()) {
    return Status::Busy("a checkpoint is under way in " + checkpoint_directory_);
  }
  checkpoint_directory_ = std::move(target);
  obsolete_checkpoints_ = obsolete;
  checkpoint_meter_.done.store(0);
  checkpoint_meter_.total.store(0);
  ++jobs_;
  executor_->Schedule(Executor::Lane::kCheckpoint, [this] { BackgroundCheckpoint(); });
  return checkpoints_ended_ + 1;  // one at a time
}

Result<CheckpointInfo> DBImpl::Checkpoint(const std::string& directory) {
  const Result<uint64_t> number = BeginCheckpoint(directory, {});
  RETURN_IF_ERROR(number.status());
  MutexLock lock(&mutex_);
  WaitUntil([&] {
    mutex_.AssertHeld();
    return checkpoints_ended_ >= *number;
  });
  return last_checkpoint_;
}

CheckpointProgress DBImpl::LastCheckpoint() const {
  MutexLock lock(&mutex_);
  return {!checkpoint_directory_.empty(), checkpoint_meter_.done.load(),
          checkpoint_meter_.total.load()};
}

void DBImpl::BackgroundCheckpoint() {
  std::string directory;
  std::vector<std::string> obsolete;
  {
    MutexLock lock(&mutex_);
    directory = checkpoint_directory_;
    obsolete.swap(obsolete_checkpoints_);
  }
  const Result<CheckpointInfo> written = WriteCheckpoint(directory);
  if (written.ok()) RemoveCheckpoints(obsolete);
  {
    MutexLock lock(&mutex_);
    checkpoint_directory_.clear();
    last_checkpoint_ = written;
    ++checkpoints_ended_;
    if (!BackingOff(flush_failed_at_)) ScheduleFlush();  // what was put off
    changed_.SignalAll();
  }
  if (options_.listener != nullptr) {
    options_.listener->OnCheckpoint(written.status(), written.ok() ? *written : CheckpointInfo());
  }
  MutexLock lock(&mutex_);
  --jobs_;
  changed_.SignalAll();
}

void DBImpl::RemoveCheckpoints(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const Status removed = RemoveDatabase(fs_, directory);
    if (removed.ok()) continue;
    Log(LogLevel::kWarning, "an old checkpoint stays: " + removed.ToString());
  }
}

Result<CheckpointInfo> DBImpl::WriteCheckpoint(const std::string& directory) {
  CheckpointSource source;
  Status ready = PinForCheckpoint(&source);
  if (ready.ok()) ready = MeasureCheckpoint(&source);
  if (!ready.ok()) {
    UnpinCheckpoint();
    return ready;
  }
  CheckpointWriter writer(fs_, &closing_, &checkpoint_meter_);
  Result<CheckpointInfo> written = writer.Write(source, directory);
  UnpinCheckpoint();
  return written;
}

Status DBImpl::PinForCheckpoint(CheckpointSource* source) {
  source->directory = directory_;
  WalManager::Extent extent;
  {
    MutexLock manifest(&manifest_mutex_);
    source->state = manifest_.state();
    extent = wal_.Capture();
    // What is behind a sync that failed may be read back differently from how it was written.
    RETURN_IF_ERROR(wal_.failure());
    pinned_files_ = LiveFilesOf(source->state);
    logs_pinned_ = true;
    source->files = pinned_files_;
  }
  for (const WalManager::Part& part : extent.parts) {
    if (source->state.logs.contains(part.number)) source->logs.push_back(part);
  }
  ManifestState& state = source->state;
  state.logs.clear();
  for (const WalManager::Part& part : source->logs) state.logs.insert(part.number);
  source->sequence = extent.last_sequence;
  // The copies are synced before the manifest names them, so that a gap in them is damage.
  state.wal_synced_through = source->sequence;
  state.next_file_number = std::max(state.next_file_number, next_file_number_.load());
  return {};
}

Status DBImpl::MeasureCheckpoint(CheckpointSource* source) {
  uint64_t total = 0;
  for (WalManager::Part& part : source->logs) {
    if (part.size == 0) {
      const Result<uint64_t> size = fs_->FileSize(WalFileName(directory_, part.number));
      RETURN_IF_ERROR(size.status());
      part.size = *size;
    }
    total += part.size;
  }
  for (const auto& [number, file] : source->files) total += file.size;
  checkpoint_meter_.total.store(total);
  return {};
}

void DBImpl::UnpinCheckpoint() {
  MutexLock manifest(&manifest_mutex_);
  pinned_files_.clear();
  logs_pinned_ = false;
}

}  // namespace lsm
