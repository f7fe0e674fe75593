// SPDX-License-Identifier: BSD-3-Clause
// A directory becomes a database:
//   1. Make the directory if it may be made; refuse one that holds anything of somebody else's.
//   2. Lock it.
//   3. With CURRENT, recover (recover.cc). Without it, begin anew, unless files of ours say that
//      there was a database: only what a creation that was cut short leaves is passed over.
//   4. A new log segment, then a new manifest, which begins with the whole state.

#include <algorithm>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/format/file_names.h"
#include "lsm/util/check.h"
#include "lsm/wal/log_reader.h"

namespace lsm {
namespace {

constexpr uint64_t kFirstManifest = 1;

Status CheckOptions(const Options& options) {
  if (options.wal_segment_size < LogWriter::kMinSegmentSize) {
    return Status::InvalidArgument("wal_segment_size is below " +
                                   std::to_string(LogWriter::kMinSegmentSize));
  }
  if (options.memtable_size == 0 || options.write_buffer_budget == 0 || options.block_size == 0 ||
      options.target_file_size == 0) {
    return Status::InvalidArgument("a size in the options is 0");
  }
  if (options.memtable_limit < 1 || options.block_restart_interval < 1 ||
      options.max_open_files < 1 || options.l0_merge_trigger < 1) {
    return Status::InvalidArgument("a number in the options is below 1");
  }
  if (options.zstd_level < 1 || options.zstd_level > 19) {
    return Status::InvalidArgument("zstd_level is not from 1 to 19");
  }
  return {};
}

std::string ParentOf(const std::string& directory) {
  const size_t end = directory.find_last_not_of('/');
  const size_t slash = directory.rfind('/', end);
  if (end == std::string::npos || slash == 0) return "/";
  return slash == std::string::npos ? "." : directory.substr(0, slash);
}

// Whether a manifest is what the creation of a database may leave when it is cut short: the first,
// and without any edit after the one that makes the state.
Result<bool> IsUnfinishedCreation(FileSystem* fs, const std::string& path, uint64_t number) {
  if (number != kFirstManifest) return false;
  int edits = 0;
  const Result<ManifestDumpEnd> end =
      DumpManifest(fs, path, [&edits](uint64_t, const VersionEdit&) { ++edits; });
  RETURN_IF_ERROR(end.status());
  return edits <= 1;
}

// Whether anything was ever written to the log segment.
Result<bool> HoldsGroups(FileSystem* fs, const std::string& path) {
  bool any = false;
  const Result<LogDumpEnd> end =
      DumpLogSegment(fs, path, [&any](const LogGroupInfo&) { any = true; });
  RETURN_IF_ERROR(end.status());
  return any;
}

}  // namespace

Result<std::unique_ptr<DB>> DB::Open(const Options& options, const std::string& directory) {
  RETURN_IF_ERROR(CheckOptions(options));
  auto db = std::make_unique<DBImpl>(options, directory);
  RETURN_IF_ERROR(db->Open());
  return std::unique_ptr<DB>(std::move(db));
}

DBImpl::DBImpl(const Options& options, std::string directory)
    : options_(options),
      directory_(std::move(directory)),
      fs_(options.file_system),
      own_executor_(options.executor == nullptr ? Executor::Threads() : nullptr),
      executor_(options.executor == nullptr ? own_executor_.get() : options.executor),
      limiter_(options.clock, options.background_bytes_per_second),
      target_(TableTarget::From(options, directory_, &limiter_)),
      picker_(CompactionLimits::From(options)),
      obsolete_(std::make_shared<ObsoleteFiles>()),
      blob_files_(std::make_shared<BlobFiles>(obsolete_)),
      block_cache_(options.block_cache_size),
      memory_(options, &block_cache_),
      tables_(fs_, directory_, options.max_open_files, &block_cache_, &memory_),
      cold_reader_(executor_, &tables_, &block_cache_, [this] { NudgeHousekeeping(); }),
      pins_(&visible_),
      wal_(options.clock, options.wal_segment_size, [this] { return NextSegment(); }),
      manifest_(fs_, directory_) {
  MutexLock lock(&mutex_);
  stats_.levels.resize(kMaxLevels);
}

Status DBImpl::MakeDirectory() {
  const Result<bool> exists = fs_->Exists(directory_);
  RETURN_IF_ERROR(exists.status());
  if (*exists) return {};
  if (!options_.create_if_missing) {
    return Status::NotFound(directory_ + ": there is no such directory");
  }
  return fs_->CreateDirectory(directory_);
}

Result<std::vector<std::string>> DBImpl::ListDirectory() {
  Result<std::vector<std::string>> names = fs_->List(directory_);
  RETURN_IF_ERROR(names.status());
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    uint64_t number = 0;
    if (ParseFileName(name, &number) != FileKind::kForeign) continue;
    return Status::InvalidArgument(directory_ +
                                   ": holds a file that is not of a database: " + name);
  }
  return names;
}

Status DBImpl::Open() {
  RETURN_IF_ERROR(MakeDirectory());
  RETURN_IF_ERROR(ListDirectory().status());  // before a lock file is put where it may not belong
  Result<std::unique_ptr<FileLock>> lock = fs_->Lock(LockFileName(directory_));
  RETURN_IF_ERROR(lock.status());
  lock_ = std::move(lock).value();
  const Result<std::vector<std::string>> names = ListDirectory();
  RETURN_IF_ERROR(names.status());
  Result<ManifestRecovery> recovered = RecoverManifest(fs_, directory_);
  if (recovered.ok()) return Recover(std::move(recovered).value(), *names);
  if (!recovered.status().IsNotFound()) return recovered.status();
  return CreateNew(*names);
}

Status DBImpl::CreateNew(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    uint64_t number = 0;
    const FileKind kind = ParseFileName(name, &number);
    bool lost = kind == FileKind::kSst || kind == FileKind::kBlob;
    if (kind == FileKind::kManifest) {
      const Result<bool> unfinished =
          IsUnfinishedCreation(fs_, ManifestFileName(directory_, number), number);
      RETURN_IF_ERROR(unfinished.status());
      lost = !*unfinished;
    }
    if (kind == FileKind::kWal) {
      const Result<bool> holds_groups = HoldsGroups(fs_, WalFileName(directory_, number));
      RETURN_IF_ERROR(holds_groups.status());
      lost = *holds_groups;
    }
    if (lost) {
      return Status::Corruption(directory_ + ": CURRENT is missing, but there is " + name);
    }
  }
  if (!options_.create_if_missing) {
    return Status::NotFound(directory_ + ": there is no database");
  }
  // Also if somebody else made the directory: its name may not be on disk yet.
  RETURN_IF_ERROR(fs_->SyncDirectory(ParentOf(directory_)));
  ManifestState state;
  state.trees[kDirectoryTree] = {};
  state.next_file_number = kFirstManifest + 1;
  next_file_number_.store(state.next_file_number);
  {
    MutexLock lock(&mutex_);
    next_tree_id_ = state.next_tree_id;
  }
  BuildTrees(state);
  return BeginService(std::move(state), kFirstManifest, {}, names);
}

Status DBImpl::BeginService(ManifestState state, uint64_t manifest_number,
                            const LogPosition& position, const std::vector<std::string>& names) {
  constexpr TreeId kReservedTreeIds = 64;
  {
    MutexLock lock(&mutex_);
    state.next_tree_id = std::min(next_tree_id_ + kReservedTreeIds, kMaxNextTreeId);
    reserved_tree_ids_ = state.next_tree_id;
  }
  const std::vector<uint64_t> old_logs(state.logs.begin(), state.logs.end());
  // The new segment is part of the manifest's first edit: a manifest that has lost edits then names
  // a segment that is gone, or one behind which the log goes on, and is found out either way.
  const uint64_t number = NewFileNumber();
  Result<std::unique_ptr<LogWriter>> segment =
      LogWriter::Prepare(fs_, directory_, number, options_.wal_segment_size, "");
  RETURN_IF_ERROR(segment.status());
  state.logs.insert(number);
  state.next_file_number = next_file_number_.load();
  {
    MutexLock manifest(&manifest_mutex_);
    RETURN_IF_ERROR(manifest_.Start(manifest_number, std::move(state)));
  }
  wal_.Start(old_logs, position, std::move(segment).value());
  // Before the first job: what jobs retire is no orphan, though the manifest has forgotten it.
  RETURN_IF_ERROR(RemoveOrphans(names));
  {
    MutexLock lock(&mutex_);
    opened_ = true;
    for (const auto& [id, tree] : trees_) {
      QueueCompaction(*tree);
      if (tree->state->version->TotalFiles() > 0) idle_candidates_.insert(id);
    }
    static_cast<void>(UpdateStall());
    if (FlushWanted() || HousekeepingWanted()) ScheduleFlush();
  }
  // Its lock comes before the state's.
  if (options_.idle_after_micros > 0) {
    idle_timer_.Start(executor_, options_.idle_after_micros, [this] { OnIdleTick(); });
  }
  return {};
}

Status DBImpl::RemoveOrphans(const std::vector<std::string>& names) {
  std::vector<std::string> orphans;
  {
    MutexLock manifest(&manifest_mutex_);
    for (const std::string& name : names) {
      uint64_t number = 0;
      const FileKind kind = ParseFileName(name, &number);
      const bool orphan = kind == FileKind::kTemporary ||
                          (kind == FileKind::kSst && !manifest_.IsLive(number)) ||
                          (kind == FileKind::kBlob && !manifest_.IsLive(number)) ||
                          (kind == FileKind::kManifest && number != manifest_.number()) ||
                          (kind == FileKind::kWal && !manifest_.state().logs.contains(number));
      if (orphan) orphans.push_back(name);
    }
  }
  for (const std::string& name : orphans) {
    Status removed = fs_->Remove(directory_ + "/" + name);
    // CURRENT's temporary and an old manifest may be gone already.
    if (!removed.ok() && !removed.IsNotFound()) return removed;
  }
  return orphans.empty() ? Status() : fs_->SyncDirectory(directory_);
}

TreeId DBImpl::NewTreeId() {
  constexpr TreeId kReservedTreeIds = 64;
  {
    MutexLock lock(&mutex_);
    if (next_tree_id_ < reserved_tree_ids_) return next_tree_id_++;
  }
  MutexLock manifest(&manifest_mutex_);
  {
    MutexLock lock(&mutex_);  // somebody else may have reserved some meanwhile
    if (next_tree_id_ < reserved_tree_ids_) return next_tree_id_++;
  }
  VersionEdit edit;
  edit.next_tree_id = std::min(manifest_.state().next_tree_id + kReservedTreeIds, kMaxNextTreeId);
  const TreeId reserved = *edit.next_tree_id;
  const Status recorded = Record(std::move(edit), wal_.synced_through());
  MutexLock lock(&mutex_);
  // If that failed, the log's record of the tree's creation still keeps the id from coming back.
  if (recorded.ok()) reserved_tree_ids_ = reserved;
  VARVE_CHECK(next_tree_id_ < kMaxNextTreeId);  // some four billion were given out
  return next_tree_id_++;
}

}  // namespace lsm
