// SPDX-License-Identifier: BSD-3-Clause
// One scripted life of a database - writes, flushes, merges, forks, drops, recycled log segments, a
// reopening - in which one call to the file system fails, or all from one on until the fault is
// gone. After the fault: no acknowledged unit is lost, the engine takes writes again by itself, and
// a reopening finds what was there.

#include <array>
#include <map>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/model_db.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;

Options ScriptOptions() {
  Options options = SmallOptions();
  options.memtable_size = 4096;
  options.memtable_limit = 1;
  options.wal_segment_size = 2048;
  options.wal_size_limit = 8192;
  options.l0_merge_trigger = 2;
  options.target_file_size = 4096;
  return options;
}

class Life {
 public:
  explicit Life(FileSystem* fs) {
    options_ = ScriptOptions();
    options_.file_system = fs;
    options_.clock = &clock_;
    options_.executor = &executor_;
  }

  // The script. Goes on after errors.
  void Run() {
    if (!Open()) return;
    for (int i = 0; i < 24; ++i) Step(i);
    Ignore(db_->FlushAll());
    Ignore(db_->CompactTree(kDirectoryTree));
    Drop();
    for (int i = 24; i < 36; ++i) Step(i);
    Ignore(db_->Close());
    db_.reset();
    if (!Open()) return;
    for (int i = 36; i < 44; ++i) Step(i);
    Ignore(db_->SyncWal());
  }

  // The fault is gone: whether the engine takes writes again, asked for nothing but what a server
  // asks for every second.
  bool Resumes() {
    if (db_ == nullptr && !Open()) return false;
    for (int round = 0; round < 50; ++round) {
      clock_.Advance(1'000'000);
      db_->RequestSync();
      executor_.RunAll();
      const bool settled = db_->BackgroundError().ok() &&
                           db_->CurrentStall().state == WriteStall::State::kNone &&
                           db_->synced_through() == db_->visible_sequence();
      if (Put(kDirectoryTree, Key(round), "after") && settled) return true;
    }
    return false;
  }

  // What the database holds equals what was acknowledged.
  Status Compare() { return Compare(db_.get()); }
  Status Compare(DB* db) {
    const Result<DbContent> content = ReadContent(db);
    RETURN_IF_ERROR(content.status());
    return model_.FindPrefix(*content, model_.units(), model_.units()).status();
  }
  Status Reopen() {
    if (db_ != nullptr) RETURN_IF_ERROR(db_->Close());
    db_.reset();
    return Open() ? Status() : open_error_;
  }
  const Status& open_error() const { return open_error_; }
  DB* db() { return db_.get(); }
  size_t units() const { return model_.units(); }
  uint64_t merges() const { return merges_; }

 private:
  static void Ignore(const Status& status) { static_cast<void>(status.ok()); }

  bool Open() {
    Result<std::unique_ptr<DB>> opened = DB::Open(options_, kDirectory);
    open_error_ = opened.status();
    if (opened.ok()) db_ = std::move(opened).value();
    return opened.ok();
  }

  void Step(int i) {
    if (i == 3 || i == 30) {
      const TreeId tree = db_->NewTreeId();
      WriteBatch unit;
      unit.CreateTree(tree);
      if (Write(unit)) tree_ = tree;
    }
    if (i == 33) Drop();
    if (i == 11 || i == 29 || i == 39) Fork();
    if (i == 20 || i == 31) DropFork();
    if (fork_ != kDirectoryTree) Put(fork_, Key(i % 3), "forked");
    Put(tree_, Key(i % 7), std::string(i % 11 == 5 ? 5000 : 500, 'v'));
    clock_.Advance(60'000);
    if (i % 2 == 0) executor_.RunOne();
    if (i % 5 == 0) db_->RequestSync();
    if (i % 9 == 8) Ignore(db_->Flush(tree_));
    merges_ = std::max(merges_, db_->Stats().compactions);
  }

  void Drop() {
    if (tree_ == kDirectoryTree) return;
    WriteBatch unit;
    unit.DropTree(tree_);
    if (Write(unit)) tree_ = kDirectoryTree;
  }

  void Fork() {
    const TreeId fork = db_->NewTreeId();
    WriteBatch unit;
    unit.ForkTree(fork, tree_);
    if (Write(unit)) fork_ = fork;
  }

  void DropFork() {
    if (fork_ == kDirectoryTree) return;
    WriteBatch unit;
    unit.DropTree(fork_);
    if (Write(unit)) fork_ = kDirectoryTree;
  }

  bool Put(TreeId tree, const std::string& key, const std::string& value) {
    WriteBatch unit;
    unit.Put(tree, key, value);
    unit.Delete(tree, key + "x");
    unit.AddCounter(tree, 0, 1);
    return Write(unit);
  }

  bool Write(const WriteBatch& unit) {
    const SequenceNumber before = db_->visible_sequence();
    const Status written = Commit(unit);
    CHECK(written.ok() == (db_->visible_sequence() == before + 1));
    if (written.ok()) model_.Apply(unit);
    return written.ok();
  }

  // As DB::Write, but where that would sleep.
  Status Commit(const WriteBatch& unit) {
    if (db_->CurrentStall().state != WriteStall::State::kSlowdown) return db_->Write(unit, false);
    const auto writer = db_->LockWriter();
    RETURN_IF_ERROR(writer->Commit(unit).status());
    return writer->CloseGroup().status();
  }

  ManualClock clock_;
  ManualExecutor executor_;
  Options options_;
  ModelDb model_;
  Status open_error_;
  TreeId tree_ = kDirectoryTree;
  TreeId fork_ = kDirectoryTree;
  uint64_t merges_ = 0;
  std::unique_ptr<DB> db_;
};

constexpr std::array<FaultPlan::Effect, 4> kEffects = {
    FaultPlan::Effect::kNothing, FaultPlan::Effect::kTorn, FaultPlan::Effect::kPerformed,
    FaultPlan::Effect::kMarkClean};

uint64_t CallsOfScript() {
  MemFileSystem fs;
  FaultPlan plan;
  fs.SetInterceptor(&plan);
  Life life(&fs);
  life.Run();
  REQUIRE(life.units() == 69);
  REQUIRE(life.merges() > 1);
  REQUIRE(life.Resumes());
  fs.SetInterceptor(nullptr);
  return plan.calls();
}

void LiveWith(const FaultPlan::Fault& fault) {
  MemFileSystem fs;
  FaultPlan plan;
  fs.SetInterceptor(&plan);
  plan.Add(fault);
  Life life(&fs);
  life.Run();
  plan.ClearFaults();
  {
    const auto killed = fs.AfterKill();
    Life another(killed.get());
    REQUIRE(another.Reopen().ToString() == "OK");
    REQUIRE(life.Compare(another.db()).ToString() == "OK");
  }
  if (life.db() == nullptr) {
    const bool opened = life.Reopen().ok();
    REQUIRE_MESSAGE(opened, life.open_error().ToString());
  }
  REQUIRE(life.Compare().ToString() == "OK");
  const bool resumes = life.Resumes();
  REQUIRE_MESSAGE(resumes, life.db()->BackgroundError().ToString());
  REQUIRE(life.Compare().ToString() == "OK");
  REQUIRE(life.db()->FlushAll().ToString() == "OK");
  REQUIRE(life.Reopen().ToString() == "OK");
  REQUIRE(life.Compare().ToString() == "OK");
  fs.SetInterceptor(nullptr);
}

TEST_CASE("a call that fails once loses nothing and stops nothing for long") {
  const uint64_t calls = CallsOfScript();
  REQUIRE(calls > 200);
  for (uint64_t at = 1; at <= calls; ++at) {
    for (const FaultPlan::Effect effect : kEffects) {
      CAPTURE(at);
      CAPTURE(static_cast<int>(effect));
      const auto code = at % 2 == 0 ? Status::Code::kIoError : Status::Code::kNoSpace;
      LiveWith({.first = at, .effect = effect, .code = code, .torn_at = 100});
    }
  }
}

TEST_CASE("calls that fail until the fault is gone lose nothing and stop nothing after it") {
  const uint64_t calls = CallsOfScript();
  for (uint64_t at = 1; at <= calls; ++at) {
    for (const auto code : {Status::Code::kIoError, Status::Code::kNoSpace}) {
      CAPTURE(at);
      CAPTURE(static_cast<int>(code));
      LiveWith({.first = at, .count = FaultPlan::kForEver, .code = code});
    }
  }
}

TEST_CASE("calls of one kind that fail from one on are survived") {
  const uint64_t calls = CallsOfScript();
  for (const FileCall call :
       {FileCall::kCreate, FileCall::kWrite, FileCall::kAllocate, FileCall::kSync,
        FileCall::kRemove, FileCall::kRename, FileCall::kSyncDirectory}) {
    for (const char* suffix : {"", ".wal", ".sst"}) {
      for (uint64_t at = 1; at <= calls / 4; at += 1 + at / 8) {
        CAPTURE(ToString(call));
        CAPTURE(suffix);
        CAPTURE(at);
        LiveWith({.call = call,
                  .suffix = suffix,
                  .first = at,
                  .count = FaultPlan::kForEver,
                  .code = Status::Code::kNoSpace});
      }
    }
  }
}

}  // namespace
}  // namespace lsm
