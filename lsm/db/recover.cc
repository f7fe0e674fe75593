// SPDX-License-Identifier: BSD-3-Clause
// Recovery of a directory that has a manifest. Nothing is removed before the new manifest is in
// force, and nothing replaced but segments by synced copies of themselves, so a crash at any point
// leaves what was there before.
//   1. Every SST and blob file that the manifest names must be there, with the exact size.
//   2. Make the trees of the manifest, and replay the log into them. A structural operation that
//      the manifest already holds, and what a tree has flushed, is passed over; so are records of
//      trees that were dropped since. What does not fit in memory is flushed on the way, to files
//      that only the new manifest will name; so is, in the end, what forks have inherited, since
//      the new manifest calls all forks recorded.
//   3. Sync the live segments: what was read may so far be in the system's cache only. Those of
//      which nothing proves that they were on disk are copied, synced and put in their places.
//   4. Write the new manifest, begin a new segment, and remove what no longer belongs.

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/format/file_names.h"
#include "lsm/util/check.h"
#include "lsm/wal/log_reader.h"

namespace lsm {

// Applies replayed units to the trees. Thread safety: used with the writer lock held.
class ReplayApplier final : public WriteBatch::Handler {
 public:
  ReplayApplier(DBImpl* db, ManifestState* state)
      : db_(db), state_(state), structural_through_(state->structural_through) {}

  Status Replay(SequenceNumber sequence, uint32_t operations, std::string_view unit) {
    sequence_ = sequence;
    applied_ = false;
    RETURN_IF_ERROR(WriteBatch::Iterate(unit, operations, this));
    if (applied_) ++units_;
    db_->visible_.store(sequence, std::memory_order_release);
    return FreezeWhatIsFull();
  }
  // Fetches the memory that the units will write to. They are decoded twice for that, which is far
  // cheaper than to wait for memory key by key.
  void FetchAhead(std::span<const LogUnit> units) {
    KeyCollector keys(db_);
    for (const LogUnit& unit : units) {
      // What is malformed is reported when it is applied.
      if (!WriteBatch::Iterate(unit.bytes, unit.operations, &keys).ok()) break;
    }
    keys.Fetch();
  }
  uint64_t units() const { return units_; }

  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    return Add(tree, RecordType::kValue, key, value);
  }
  Status Delete(TreeId tree, std::string_view key) override {
    return Add(tree, RecordType::kTombstone, key, {});
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    const Result<Tree*> found = Find(tree);
    RETURN_IF_ERROR(found.status());
    if (*found != nullptr) (*found)->counters.Add(sequence_, counter, delta);
    return {};
  }
  Status CreateTree(TreeId tree) override {
    if (sequence_ <= structural_through_) return {};
    MutexLock lock(&db_->mutex_);
    if (tree >= kMaxNextTreeId || db_->trees_.contains(tree)) return Misfit("creates tree", tree);
    db_->AddTree(db_->MakeTree(tree, sequence_, {}, nullptr, 0));
    db_->next_tree_id_ = std::max(db_->next_tree_id_, tree + 1);
    state_->trees[tree] = {};
    applied_ = true;
    return {};
  }
  Status DropTree(TreeId tree) override {
    if (sequence_ <= structural_through_) return {};
    DBImpl::Garbage garbage;
    MutexLock lock(&db_->mutex_);
    const auto found = db_->trees_.find(tree);
    if (found == db_->trees_.end()) return Misfit("drops tree", tree);
    const TreeRef gone = found->second;
    gone->dropped = sequence_;
    if (last_ == gone.get()) last_ = nullptr;
    std::erase(touched_, gone.get());
    db_->ForgetTree(gone, &garbage);
    std::erase_if(db_->structural_, [tree](const StructuralOp& op) { return op.tree == tree; });
    state_->trees.erase(tree);
    applied_ = true;
    return {};
  }
  Status ForkTree(TreeId tree, TreeId source) override {
    if (sequence_ <= structural_through_) return {};
    DBImpl::Garbage garbage;
    db_->writer_mutex_.AssertHeld();
    MutexLock lock(&db_->mutex_);
    const auto found = db_->trees_.find(source);
    if (found == db_->trees_.end()) return Misfit("forks tree", source);
    if (tree >= kMaxNextTreeId || db_->trees_.contains(tree)) return Misfit("creates tree", tree);
    db_->structural_.push_back(db_->MakeFork(tree, found->second.get(), sequence_, &garbage));
    db_->next_tree_id_ = std::max(db_->next_tree_id_, tree + 1);
    applied_ = true;
    return {};
  }

 private:
  // Gathers keys, and fetches those of one tree together.
  class KeyCollector final : public WriteBatch::Handler {
   public:
    explicit KeyCollector(DBImpl* db) : db_(db) {}

    void Fetch() {
      if (count_ == 0) return;
      MutexLock lock(&db_->mutex_);
      const auto found = db_->trees_.find(tree_);
      if (found != db_->trees_.end()) {
        static_cast<void>(found->second->state->active->Prefetch(std::span(keys_).first(count_)));
      }
      count_ = 0;
    }

    Status Put(TreeId tree, std::string_view key, std::string_view) override {
      return Note(tree, key);
    }
    Status Delete(TreeId tree, std::string_view key) override { return Note(tree, key); }
    Status AddCounter(TreeId, size_t, int64_t) override { return {}; }
    Status CreateTree(TreeId) override { return {}; }
    Status DropTree(TreeId) override { return {}; }
    Status ForkTree(TreeId, TreeId) override { return {}; }

   private:
    Status Note(TreeId tree, std::string_view key) {
      if (tree != tree_ || count_ == keys_.size()) Fetch();
      tree_ = tree;
      keys_[count_++] = HashedKey::Of(key);
      return {};
    }

    DBImpl* const db_;
    TreeId tree_ = 0;
    size_t count_ = 0;
    std::array<HashedKey, MemTable::kMaxPrefetch> keys_;
  };

  Status Misfit(const char* what, TreeId tree) const {
    return Status::Corruption("unit " + std::to_string(sequence_) + " " + what + " " +
                              std::to_string(tree) + ", which does not fit the trees there are");
  }

  // Null if the operation is to be passed over.
  Result<Tree*> Find(TreeId tree) {
    if (last_ == nullptr || last_->id != tree) {
      MutexLock lock(&db_->mutex_);
      const auto found = db_->trees_.find(tree);
      if (found == db_->trees_.end()) {
        // Dropped since, and the manifest holds the drop; or there never was such a tree.
        if (sequence_ <= structural_through_) return static_cast<Tree*>(nullptr);
        return Misfit("writes to tree", tree);
      }
      last_ = found->second.get();
    }
    if (sequence_ <= last_->flushed_through) return static_cast<Tree*>(nullptr);
    applied_ = true;
    if (std::find(touched_.begin(), touched_.end(), last_) == touched_.end()) {
      touched_.push_back(last_);
    }
    return last_;
  }

  Status Add(TreeId tree, RecordType type, std::string_view key, std::string_view value) {
    const Result<Tree*> found = Find(tree);
    RETURN_IF_ERROR(found.status());
    if (*found != nullptr) (*found)->active->Add(sequence_, type, key, value);
    return {};
  }

  Status FreezeWhatIsFull() {
    db_->writer_mutex_.AssertHeld();
    db_->last_sequence_ = sequence_;
    DBImpl::Garbage garbage;
    bool crowded = false;
    for (Tree* tree : touched_) tree->active->Reclaim(sequence_);  // nobody looks at anything older
    {
      MutexLock lock(&db_->mutex_);
      for (Tree* tree : touched_) {
        db_->NoteGrowth(tree, sequence_);
        static_cast<void>(tree->counters.Prune(sequence_));
        if (tree->active_bytes >= db_->memory_.memtable_size()) {
          db_->Rotate(tree, db_->NewMemTable(), &garbage);
        }
      }
      crowded = db_->memtable_bytes_ >= db_->memory_.write_buffer_budget() / 2;
    }
    touched_.clear();
    return crowded ? db_->FlushDuringReplay(state_) : Status();
  }

  DBImpl* const db_;
  ManifestState* const state_;
  const SequenceNumber structural_through_;
  SequenceNumber sequence_ = 0;
  bool applied_ = false;
  uint64_t units_ = 0;
  std::vector<Tree*> touched_;
  Tree* last_ = nullptr;  // written to last; nobody else changes trees before the database is open
};

Status DBImpl::CheckLiveFiles(const ManifestState& state) {
  for (const auto& [number, file] : LiveFilesOf(state)) {
    const std::string path = DataFileName(directory_, file.kind, number);
    const Result<uint64_t> size = fs_->FileSize(path);
    if (size.status().IsNotFound()) {
      return Status::Corruption(path +
                                ": offset 0: the manifest names this file, but there is none");
    }
    RETURN_IF_ERROR(size.status());
    if (*size != file.size) {
      return Status::Corruption(path + ": offset " + std::to_string(*size) +
                                ": the file ends here, but the manifest says " +
                                std::to_string(file.size) + " bytes");
    }
  }
  return {};
}

void DBImpl::BuildTrees(const ManifestState& state) {
  std::map<uint64_t, std::shared_ptr<FileHold>> holds;  // of files, which may have several slices
  std::map<std::pair<uint64_t, TreeId>, FileRef> refs;  // of slices, which forks share
  MutexLock lock(&mutex_);
  for (const auto& [id, tree] : state.trees) {
    Version::Levels levels;
    for (size_t level = 0; level < levels.size(); ++level) {
      for (const FileMetadata& file : tree.levels[level]) {
        std::shared_ptr<FileHold>& hold = holds[file.file];
        if (hold == nullptr) hold = HoldFile(file.file);
        FileRef& ref = refs[{file.file, file.slice_tree}];
        if (ref == nullptr || *ref != file) ref = MakeRef(file, hold);
        levels[level].push_back(ref);
      }
    }
    std::reverse(levels[0].begin(), levels[0].end());  // the manifest has the oldest first
    AddTree(MakeTree(id, 0, tree.counters, std::make_shared<const Version>(std::move(levels)),
                     tree.flushed_through));
  }
}

Result<LogRecovery> DBImpl::ReplayInto(ManifestState* state,
                                       const std::vector<std::string>& names) {
  LogRecoveryInput input;
  input.fs = fs_;
  input.directory = directory_;
  input.segments.assign(state->logs.begin(), state->logs.end());
  for (const std::string& name : names) {
    uint64_t number = 0;
    const bool segment = ParseFileName(name, &number) == FileKind::kWal;
    if (segment && !state->logs.contains(number)) input.unnamed.push_back(number);
  }
  input.start = state->log_start;
  input.mark = std::max(state->wal_synced_through, state->clean_stop);
  for (const auto& [id, tree] : state->trees) {
    input.mark = std::max(input.mark, tree.flushed_through);
  }
  const auto progress = [this](uint64_t done, uint64_t total) {
    if (options_.listener != nullptr) options_.listener->OnReplayProgress(done, total);
  };
  ReplayApplier applier(this, state);
  AcquireWriter();
  Result<LogRecovery> log = ReplayLog(
      input,
      [&](SequenceNumber sequence, uint32_t operations, std::string_view unit) {
        const std::atomic<bool>* give_up = options_.give_up_opening;
        if (give_up != nullptr && give_up->load(std::memory_order_relaxed)) {
          return Status::Aborted("opening was given up while the log was replayed");
        }
        return applier.Replay(sequence, operations, unit);
      },
      [&](std::span<const LogUnit> units) { applier.FetchAhead(units); }, progress);
  Status settled;
  if (log.ok()) {
    writer_mutex_.AssertHeld();
    last_sequence_ = log->end.last_sequence;
    visible_.store(last_sequence_, std::memory_order_release);
    settled = SettleForks(state);
  }
  ReleaseWriter();
  RETURN_IF_ERROR(settled);
  MutexLock lock(&mutex_);
  stats_.replayed_units = applier.units();
  if (log.ok()) stats_.replayed_bytes = log->bytes_read;
  return log;
}

Status DBImpl::FlushDuringReplay(ManifestState* state) {
  FlushPlan plan;
  {
    Garbage garbage;
    MutexLock lock(&mutex_);
    RotateAll(&garbage);
    for (const TreeId id : frozen_trees_) plan.Add(trees_.at(id), kMaxSequence);
  }
  return FlushIntoState(std::move(plan), state);
}

Status DBImpl::SettleForks(ManifestState* state) {
  FlushPlan plan;
  {
    MutexLock lock(&mutex_);
    if (structural_.empty()) return {};
    for (const StructuralOp& op : structural_) plan.Add(trees_.at(op.tree), op.sequence - 1);
  }
  return FlushIntoState(std::move(plan), state);
}

Status DBImpl::FlushIntoState(FlushPlan plan, ManifestState* state) {
  {
    MutexLock lock(&mutex_);
    plan.Finish();
  }
  Result<FlushedSlices> slices = WritePlan(plan);
  RETURN_IF_ERROR(slices.status());
  MutexLock manifest(&manifest_mutex_);
  Result<Installation> made = MakeVersions(plan, *slices);
  RETURN_IF_ERROR(made.status());
  VersionEdit edit;
  {
    MutexLock lock(&mutex_);
    DescribeFlush(plan, *slices, &edit);
    const std::vector<StructuralOp> ops(structural_.begin(), structural_.end());
    DescribeOps(ops, FilesOfForks(ops), &edit);
    edit.structural_through.reset();  // all that is in the log is settled when the log has ended
    structural_.clear();
  }
  RETURN_IF_ERROR(state->Apply(edit));
  InstallFlush(plan, *made);
  return {};
}

Status DBImpl::SyncRecoveredLogs(std::set<uint64_t> logs, const LogRecovery& found) {
  if (logs.empty()) return {};
  for (const LogRecovery::Doubtful& doubtful : found.doubtful) {
    if (!logs.contains(doubtful.segment)) continue;
    const Status written = WriteLogAnew(doubtful.segment, doubtful.end);
    // Where there is no room for a copy, the chance that a sync means nothing is the lesser evil.
    if (!written.ok() && !written.IsNoSpace()) return written;
    if (written.ok()) logs.erase(doubtful.segment);
  }
  for (const uint64_t number : logs) {
    const Result<std::unique_ptr<WritableFile>> file =
        fs_->OpenForWrite(WalFileName(directory_, number));
    RETURN_IF_ERROR(file.status());
    RETURN_IF_ERROR((*file)->Sync());
  }
  return fs_->SyncDirectory(directory_);
}

// A sync that failed in the process before may have left pages that count as written and are not: a
// sync of these would succeed and mean nothing. The system still holds what was just replayed,
// unless it was so short of memory that it has let go of it since.
Status DBImpl::WriteLogAnew(uint64_t number, uint64_t end) {
  const std::string path = WalFileName(directory_, number);
  const std::string copy = path + ".tmp";
  // Left behind by a crash, and perhaps a second name of the segment itself: not to be truncated.
  Status status = fs_->Remove(copy);
  if (status.ok() || status.IsNotFound()) status = CopyLog(path, copy, end);
  if (status.ok()) status = fs_->Rename(copy, path);
  if (!status.ok() && !fs_->Remove(copy).ok()) return status;  // the next open removes it
  return status;
}

Status DBImpl::CopyLog(const std::string& from, const std::string& to, uint64_t size) {
  constexpr uint64_t kPiece = uint64_t{1} << 20;
  const auto in = fs_->OpenForRead(from, AccessPattern::kRandom);
  RETURN_IF_ERROR(in.status());
  const auto out = fs_->Create(to, /*truncate=*/false);
  RETURN_IF_ERROR(out.status());
  const auto buffer = std::make_unique<char[]>(kPiece);
  for (uint64_t at = 0; at < size;) {
    const auto n = static_cast<size_t>(std::min(kPiece, size - at));
    const Result<size_t> got = (*in)->ReadAt(at, n, buffer.get());
    RETURN_IF_ERROR(got.status());
    if (*got < n) return Status::Corruption(from + ": the file has become shorter");
    RETURN_IF_ERROR((*out)->WriteAt(at, {buffer.get(), n}));
    at += n;
  }
  RETURN_IF_ERROR((*out)->Sync());
  return (*out)->Close();
}

Status DBImpl::Recover(ManifestRecovery recovered, const std::vector<std::string>& names) {
  ManifestState state = std::move(recovered.state);
  if (recovered.tail_cut) {
    Log(LogLevel::kWarning, "the manifest's tail was cut: " + recovered.tail_description);
  }
  // What is missing may be missing because the manifest's end is.
  const auto blame = [&recovered](Status status) {
    if (!recovered.tail_cut || !status.IsCorruption()) return status;
    return Status::Corruption(std::string(status.message()) +
                              "; the manifest's tail was cut: " + recovered.tail_description);
  };
  RETURN_IF_ERROR(blame(CheckLiveFiles(state)));
  // Above every number in the directory: what is left over there must not be taken for new.
  uint64_t next_file = std::max(state.next_file_number, recovered.number + 1);
  for (const std::string& name : names) {
    uint64_t number = 0;
    static_cast<void>(ParseFileName(name, &number));
    next_file = std::max(next_file, number + 1);
  }
  // What is made from here on gets numbers that the next open must be able to read.
  constexpr uint64_t kRoomForFiles = uint64_t{1} << 40;
  if (next_file > kMaxFileNumber - kRoomForFiles || state.next_tree_id > kMaxNextTreeId) {
    return Status::Corruption(directory_ + ": the numbers of files or trees are near their end");
  }
  next_file_number_.store(next_file);
  {
    MutexLock lock(&mutex_);
    next_tree_id_ = state.next_tree_id;
  }
  BuildTrees(state);
  Result<LogRecovery> log = ReplayInto(&state, names);
  RETURN_IF_ERROR(blame(log.status()));
  if (log->tail_cut) {
    Log(LogLevel::kWarning, "the log's tail was cut: " + log->tail_description);
  }
  for (const uint64_t dead : log->dead_segments) state.logs.erase(dead);
  RETURN_IF_ERROR(SyncRecoveredLogs(state.logs, *log));
  state.wal_synced_through = log->end.last_sequence;
  state.structural_through = log->end.last_sequence;
  state.clean_stop = 0;
  return BeginService(std::move(state), NewFileNumber(), log->end, names);
}

}  // namespace lsm
