// SPDX-License-Identifier: BSD-3-Clause
// DBImpl is the engine behind lsm/db.h. Its work is split by verb:
//
//     open.cc recover.cc close.cc   a directory becomes a database, and rests again
//     write.cc                      units, groups, undo
//     fork.cc                       trees that begin as what another one holds
//     rotate.cc                     what happens to memtables when a group has been closed
//     read_view.* read.cc           views, point reads, iterators, snapshots
//     background.cc flush.cc compaction.cc rescue.cc   the jobs
//     idle.cc idle_timer.h          what is done while nobody writes
//     cold_reader.*                 what reads in memory only lacked is fetched
//     checkpoint.cc checkpoint_writer.*           copies that are databases themselves
//     record.cc                     version edits, the log's segments, files that are obsolete
//     stats.cc                      stalls, errors and figures
//
// Locks, in the order in which they are taken; nobody takes one while holding one further down:
//     writer_mutex_    the right to change trees: held by the Writer
//     prepare_mutex_   making the log's next segment (a writer waits for it only if it needs one)
//     manifest_mutex_  appending to the manifest and publishing what was appended
//     mutex_           the state: which trees, tables and versions there are
//     leaves           WalManager's, PinRegistry's, CounterHistory's, ObsoleteFiles', caches'
// mutex_ is held for pointer swaps and sums only. Files are touched under writer_mutex_ (the append
// to the log; a segment that was not prepared in time), prepare_mutex_ and manifest_mutex_ alone.
//
// Invariants:
//   - visible_ is the last unit of the last group that was appended; every record above it belongs
//     to the open group and is taken back if that cannot be appended.
//   - Memtables are frozen only while no group is open: a frozen table is wholly in the log.
//   - An SST file is named by the manifest only after the log is synced through what it holds.
//   - An edit that adds records of a unit to any tree records all structural operations before that
//     unit, with itself or before.
//   - A TreeState is published only after the edit that describes it is in the manifest.
//   - At most one job of the flush lane, of the compaction lane and of the checkpoint lane is
//     scheduled or running; of the sync lane one may be scheduled while one runs.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lsm/compaction/compaction_job.h"
#include "lsm/compaction/compaction_picker.h"
#include "lsm/compaction/flush_job.h"
#include "lsm/db.h"
#include "lsm/db/checkpoint_writer.h"
#include "lsm/db/cold_reader.h"
#include "lsm/db/flush_plan.h"
#include "lsm/db/idle_timer.h"
#include "lsm/db/manifest_log.h"
#include "lsm/db/obsolete_files.h"
#include "lsm/db/pins.h"
#include "lsm/db/stall.h"
#include "lsm/db/tree.h"
#include "lsm/db/wal_manager.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/table_cache.h"
#include "lsm/util/mutex.h"
#include "lsm/wal/log_reader.h"

namespace lsm {

// A tree created, forked or dropped by unit `sequence`.
struct StructuralOp {
  enum class Kind { kCreate, kFork, kDrop };
  SequenceNumber sequence = 0;
  TreeId tree = 0;
  Kind kind = Kind::kCreate;
  TreeCounters counters{};  // that a fork begins with
};

class DBImpl final : public DB {
 public:
  DBImpl(const Options& options, std::string directory);
  ~DBImpl() override;

  // Recovers or creates; once, before anything else.
  Status Open();

  Status Close() override;
  std::unique_ptr<Writer> LockWriter() override;
  std::unique_ptr<Writer> TryLockWriter() override;
  Status Write(const WriteBatch& unit, bool sync) override;
  std::unique_ptr<ReadView> NewReadView() override;
  std::unique_ptr<ReadView> NewReadView(const Snapshot& snapshot) override;
  std::unique_ptr<Snapshot> NewSnapshot() override;
  TreeId NewTreeId() override;
  std::vector<TreeId> Trees() override;
  void RequestSync() override;
  Status SyncWal() override;
  SequenceNumber synced_through() const override { return wal_.synced_through(); }
  SequenceNumber visible_sequence() const override {
    return visible_.load(std::memory_order_acquire);
  }
  int64_t UnsyncedAgeMicros() const override { return wal_.UnsyncedAgeMicros(); }
  WriteStall CurrentStall() const override;
  void LimitUnsyncedAge(int64_t micros) override { max_unsynced_age_.store(micros); }
  Status BackgroundError() const override;
  Status Flush(TreeId tree) override;
  Status FlushAll() override;
  Status CompactRange(TreeId tree, std::optional<std::string_view> begin,
                      std::optional<std::string_view> end) override;
  Status StartCheckpoint(const std::string& directory,
                         const std::vector<std::string>& obsolete) override;
  Result<CheckpointInfo> Checkpoint(const std::string& directory) override;
  CheckpointProgress LastCheckpoint() const override;
  void Fetch(std::shared_ptr<ColdRead> read, std::function<void(const Status&)> done) override;
  void SetMemoryLimit(size_t bytes) override;
  DbStats Stats() const override;

  // One line a memtable, level and file, for people.
  void DescribeTree(TreeId tree, const std::function<void(std::string_view line)>& line);

 private:
  friend class WriterImpl;
  friend class ReadViewImpl;
  friend class SnapshotImpl;
  friend class UnitApplier;
  friend class UnitUndoer;
  friend class ReplayApplier;

  // Things that must be destroyed after a lock is released: large tables, files to be removed.
  using Garbage = std::vector<std::shared_ptr<const void>>;

  struct OpenGroup {
    std::string payload;
    SequenceNumber first = 0;
    uint32_t units = 0;
    std::vector<TreeRef> touched;
    std::vector<StructuralOp> structural;

    // Keeps its memory for the next group, unless one very large value made it grow.
    void ClearPayload() {
      constexpr size_t kKeptCapacity = size_t{4} << 20;
      if (payload.capacity() > kKeptCapacity) std::string().swap(payload);
      payload.clear();
    }
  };

  // ---- write.cc
  void AcquireWriter();
  bool TryAcquireWriter();
  void ReleaseWriter();
  Result<SequenceNumber> Commit(const WriteBatch& unit) REQUIRES_LOCK(writer_mutex_);
  Result<SequenceNumber> CloseGroup() REQUIRES_LOCK(writer_mutex_);
  Status RefuseIfStopped(const WriteBatch& unit) EXCLUDES_LOCK(mutex_);
  void UndoUnit(SequenceNumber sequence, std::string_view unit, uint32_t operations)
      REQUIRES_LOCK(writer_mutex_);
  void UndoGroup() REQUIRES_LOCK(writer_mutex_);
  // Null if there is no such tree at the writer's point.
  Tree* FindForWriter(TreeId tree) REQUIRES_LOCK(writer_mutex_);
  void Touch(Tree* tree) REQUIRES_LOCK(writer_mutex_);
  Status CreateTree(TreeId tree, SequenceNumber sequence) REQUIRES_LOCK(writer_mutex_);
  Status DropTree(TreeId tree, SequenceNumber sequence) REQUIRES_LOCK(writer_mutex_);
  void UndoCreateTree(TreeId tree, SequenceNumber sequence) REQUIRES_LOCK(writer_mutex_);
  void UndoDropTree(TreeId tree, SequenceNumber sequence) REQUIRES_LOCK(writer_mutex_);
  bool WaitOutStall();
  // One unit, as a group of its own.
  Status WriteAlone(const WriteBatch& unit) EXCLUDES_LOCK(mutex_);

  // ---- fork.cc
  // For a unit that forks: refuses what must not be mixed, and closes the open group.
  Status PrepareForks(const WriteBatch& unit) REQUIRES_LOCK(writer_mutex_);
  Status ForkTree(TreeId tree, TreeId source, SequenceNumber sequence) REQUIRES_LOCK(writer_mutex_);
  StructuralOp MakeFork(TreeId id, Tree* source, SequenceNumber sequence, Garbage* garbage)
      REQUIRES_LOCK(writer_mutex_, mutex_);
  // The tree does not own its frozen tables any more; those that nobody owns count for nothing.
  void LeaveTables(Tree* tree) REQUIRES_LOCK(mutex_);
  // Whether everything that the fork has from its source is in files, once `plan` (may be null) is.
  bool IsForkReady(const Tree& fork, const FlushPlan* plan) const REQUIRES_LOCK(mutex_);
  // The first of structural_, whole units, that an edit may record which comes with `plan` (may be
  // null).
  std::vector<StructuralOp> RecordableOps(SequenceNumber durable, const FlushPlan* plan) const
      REQUIRES_LOCK(mutex_);
  void AddWhatForksNeed(FlushPlan* plan) REQUIRES_LOCK(mutex_);
  // Asks for the flushes that keep a drop from being recorded; false if there are none.
  bool AskForForks() REQUIRES_LOCK(mutex_);
  // A fork that an edit records, and what it holds. Its version changes under the manifest lock
  // only.
  struct ForkFiles {
    StructuralOp op;
    std::shared_ptr<const Version> version;
  };
  // Of those of `ops` that are not dropped by them.
  std::vector<ForkFiles> FilesOfForks(const std::vector<StructuralOp>& ops) const
      REQUIRES_LOCK(mutex_);
  // The manifest's words for structural operations; those for a fork make a tree of its files, and
  // take into account what `edit` says of it already.
  static void DescribeOps(const std::vector<StructuralOp>& ops, const std::vector<ForkFiles>& forks,
                          VersionEdit* edit);

  // ---- rotate.cc
  TreeRef MakeTree(TreeId id, SequenceNumber created, const TreeCounters& counters,
                   std::shared_ptr<const Version> version, SequenceNumber flushed_through);
  // Freed by the executor if it has become big, which takes milliseconds, whoever lets go of it.
  std::shared_ptr<MemTable> NewMemTable() const;
  void AddTree(const TreeRef& tree) REQUIRES_LOCK(mutex_);
  // After the open group was appended: publishes it and freezes what is full.
  void PublishGroup() REQUIRES_LOCK(writer_mutex_);
  void NoteGrowth(Tree* tree, SequenceNumber first) REQUIRES_LOCK(writer_mutex_, mutex_);
  // False if there was nothing to freeze. `fresh` becomes the active table.
  bool Rotate(Tree* tree, std::shared_ptr<MemTable> fresh, Garbage* garbage)
      REQUIRES_LOCK(writer_mutex_, mutex_);
  // Freezes records, or counters that changed without any, and asks for them to be flushed.
  void RotateToFlush(Tree* tree, Garbage* garbage) REQUIRES_LOCK(writer_mutex_, mutex_);
  // After the memory limit was lowered: no group may come that would do it.
  void RotateForLimit() REQUIRES_LOCK(writer_mutex_) EXCLUDES_LOCK(mutex_);
  void RotateForBudget(Garbage* garbage) REQUIRES_LOCK(writer_mutex_, mutex_);
  void RotateForLogSize(Garbage* garbage) REQUIRES_LOCK(writer_mutex_, mutex_);
  void RotateAll(Garbage* garbage) REQUIRES_LOCK(writer_mutex_, mutex_);
  void SetState(Tree* tree, std::shared_ptr<const TreeState> state, Garbage* garbage)
      REQUIRES_LOCK(mutex_);
  void NoteUnflushed(Tree* tree) REQUIRES_LOCK(mutex_);

  // ---- background.cc
  void ScheduleFlush() REQUIRES_LOCK(mutex_);
  void ScheduleCompaction() REQUIRES_LOCK(mutex_);
  void ScheduleSync() REQUIRES_LOCK(mutex_);
  void BackgroundFlush();
  void BackgroundCompaction();
  void BackgroundSync();
  bool FlushWanted() const REQUIRES_LOCK(mutex_);
  bool WantsFlush(const Tree& tree) const REQUIRES_LOCK(mutex_);
  // Somebody, or the budget, wants its oldest table flushed. REQUIRES: tree.HasFrozen()
  bool IsAskedFor(const Tree& tree) const REQUIRES_LOCK(mutex_);
  static constexpr int64_t kRetryMicros = 100'000;
  // The last failure of a lane is too fresh to try again unasked.
  bool BackingOff(int64_t failed_at) const;
  void RetryBackgroundWork() REQUIRES_LOCK(mutex_);
  void RetryCompaction() REQUIRES_LOCK(mutex_);
  // Something was put off that nothing else starts again.
  bool CompactionFails() const REQUIRES_LOCK(mutex_);
  Status RunFlushLane();
  // Dropped trees and files that nobody needs.
  Status FreeSpace() EXCLUDES_LOCK(mutex_);
  // Notes how a round of the flush lane ended; true if there is more to do.
  bool FinishFlushLane(const Status& status) REQUIRES_LOCK(mutex_);
  // Syncs the log; a failure stops writes until the data are rewritten.
  Status SyncLog(SequenceNumber through) EXCLUDES_LOCK(mutex_);
  void NoteSynced(uint64_t written, int64_t started) EXCLUDES_LOCK(mutex_);
  void NoteFailure(const Status& status) EXCLUDES_LOCK(mutex_);
  void NoteWork(BackgroundWork work, int64_t started);
  // Waits, helping, until `done` holds. `done` runs with mutex_ held.
  void WaitUntil(const std::function<bool()>& done) REQUIRES_LOCK(mutex_);
  void Log(LogLevel level, std::string_view message);
  Status RequestFlush(std::optional<TreeId> tree);
  Status WaitFlushed(const std::vector<std::pair<TreeRef, SequenceNumber>>& targets)
      EXCLUDES_LOCK(mutex_);

  // ---- flush.cc
  FlushPlan PickFlush() REQUIRES_LOCK(mutex_);
  Status RunFlush(const FlushPlan& plan) EXCLUDES_LOCK(mutex_);
  Result<FlushedSlices> WritePlan(const FlushPlan& plan);
  Status WriteFlushFile(const FlushPlan& plan, const std::vector<size_t>& items,
                        FlushedSlices* slices);
  // What was written is not used; it is removed in time.
  void Discard(const FlushedSlices& slices);
  // The manifest's words for a flush; they name who owns the tables now.
  void DescribeFlush(const FlushPlan& plan, const FlushedSlices& slices, VersionEdit* edit) const
      REQUIRES_LOCK(mutex_);
  // What becomes of the trees of a flush: files by item, and the versions that are known already.
  struct Installation {
    struct NewVersion {
      std::shared_ptr<const Version> base;
      std::shared_ptr<const Version> next;
    };
    std::vector<FileRef> files;  // null: nothing was written
    std::unordered_map<TreeId, NewVersion> versions;
  };
  Result<Installation> MakeVersions(const FlushPlan& plan, const FlushedSlices& slices)
      REQUIRES_LOCK(manifest_mutex_) EXCLUDES_LOCK(mutex_);
  void InstallFlush(const FlushPlan& plan, const Installation& made) REQUIRES_LOCK(manifest_mutex_)
      EXCLUDES_LOCK(mutex_);
  void InstallInTree(Tree* tree, const FlushPlan& plan, const std::vector<size_t>& items,
                     const Installation& made, Garbage* garbage) REQUIRES_LOCK(mutex_);
  Status RunRescue() EXCLUDES_LOCK(mutex_);
  // ---- rescue.cc
  bool FreezeForRescue(FlushPlan* plan, SequenceNumber* through);
  Status RecordRescue(const FlushPlan& plan, const FlushedSlices& slices, SequenceNumber through)
      REQUIRES_LOCK(prepare_mutex_);
  // A segment to go on with that no failed sync has touched.
  Result<std::shared_ptr<LogWriter>> RescueSegment() REQUIRES_LOCK(prepare_mutex_);

  // ---- compaction.cc
  struct CompactionPlan;
  // A tree that may have something to compact, as it was when it was chosen.
  struct Candidate {
    TreeRef tree;
    std::shared_ptr<const Version> version;
    CompactionSituation situation;
    std::shared_ptr<ManualCompaction> manual;  // null: nobody asked
    bool shares = false;                       // small, and nothing speaks against company
  };
  CompactionSituation SituationOf(const Tree& tree) const REQUIRES_LOCK(mutex_);
  // Neither dropped nor made by the open group, which may be taken back.
  bool MayCompact(const Tree& tree) const REQUIRES_LOCK(mutex_);
  void QueueCompaction(const Tree& tree) REQUIRES_LOCK(mutex_);
  std::vector<Candidate> ChooseTrees() REQUIRES_LOCK(mutex_);
  bool PickCompaction(CompactionPlan* plan) EXCLUDES_LOCK(mutex_);
  // The same for the slices that are left of a file most of which is dead.
  bool PickSparseFile(CompactionPlan* plan) EXCLUDES_LOCK(mutex_);
  void DivideWork(CompactionPlan* plan) const;
  void FinishTree(const Candidate& candidate) EXCLUDES_LOCK(mutex_);
  Status RunCompactionPlan(CompactionPlan* plan) EXCLUDES_LOCK(mutex_);
  Status PublishCompaction(const CompactionPlan& plan, const CompactionOutput& output)
      EXCLUDES_LOCK(mutex_);
  void CountCompaction(const CompactionPlan& plan, const CompactionOutput& output)
      REQUIRES_LOCK(mutex_);
  // Notes how a job ended that took so long; true if somebody who waited may go on.
  bool FinishCompaction(const CompactionPlan& plan, const Status& status, int64_t took)
      EXCLUDES_LOCK(mutex_);
  // A job that failed puts off trees, so that they are tried again later and alone.
  void PutOff(const CompactionPlan& plan, const Status& status, int64_t now) REQUIRES_LOCK(mutex_);
  void NoteSparse(uint64_t file, const Status& status, int64_t now) REQUIRES_LOCK(mutex_);
  // A job begins: its failure is the answer to those who wait now.
  void MarkWhoWaits() EXCLUDES_LOCK(mutex_);
  // No job runs for a while: whoever was marked is told why; true if others wait.
  bool TellWhoWaits(const Status& error) REQUIRES_LOCK(mutex_);
  bool IsPutOff(TreeId id) const REQUIRES_LOCK(mutex_);
  bool IsSparsePutOff() const REQUIRES_LOCK(mutex_);
  // Whether a job would find something to do.
  bool CompactionDue() const REQUIRES_LOCK(mutex_);
  // Why the compaction fails that writers have to wait for; OK if it does not.
  Status CompactionError() const REQUIRES_LOCK(mutex_);

  // ---- idle.cc
  void OnIdleTick() EXCLUDES_LOCK(writer_mutex_, mutex_);
  // Whether the active memtable's tombstones give much of the tree's space back.
  bool WorthFlushing(const Tree& tree) const REQUIRES_LOCK(mutex_);

  // ---- record.cc
  uint64_t NewFileNumber() { return next_file_number_.fetch_add(1); }
  // Whoever is about to write files asks first: while nobody knows which manifest is in force,
  // none of them could be used, and none be removed.
  Status SettleManifest() EXCLUDES_LOCK(manifest_mutex_, mutex_);
  // Records `edit`, and before it the structural operations that are synced. Parts of `edit` that
  // name trees the manifest does not know (any more) are left out.
  // `durable`: units up to here survive a power cut, in the log or by this edit itself.
  Status Record(VersionEdit edit, SequenceNumber durable) REQUIRES_LOCK(manifest_mutex_)
      EXCLUDES_LOCK(mutex_);
  // The same with what a flush wrote. kBusy if a fork that the flush was to make recordable was
  // dropped meanwhile, and the drop is not durable: another flush will do.
  Status RecordFlush(VersionEdit edit, SequenceNumber durable, const FlushPlan* plan,
                     const FlushedSlices& slices) REQUIRES_LOCK(manifest_mutex_)
      EXCLUDES_LOCK(mutex_);
  void NoteRecorded(size_t ops) EXCLUDES_LOCK(mutex_);
  Status RecordStructural() EXCLUDES_LOCK(mutex_);
  std::shared_ptr<FileHold> HoldFile(uint64_t file);
  // Reads index and filter of a new slice before anything depends on it: that it can be read is
  // known then, and the first reader finds them in memory. Small ones are left to that reader.
  Status OpenNewFile(const FileMetadata& slice);
  // A reference that also keeps the blob files that the slice's records point to.
  FileRef MakeRef(const FileMetadata& file, std::shared_ptr<FileHold> hold);
  Status PrepareSegment() REQUIRES_LOCK(prepare_mutex_);
  Result<std::shared_ptr<LogWriter>> NextSegment();
  // Segments whose records are all in files are forgotten, and reused or removed.
  Status RetireSegments();
  Status MaintainLog();
  Status RemoveObsoleteFiles();
  void NoteDropped() REQUIRES_LOCK(mutex_);
  void PurgeDroppedTrees() EXCLUDES_LOCK(mutex_);
  // Takes a tree and what it counts for out of the state.
  void ForgetTree(const TreeRef& tree, Garbage* garbage) REQUIRES_LOCK(mutex_);
  bool HousekeepingWanted() const REQUIRES_LOCK(mutex_);
  void NudgeHousekeeping();

  // ---- open.cc, recover.cc
  Status MakeDirectory();
  // Its names, none of which is foreign.
  Result<std::vector<std::string>> ListDirectory();
  Status CreateNew(const std::vector<std::string>& names);
  Status Recover(ManifestRecovery recovered, const std::vector<std::string>& names);
  Status CheckLiveFiles(const ManifestState& state);
  void BuildTrees(const ManifestState& state);
  Result<LogRecovery> ReplayInto(ManifestState* state, const std::vector<std::string>& names);
  Status FlushDuringReplay(ManifestState* state) REQUIRES_LOCK(writer_mutex_);
  // Makes the forks that were replayed part of the state: what they have inherited goes to files.
  Status SettleForks(ManifestState* state) REQUIRES_LOCK(writer_mutex_);
  Status FlushIntoState(FlushPlan plan, ManifestState* state) EXCLUDES_LOCK(mutex_);
  // From the manifest's making to the first job. `names`: what the directory held.
  Status BeginService(ManifestState state, uint64_t manifest_number, const LogPosition& position,
                      const std::vector<std::string>& names);
  // Makes what was replayed durable.
  Status SyncRecoveredLogs(std::set<uint64_t> logs, const LogRecovery& found);
  Status WriteLogAnew(uint64_t number, uint64_t end);
  Status CopyLog(const std::string& from, const std::string& to, uint64_t size);
  Status RemoveOrphans(const std::vector<std::string>& names);

  // ---- close.cc
  Status CloseOnce();
  void WaitForJobs() EXCLUDES_LOCK(mutex_);
  Status RecordCleanStop();

  // ---- checkpoint.cc
  // What checkpoints_ended_ will be once this one has ended.
  Result<uint64_t> BeginCheckpoint(const std::string& directory,
                                   const std::vector<std::string>& obsolete) EXCLUDES_LOCK(mutex_);
  void BackgroundCheckpoint();
  void RemoveCheckpoints(const std::vector<std::string>& directories);
  Result<CheckpointInfo> WriteCheckpoint(const std::string& directory);
  // What the database is made of at one moment, pinned.
  Status PinForCheckpoint(CheckpointSource* source) EXCLUDES_LOCK(mutex_);
  // How many bytes that is, also of segments whose size is not known.
  Status MeasureCheckpoint(CheckpointSource* source);
  void UnpinCheckpoint() EXCLUDES_LOCK(mutex_);

  // ---- read.cc
  void Unpin(SequenceNumber sequence);
  // The tree and its tables as they are now; null if it does not exist at `sequence`.
  std::pair<TreeRef, std::shared_ptr<const TreeState>> FindForRead(TreeId tree,
                                                                   SequenceNumber sequence);

  // ---- stats.cc
  // Gives back what is beyond a memory limit that was lowered.
  void BackgroundShrink() EXCLUDES_LOCK(mutex_);
  // Works the stall out anew; true if somebody who waited may go on.
  bool UpdateStall() REQUIRES_LOCK(mutex_);
  void CountTree(const Tree& tree, bool add) REQUIRES_LOCK(mutex_);
  // Takes a dropped tree out of all sums: whoever still looks at it holds what no background work
  // can give back, so writers must not wait for it.
  void DiscountTree(Tree* tree) REQUIRES_LOCK(mutex_);
  void CountFiles(const std::vector<std::shared_ptr<const Version>>& versions,
                  DbStats* stats) const;
  // What failed, if background work did.
  Status CauseOfStop() const REQUIRES_LOCK(mutex_);

  const Options options_;
  const std::string directory_;
  FileSystem* const fs_;
  std::unique_ptr<Executor> own_executor_;
  Executor* const executor_;
  RateLimiter limiter_;
  const TableTarget target_;
  const CompactionPicker picker_;
  std::shared_ptr<ObsoleteFiles> obsolete_;
  std::shared_ptr<BlobFiles> blob_files_;
  BlockCache block_cache_;
  MemoryBudget memory_;
  TableCache tables_;
  ColdReader cold_reader_;
  std::unique_ptr<FileLock> lock_;

  std::atomic<SequenceNumber> visible_{0};
  std::atomic<uint64_t> state_changes_{0};  // trees' states that were published
  std::atomic<uint64_t> next_file_number_{1};
  std::atomic<bool> stalled_{false};  // stall_ is not kNone: asked about with every write
  std::atomic<bool> stopped_{false};
  std::atomic<bool> closing_{false};
  std::atomic<bool> hurry_{false};           // a compaction is due: one that can wait gives way
  std::atomic<bool> rescue_wanted_{false};   // a sync of the log failed
  std::atomic<bool> limit_changed_{false};   // the memory limit, and memtables may have to go
  std::atomic<bool> relief_untold_{false};   // a stall eased under the writer lock
  std::atomic<bool> freeze_blocked_{false};  // the rescue waits for the writer lock
  CheckpointMeter checkpoint_meter_;
  std::atomic<uint64_t> filter_useful_{0};
  std::atomic<SequenceNumber> oldest_dropped_{0};  // the first of dropped_, 0 if there is none
  std::atomic<int64_t> max_unsynced_age_{0};
  WritePacer pacer_;
  PinRegistry pins_;
  WalManager wal_;

  Mutex writer_mutex_;
  OpenGroup group_ GUARDED_BY(writer_mutex_);
  SequenceNumber last_sequence_ GUARDED_BY(writer_mutex_) = 0;  // committed
  // Trees that were looked up lately, by the low bits of their ids.
  static constexpr size_t kWriterCache = 16;
  std::array<TreeRef, kWriterCache> writer_cache_ GUARDED_BY(writer_mutex_);

  Mutex prepare_mutex_;
  Mutex manifest_mutex_;
  ManifestLog manifest_ GUARDED_BY(manifest_mutex_);
  std::vector<uint64_t> doubtful_logs_ GUARDED_BY(manifest_mutex_);
  std::vector<ObsoleteFile> unremoved_files_ GUARDED_BY(manifest_mutex_);
  std::map<uint64_t, LiveFile> pinned_files_ GUARDED_BY(manifest_mutex_);  // of a checkpoint
  bool logs_pinned_ GUARDED_BY(manifest_mutex_) = false;  // segments, whatever their number

  mutable Mutex mutex_;
  CondVar changed_;
  std::unordered_map<TreeId, TreeRef> trees_ GUARDED_BY(mutex_);
  // Trees by their oldest unit that is not in files.
  std::set<std::pair<SequenceNumber, TreeId>> unflushed_ GUARDED_BY(mutex_);
  // Dropped ones that are still in trees_, by the unit that dropped them.
  std::set<std::pair<SequenceNumber, TreeId>> dropped_ GUARDED_BY(mutex_);
  std::set<uint64_t> sparse_files_ GUARDED_BY(mutex_);    // shared files that are mostly dead
  std::set<TreeId> compaction_queue_ GUARDED_BY(mutex_);  // trees that may want one
  std::set<TreeId> frozen_trees_ GUARDED_BY(mutex_);      // with tables or counters to flush
  std::multiset<size_t> memtable_counts_ GUARDED_BY(mutex_);
  std::multiset<size_t> l0_counts_ GUARDED_BY(mutex_);
  size_t memtable_bytes_ GUARDED_BY(mutex_) = 0;  // tables that hold records
  size_t frozen_bytes_ GUARDED_BY(mutex_) = 0;
  // The budget asks for everything frozen up to here, of all trees; the log's length, for what its
  // oldest segments hold up to there.
  SequenceNumber all_flush_through_ GUARDED_BY(mutex_) = 0;
  SequenceNumber log_flush_through_ GUARDED_BY(mutex_) = 0;
  size_t frozen_tables_ GUARDED_BY(mutex_) = 0;
  std::deque<StructuralOp> structural_ GUARDED_BY(mutex_);  // not yet in the manifest
  TreeId next_tree_id_ GUARDED_BY(mutex_) = 1;
  TreeId reserved_tree_ids_ GUARDED_BY(mutex_) = 1;  // ids below are safe to hand out
  WriteStall stall_ GUARDED_BY(mutex_);              // without its delay
  DrainMeter flush_drain_ GUARDED_BY(mutex_);        // memtable bytes
  DrainMeter compaction_drain_ GUARDED_BY(mutex_);   // bytes of L0 files
  DrainMeter sync_drain_ GUARDED_BY(mutex_);         // log bytes
  uint64_t synced_bytes_ GUARDED_BY(mutex_) = 0;     // of what the log has written
  Status flush_error_ GUARDED_BY(mutex_);
  int64_t flush_failed_at_ GUARDED_BY(mutex_) = 0;  // when it failed last; 0: it works
  int64_t compaction_failed_at_ GUARDED_BY(mutex_) = 0;
  uint64_t flush_failures_ GUARDED_BY(mutex_) = 0;
  // Compactions of a tree that failed one after the other: the tree is put off, for longer each
  // time, and goes without company until one succeeds.
  struct FailedCompaction {
    Status error;
    int times = 0;
    int64_t retry_at = 0;

    void Note(const Status& status, int64_t now) {
      constexpr int kMaxDoublings = 8;  // 25.6 s
      error = status;
      retry_at = now + (kRetryMicros << std::min(times, kMaxDoublings));
      ++times;
    }
  };
  std::map<TreeId, FailedCompaction> failed_compactions_ GUARDED_BY(mutex_);
  FailedCompaction failed_sparse_ GUARDED_BY(mutex_);  // the same for sparse_files_
  Status compaction_error_ GUARDED_BY(mutex_);         // of no single tree
  bool flush_scheduled_ GUARDED_BY(mutex_) = false;
  bool compaction_scheduled_ GUARDED_BY(mutex_) = false;
  bool sync_scheduled_ GUARDED_BY(mutex_) = false;
  bool shrink_scheduled_ GUARDED_BY(mutex_) = false;
  std::string checkpoint_directory_ GUARDED_BY(mutex_);  // of the one under way, else empty
  std::vector<std::string> obsolete_checkpoints_ GUARDED_BY(mutex_);
  uint64_t checkpoints_ended_ GUARDED_BY(mutex_) = 0;
  Result<CheckpointInfo> last_checkpoint_ GUARDED_BY(mutex_) = CheckpointInfo();
  int jobs_ GUARDED_BY(mutex_) = 0;  // scheduled or running
  bool drop_to_record_ GUARDED_BY(mutex_) = false;
  bool opened_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  DbStats stats_ GUARDED_BY(mutex_);
  bool idle_ GUARDED_BY(mutex_) = false;  // as of the last tick
  uint64_t idle_rotations_ GUARDED_BY(mutex_) = 0;
  uint64_t idle_log_bytes_ GUARDED_BY(mutex_) = 0;
  std::set<TreeId> idle_candidates_ GUARDED_BY(mutex_);  // changed since they had a turn
  IdleTimer idle_timer_;
};

}  // namespace lsm
