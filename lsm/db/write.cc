// SPDX-License-Identifier: BSD-3-Clause
// Units and groups.
//
// Committing unit u with sequence s:
//   1. Refuse if writes are stopped, unless the disk is full and u helps against it. Close the
//   group if u would make it too big.
//   2. Apply u's operations in order: records with sequence s enter the active memtables, counters
//      and the map of trees change. If one cannot be applied, take u back and say why.
//   3. Append u, framed, to the group's payload.
//
// Closing the group: append the payload to the log; then make its last sequence visible. If the
// append fails, decode the payload and take its units back, newest first. Taking a unit back is
// idempotent, so it also works for one that was applied in part.

#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/db/writer.h"
#include "lsm/format/coding.h"
#include "lsm/util/check.h"

namespace lsm {

// Applies one unit to the trees. Thread safety: used with the writer lock held.
class UnitApplier final : public WriteBatch::Handler {
 public:
  UnitApplier(DBImpl* db, SequenceNumber sequence) : db_(db), sequence_(sequence) {}

  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    return Add(tree, RecordType::kValue, key, value);
  }
  Status Delete(TreeId tree, std::string_view key) override {
    return Add(tree, RecordType::kTombstone, key, {});
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    Tree* found = Find(tree);
    if (found == nullptr) return NoTree(tree);
    found->counters.Add(sequence_, counter, delta);
    return {};
  }
  Status CreateTree(TreeId tree) override {
    db_->writer_mutex_.AssertHeld();
    return db_->CreateTree(tree, sequence_);
  }
  Status DropTree(TreeId tree) override {
    db_->writer_mutex_.AssertHeld();
    last_ = nullptr;
    return db_->DropTree(tree, sequence_);
  }
  Status ForkTree(TreeId tree, TreeId source) override {
    db_->writer_mutex_.AssertHeld();
    return db_->ForkTree(tree, source, sequence_);
  }

 private:
  Status Add(TreeId tree, RecordType type, std::string_view key, std::string_view value) {
    Tree* found = Find(tree);
    if (found == nullptr) return NoTree(tree);
    found->active->Add(sequence_, type, key, value);
    return {};
  }
  Tree* Find(TreeId tree) {
    db_->writer_mutex_.AssertHeld();
    if (last_ == nullptr || last_->id != tree) {
      last_ = db_->FindForWriter(tree);
      if (last_ != nullptr) db_->Touch(last_);
    }
    return last_;
  }
  static Status NoTree(TreeId tree) {
    return Status::NotFound("tree " + std::to_string(tree) + " does not exist");
  }

  DBImpl* const db_;
  const SequenceNumber sequence_;
  Tree* last_ = nullptr;
};

// Takes one unit back, wholly or partly applied. Thread safety: used with the writer lock held.
class UnitUndoer final : public WriteBatch::Handler {
 public:
  UnitUndoer(DBImpl* db, SequenceNumber sequence) : db_(db), sequence_(sequence) {}

  Status Put(TreeId tree, std::string_view key, std::string_view /*value*/) override {
    return Delete(tree, key);
  }
  Status Delete(TreeId tree, std::string_view key) override {
    if (const TreeRef found = Find(tree)) found->active->Undo(sequence_, key);
    return {};
  }
  Status AddCounter(TreeId tree, size_t /*counter*/, int64_t /*delta*/) override {
    if (const TreeRef found = Find(tree)) found->counters.Undo(sequence_);
    return {};
  }
  Status CreateTree(TreeId tree) override {
    db_->writer_mutex_.AssertHeld();
    db_->UndoCreateTree(tree, sequence_);
    return {};
  }
  Status DropTree(TreeId tree) override {
    db_->writer_mutex_.AssertHeld();
    db_->UndoDropTree(tree, sequence_);
    return {};
  }
  Status ForkTree(TreeId tree, TreeId /*source*/) override { return CreateTree(tree); }

 private:
  // Dropped trees too: their records come before the drop.
  TreeRef Find(TreeId tree) {
    MutexLock lock(&db_->mutex_);
    const auto found = db_->trees_.find(tree);
    return found == db_->trees_.end() ? nullptr : found->second;
  }

  DBImpl* const db_;
  const SequenceNumber sequence_;
};

// Whether a unit helps against a full disk: it drops a tree, or puts nothing.
class SpaceSeeker final : public WriteBatch::Handler {
 public:
  bool frees_space() const { return drops_ || !puts_; }

  Status Put(TreeId, std::string_view, std::string_view) override {
    puts_ = true;
    return {};
  }
  Status Delete(TreeId, std::string_view) override { return {}; }
  Status AddCounter(TreeId, size_t, int64_t) override { return {}; }
  Status CreateTree(TreeId) override { return {}; }
  Status DropTree(TreeId) override {
    drops_ = true;
    return {};
  }
  Status ForkTree(TreeId, TreeId) override {
    puts_ = true;
    return {};
  }

 private:
  bool puts_ = false;
  bool drops_ = false;
};

void DBImpl::AcquireWriter() NO_THREAD_SAFETY_ANALYSIS { writer_mutex_.Lock(); }

bool DBImpl::TryAcquireWriter() NO_THREAD_SAFETY_ANALYSIS { return writer_mutex_.TryLock(); }

void DBImpl::ReleaseWriter() NO_THREAD_SAFETY_ANALYSIS {
  if (limit_changed_.load() && limit_changed_.exchange(false)) RotateForLimit();
  writer_mutex_.Unlock();
  // Changed after the look at it: the flush lane found the lock taken, and has to come again.
  if (limit_changed_.load()) {
    MutexLock lock(&mutex_);
    ScheduleFlush();
  }
  // A rescue that met a held writer lock left the freezing of the memtables for later.
  if (freeze_blocked_.load() && freeze_blocked_.exchange(false)) {
    MutexLock lock(&mutex_);
    ScheduleFlush();
  }
  if (relief_untold_.load() && relief_untold_.exchange(false) && options_.listener != nullptr) {
    options_.listener->OnStallRelieved();
  }
}

Tree* DBImpl::FindForWriter(TreeId tree) {
  TreeRef& cached = writer_cache_[tree % kWriterCache];
  if (cached == nullptr || cached->id != tree) {
    MutexLock lock(&mutex_);
    const auto found = trees_.find(tree);
    if (found == trees_.end() || found->second->dropped != 0) return nullptr;
    cached = found->second;
  }
  return cached->dropped == 0 ? cached.get() : nullptr;
}

void DBImpl::Touch(Tree* tree) {
  if (tree->touched) return;
  tree->touched = true;
  group_.touched.push_back(writer_cache_[tree->id % kWriterCache]);
}

Status DBImpl::CreateTree(TreeId tree, SequenceNumber sequence) {
  MutexLock lock(&mutex_);
  if (tree >= next_tree_id_ || trees_.contains(tree)) {
    return Status::InvalidArgument("tree id " + std::to_string(tree) + " is not a new one");
  }
  AddTree(MakeTree(tree, sequence, {}, nullptr, 0));
  group_.structural.push_back({sequence, tree, StructuralOp::Kind::kCreate});
  return {};
}

Status DBImpl::DropTree(TreeId tree, SequenceNumber sequence) {
  Tree* found = FindForWriter(tree);
  if (found == nullptr) {
    return Status::NotFound("tree " + std::to_string(tree) + " does not exist");
  }
  MutexLock lock(&mutex_);
  found->dropped = sequence;
  dropped_.insert({sequence, tree});
  NoteDropped();
  group_.structural.push_back({sequence, tree, StructuralOp::Kind::kDrop});
  return {};
}

void DBImpl::UndoCreateTree(TreeId tree, SequenceNumber sequence) {
  TreeRef gone;
  MutexLock lock(&mutex_);
  const auto found = trees_.find(tree);
  if (found == trees_.end() || found->second->created != sequence) return;
  gone = std::move(found->second);
  trees_.erase(found);
  LeaveTables(gone.get());  // of a fork
  frozen_trees_.erase(tree);
  if (gone->unflushed_entry != 0) unflushed_.erase({gone->unflushed_entry, tree});
  dropped_.erase({gone->dropped, tree});
  NoteDropped();
  CountTree(*gone, /*add=*/false);
  gone->discounted = true;  // a compaction that still holds it must not take it out again
  writer_cache_[tree % kWriterCache].reset();
  std::erase_if(group_.touched, [&](const TreeRef& touched) { return touched == gone; });
  std::erase_if(group_.structural,
                [&](const StructuralOp& op) { return op.sequence == sequence && op.tree == tree; });
}

void DBImpl::UndoDropTree(TreeId tree, SequenceNumber sequence) {
  MutexLock lock(&mutex_);
  const auto found = trees_.find(tree);
  if (found == trees_.end() || found->second->dropped != sequence) return;
  found->second->dropped = 0;
  dropped_.erase({sequence, tree});
  NoteDropped();
  QueueCompaction(*found->second);  // what was passed over because of the drop
  std::erase_if(group_.structural, [&](const StructuralOp& op) {
    return op.sequence == sequence && op.tree == tree && op.kind == StructuralOp::Kind::kDrop;
  });
}

Status DBImpl::RefuseIfStopped(const WriteBatch& unit) {
  if (!stopped_.load(std::memory_order_acquire)) return {};
  MutexLock lock(&mutex_);
  if (stall_.state != WriteStall::State::kStop) return {};
  RetryBackgroundWork();  // may find that space or the disk is back
  if (stall_.reason == WriteStall::Reason::kDiskFull) {
    SpaceSeeker seeker;
    RETURN_IF_ERROR(WriteBatch::Iterate(unit.rep(), unit.count(), &seeker));
    if (seeker.frees_space()) return {};
  }
  if (stall_.reason == WriteStall::Reason::kBackgroundError ||
      stall_.reason == WriteStall::Reason::kDiskFull) {
    return CauseOfStop();  // OK if it has just gone, which the stall will say in a moment
  }
  return Status::Busy("writes are stopped: " + std::string(ToString(stall_.reason)));
}

Result<SequenceNumber> DBImpl::Commit(const WriteBatch& unit) {
  if (unit.empty()) return last_sequence_;
  RETURN_IF_ERROR(RefuseIfStopped(unit));
  if (unit.forks()) RETURN_IF_ERROR(PrepareForks(unit));
  constexpr size_t kMaxFrame = 15;
  const size_t size = unit.rep().size() + kMaxFrame;
  if (group_.units > 0 && group_.payload.size() + size > wal_.max_group_payload()) {
    RETURN_IF_ERROR(CloseGroup().status());
  }
  const SequenceNumber sequence = last_sequence_ + 1;
  VARVE_CHECK(sequence <= kMaxSequence);
  UnitApplier applier(this, sequence);
  if (Status applied = WriteBatch::Iterate(unit.rep(), unit.count(), &applier); !applied.ok()) {
    UndoUnit(sequence, unit.rep(), unit.count());
    return applied;
  }
  if (group_.units == 0) group_.first = sequence;
  LogWriter::FrameUnit(&group_.payload, unit.count(), unit.rep());
  ++group_.units;
  last_sequence_ = sequence;
  if (stalled_.load(std::memory_order_relaxed)) {
    pacer_.Charge(unit.rep().size(), options_.clock->MonotonicMicros());
  }
  return sequence;
}

Result<SequenceNumber> DBImpl::CloseGroup() {
  if (group_.units == 0) return visible_sequence();
  Status appended = wal_.Append(
      {.payload = group_.payload, .first_sequence = group_.first, .count = group_.units});
  if (!appended.ok()) {
    UndoGroup();
    return appended;
  }
  PublishGroup();
  return last_sequence_;
}

void DBImpl::UndoUnit(SequenceNumber sequence, std::string_view unit, uint32_t operations) {
  UnitUndoer undoer(this, sequence);
  // An error is one of decoding: applying stopped at the same place.
  const Status undone = WriteBatch::Iterate(unit, operations, &undoer);
  static_cast<void>(undone.ok());
}

void DBImpl::UndoGroup() {
  struct Unit {
    std::string_view bytes;
    uint32_t operations;
  };
  std::vector<Unit> units;
  std::string_view rest = group_.payload;
  while (!rest.empty()) {
    uint64_t size = 0;
    uint32_t operations = 0;
    // The length counts what follows the number of operations.
    const bool framed = GetVarint64(&rest, &size) && GetVarint32(&rest, &operations);
    VARVE_CHECK(framed && size <= rest.size());
    units.push_back({rest.substr(0, size), operations});
    rest.remove_prefix(size);
  }
  VARVE_CHECK(units.size() == group_.units);
  while (!units.empty()) {
    UndoUnit(last_sequence_, units.back().bytes, units.back().operations);
    units.pop_back();
    --last_sequence_;
  }
  VARVE_CHECK(group_.structural.empty());
  for (const TreeRef& tree : group_.touched) tree->touched = false;
  group_.touched.clear();
  group_.ClearPayload();
  group_.units = 0;
  VARVE_CHECK(last_sequence_ == visible_sequence());
}

bool DBImpl::WaitOutStall() {
  if (!stalled_.load(std::memory_order_acquire)) return true;
  const int64_t delay = CurrentStall().delay_micros;
  const bool helped = delay > 0 && executor_->HelpWhileWaiting();
  MutexLock lock(&mutex_);
  if (delay > 0 && !helped) changed_.WaitFor(&mutex_, delay);
  const auto settled = [this] {
    mutex_.AssertHeld();
    return stall_.state != WriteStall::State::kStop ||
           stall_.reason == WriteStall::Reason::kBackgroundError ||
           stall_.reason == WriteStall::Reason::kDiskFull;
  };
  if (!settled()) {
    ScheduleFlush();
    // What a failure of another tree's compaction left lying is taken up again in time.
    while (!settled()) {
      RetryCompaction();
      mutex_.Unlock();
      const bool ran = executor_->HelpWhileWaiting();
      mutex_.Lock();
      if (!ran && !settled()) changed_.WaitFor(&mutex_, kRetryMicros);
    }
  }
  return stall_.state != WriteStall::State::kStop;
}

Status DBImpl::WriteAlone(const WriteBatch& unit) {
  AcquireWriter();
  writer_mutex_.AssertHeld();
  Result<SequenceNumber> written = Commit(unit);
  if (written.ok()) written = CloseGroup();
  ReleaseWriter();
  return written.status();
}

Status DBImpl::Write(const WriteBatch& unit, bool sync) {
  while (true) {
    // Whether or not writes go on after the wait: an error comes from Commit, in its own words.
    const bool open = WaitOutStall();
    const Status written = WriteAlone(unit);
    if (open && written.IsBusy()) continue;  // stopped between wait and lock
    RETURN_IF_ERROR(written);
    break;
  }
  return sync ? SyncWal() : Status();
}

WriterImpl::WriterImpl(DBImpl* db) : db_(db), view_(db, ReadViewImpl::Kind::kWriter) {
  db_->writer_mutex_.AssertHeld();
  view_.MoveTo(db_->last_sequence_);
}

WriterImpl::~WriterImpl() {
  db_->writer_mutex_.AssertHeld();
  const Status closed = db_->CloseGroup().status();
  view_.Forget();
  db_->ReleaseWriter();
  if (closed.ok()) return;
  db_->Log(LogLevel::kWarning, "units were dropped with their writer: " + closed.ToString());
}

Result<SequenceNumber> WriterImpl::Commit(const WriteBatch& unit) {
  db_->writer_mutex_.AssertHeld();
  const SequenceNumber visible = db_->visible_sequence();
  Result<SequenceNumber> committed = db_->Commit(unit);
  // Trees may have come or gone, and a group may have been closed on the way.
  if (!committed.ok() || db_->visible_sequence() != visible || !db_->group_.structural.empty()) {
    view_.Forget();
  }
  view_.MoveTo(db_->last_sequence_);
  return committed;
}

Result<SequenceNumber> WriterImpl::CloseGroup() {
  db_->writer_mutex_.AssertHeld();
  Result<SequenceNumber> closed = db_->CloseGroup();
  view_.Forget();
  view_.MoveTo(db_->last_sequence_);
  return closed;
}

bool WriterImpl::HasOpenGroup() const {
  db_->writer_mutex_.AssertHeld();
  return db_->group_.units > 0;
}

std::unique_ptr<Writer> DBImpl::LockWriter() {
  AcquireWriter();
  return std::make_unique<WriterImpl>(this);
}

std::unique_ptr<Writer> DBImpl::TryLockWriter() {
  if (!TryAcquireWriter()) return nullptr;
  return std::make_unique<WriterImpl>(this);
}

}  // namespace lsm
