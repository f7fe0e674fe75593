// SPDX-License-Identifier: BSD-3-Clause
// What background work does beside drops, failures and long-lived snapshots, step by step.

#include <functional>
#include <utility>

#include "doctest/doctest.h"
#include "lsm/db/tree.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

size_t SstFiles(MemFileSystem* fs) {
  size_t count = 0;
  for (const std::string& path : fs->Files()) count += path.ends_with(".sst") ? 1 : 0;
  return count;
}

TreeId MakeTree(TestDb* db) {
  const TreeId tree = (*db)->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(tree);
  REQUIRE((*db)->Write(unit, false).ok());
  return tree;
}

Status Drop(TestDb* db, TreeId tree) {
  WriteBatch unit;
  unit.DropTree(tree);
  return (*db)->Write(unit, false);
}

// One unit through a writer, which does not wait while writes are stopped.
Status TryPut(DB* db, std::string_view key, TreeId tree = 0) {
  WriteBatch unit;
  unit.Put(tree, key, "v");
  const auto writer = db->LockWriter();
  RETURN_IF_ERROR(writer->Commit(unit).status());
  return writer->CloseGroup().status();
}

TEST_CASE("a dropped tree's files go although the tree was written last") {
  TestDb db;
  REQUIRE(db.Open().ok());
  const TreeId tree = MakeTree(&db);
  REQUIRE(db.Put("k", "v", tree).ok());
  REQUIRE(db->Flush(tree).ok());
  REQUIRE(SstFiles(db.fs()) == 1);
  REQUIRE(Drop(&db, tree).ok());
  db.RunAll();
  CHECK(SstFiles(db.fs()) == 0);
  CHECK(db->Stats().sst_files == 0);
}

TEST_CASE("a tree may be dropped and purged while it is merged") {
  Options options = SmallOptions();
  options.l0_merge_trigger = 2;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  const TreeId tree = MakeTree(&db);
  const TreeId other = MakeTree(&db);
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(db.Put("k", "v", tree).ok());
    WriteBatch unit;
    unit.Put(tree, Key(i), "v");
    REQUIRE(db->Write(unit, false).ok());
    const auto flush = [&] { return db->Flush(tree); };
    if (i == 1) {
      bool dropped = false;
      plan.SetHook([&](const FileCallInfo& info, uint64_t) {
        const bool second = db->Stats().flushes >= 2;
        if (dropped || !second || info.call != FileCall::kCreate) return Status();
        if (!info.path.ends_with(".sst")) return Status();
        dropped = true;
        WriteBatch drop;
        drop.DropTree(tree);
        const auto writer = db->LockWriter();
        if (!writer->Commit(drop).ok()) return Status::IoError("the drop failed");
        if (!writer->CloseGroup().ok()) return Status::IoError("the drop failed");
        while (db.executor()->RunOne(Executor::Lane::kFlush)) {
        }
        return Status();
      });
      REQUIRE(flush().ok());
      db.RunAll();
      REQUIRE(dropped);
    } else {
      REQUIRE(flush().ok());
    }
  }
  db.RunAll();
  db.fs()->SetInterceptor(nullptr);
  CHECK(db->Stats().l0_files_max == 0);
  CHECK(db->Stats().compactions == 1);
  CHECK(SstFiles(db.fs()) == 0);
  REQUIRE(db.Put("k", "v", other).ok());
  REQUIRE(db->Flush(other).ok());
  CHECK(db->Stats().l0_files_max == 1);
  CHECK(db.Get("k", other) == "v");
}

TEST_CASE("what only a snapshot holds of dropped trees neither slows nor stops writers") {
  Options options = SmallOptions();
  options.l0_merge_trigger = 3;
  options.l0_slowdown_trigger = 2;
  options.l0_stop_trigger = 3;
  options.write_buffer_budget = size_t{128} << 10;
  options.memtable_size = size_t{256} << 10;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  std::unique_ptr<Snapshot> snapshot;
  SUBCASE("files in L0") {
    const TreeId tree = MakeTree(&db);
    for (int i = 0; i < 2; ++i) {
      REQUIRE(db.Put("k", "v", tree).ok());
      REQUIRE(db->Flush(tree).ok());
      if (i == 0) snapshot = db->NewSnapshot();
    }
    // Before the merge that the second file calls for.
    WriteBatch drop;
    drop.DropTree(tree);
    const auto writer = db->LockWriter();
    REQUIRE(writer->Commit(drop).ok());
  }
  SUBCASE("memtables") {
    for (int i = 0; i < 40; ++i) {
      const TreeId tree = MakeTree(&db);
      if (snapshot == nullptr) snapshot = db->NewSnapshot();
      WriteBatch unit;
      unit.Put(tree, "k", std::string(6000, 'v'));
      REQUIRE(db->Write(unit, false).ok());
      REQUIRE(Drop(&db, tree).ok());
    }
  }
  db.RunAll();
  CHECK(db->CurrentStall().state == WriteStall::State::kNone);
  CHECK(db->Stats().memtable_bytes < options.write_buffer_budget / 2);
  CHECK(TryPut(db.db(), "k").ok());
  snapshot.reset();
  db.RunAll();
  CHECK(db->Stats().sst_files == 0);
  CHECK(db->CurrentStall().state == WriteStall::State::kNone);
}

TEST_CASE(
    "writes that compactions cannot keep up with are refused while these fail, and then go on") {
  Options options = SmallOptions();
  options.l0_merge_trigger = 2;
  options.l0_slowdown_trigger = 3;
  options.l0_stop_trigger = 4;
  for (const Status::Code code : {Status::Code::kIoError, Status::Code::kNoSpace}) {
    TestDb db(options);
    REQUIRE(db.Open().ok());
    FaultPlan plan;
    db.fs()->SetInterceptor(&plan);
    plan.Add({.call = FileCall::kOpenForRead,
              .suffix = ".sst",
              .count = FaultPlan::kForEver,
              .code = code});
    for (int i = 0; i < 4; ++i) {
      REQUIRE(TryPut(db.db(), "same").ok());
      REQUIRE(db->Flush(0).ok());
      db.RunAll();
    }
    REQUIRE(db->CurrentStall().state == WriteStall::State::kStop);
    CHECK(!db->BackgroundError().ok());
    const Status refused = TryPut(db.db(), "k");
    CHECK(refused.ToString() == db->BackgroundError().ToString());
    CHECK(!refused.ok());
    plan.ClearFaults();
    db.clock()->Advance(200'000);
    CHECK(!TryPut(db.db(), "k").ok());
    db.RunAll();
    CHECK(TryPut(db.db(), "k").ok());
    CHECK(db->BackgroundError().ok());
    db.fs()->SetInterceptor(nullptr);
  }
}

TEST_CASE("files of dropped trees are removed although flushes fail for want of space") {
  TestDb db;
  REQUIRE(db.Open().ok());
  const TreeId tree = MakeTree(&db);
  REQUIRE(db.Put("k", "v", tree).ok());
  REQUIRE(db->Flush(tree).ok());
  db.RunAll();
  REQUIRE(SstFiles(db.fs()) == 1);
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  for (const char* suffix : {".sst", ".wal"}) {
    plan.Add({.call = FileCall::kCreate,
              .suffix = suffix,
              .count = FaultPlan::kForEver,
              .code = Status::Code::kNoSpace});
  }
  REQUIRE(db.Put("k", "v").ok());
  CHECK(db->Flush(0).IsNoSpace());
  REQUIRE(Drop(&db, tree).ok());
  db.clock()->Advance(200'000);
  db->RequestSync();
  db.RunAll();
  CHECK(SstFiles(db.fs()) == 0);
  plan.ClearFaults();
  CHECK(db->Flush(0).ok());
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("a full disk refuses writes, but not reads and deletes, and a drop ends it") {
  Options options = SmallOptions();
  options.write_buffer_budget = size_t{64} << 10;
  options.compression = Compression::kNone;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  const TreeId tree = MakeTree(&db);
  db.fs()->SetCapacity(size_t{700} << 10);
  Status written;
  for (int i = 0; i < 4000 && written.ok(); ++i) {
    written = db.Put(Key(i), std::string(500, 'v'), i % 4 == 0 ? 0 : tree);
  }
  REQUIRE(written.IsNoSpace());
  REQUIRE(db->CurrentStall().reason == WriteStall::Reason::kDiskFull);
  CHECK(db.Get(Key(0)) == std::string(500, 'v'));
  CHECK(db.Put("k", "v").IsNoSpace());
  CHECK(db.Delete(Key(0)).ok());
  CHECK(db.Get(Key(0)) == "(absent)");
  // What a caller does that empties a tree: a new one takes its place in the directory.
  const TreeId fresh = db->NewTreeId();
  WriteBatch flush;
  flush.DropTree(tree);
  flush.CreateTree(fresh);
  flush.Put(kDirectoryTree, "place", "fresh");
  REQUIRE(db->Write(flush, false).ToString() == "OK");
  db.RunAll();
  for (int i = 0; i < 3; ++i) {
    db.clock()->Advance(200'000);
    db->RequestSync();
    db.RunAll();
  }
  CHECK(db->CurrentStall().state != WriteStall::State::kStop);
  CHECK(db->BackgroundError().ok());
  CHECK(db.Put("k", "v", fresh).ok());
  CHECK(db.Get(Key(4)) == std::string(500, 'v'));
  REQUIRE(db.Reopen().ok());
  CHECK(db.Get("k", fresh) == "v");
  CHECK(db.Get(Key(0)) == "(absent)");
}

TEST_CASE("a compaction of an empty tree does not leave that of another one undone") {
  // Both at once: the second is asked for while the job of the first is about to begin.
  class Waiting : public Executor {
   public:
    explicit Waiting(ManualExecutor* executor) : executor_(executor) {}
    void Schedule(Lane lane, std::function<void()> work) override {
      executor_->Schedule(lane, std::move(work));
    }
    void ScheduleAfter(Lane lane, int64_t micros, std::function<void()> work) override {
      executor_->ScheduleAfter(lane, micros, std::move(work));
    }
    bool HelpWhileWaiting() override {
      if (hook) std::exchange(hook, nullptr)();
      return executor_->HelpWhileWaiting();
    }
    std::function<void()> hook;

   private:
    ManualExecutor* executor_;
  };
  ManualExecutor manual;
  Waiting waiting(&manual);
  MemFileSystem fs;
  Options options = SmallOptions();
  options.file_system = &fs;
  options.executor = &waiting;
  Result<std::unique_ptr<DB>> opened = DB::Open(options, db_test::kDirectory);
  REQUIRE(opened.ok());
  DB* const other = opened->get();
  WriteBatch unit;
  const TreeId a = other->NewTreeId();
  const TreeId b = other->NewTreeId();
  unit.CreateTree(a);
  unit.CreateTree(b);
  REQUIRE(other->Write(unit, false).ok());
  manual.RunAll();
  Status inner = Status::IoError("not run");
  waiting.hook = [&] { inner = other->CompactTree(b); };
  CHECK(other->CompactTree(a).ok());
  CHECK(inner.ok());
}

TEST_CASE("a sync that is asked for at the end of a rescue takes place") {
  TestDb db;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("a", "v").ok());
  db.RunAll();
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  plan.Add({.call = FileCall::kSync, .suffix = ".wal"});
  bool asked = false;
  plan.SetHook([&](const FileCallInfo& info, uint64_t) {
    if (asked || info.call != FileCall::kRemove || !info.path.ends_with(".wal")) return Status();
    asked = true;
    const Status put = TryPut(db.db(), "b");
    db->RequestSync();
    return put;
  });
  db->RequestSync();
  db.RunAll();
  REQUIRE(asked);
  CHECK(db.Get("b") == "v");
  CHECK(db->synced_through() == db->visible_sequence());
  CHECK(db->BackgroundError().ok());
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("a long-lived snapshot does not make every change of a counter a thing to keep") {
  CounterHistory history({});
  std::vector<SequenceNumber> pins = {10, 500};
  for (SequenceNumber s = 1; s <= 100'000; ++s) {
    history.Add(s, 0, 1);
    if (history.Prune(10)) history.Thin(pins, s);
  }
  CHECK(history.size() < 1000);
  CHECK(history.At(10)[0] == 10);
  CHECK(history.At(500)[0] == 500);
  CHECK(history.At(100'000)[0] == 100'000);
}

TEST_CASE("a big memtable is freed by the executor, whoever lets go of it last") {
  Options options = SmallOptions();
  options.memtable_size = size_t{4} << 20;
  options.write_buffer_budget = size_t{64} << 20;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(db.Put(db_test::Key(i), std::string(1000, 'x')).ok());
  }
  const auto view = db->NewReadView();
  REQUIRE(view->Get(kDirectoryTree, db_test::Key(1)).ok());
  REQUIRE(db->FlushAll().ok());
  db.RunAll();
  CHECK(db.executor()->Queued(Executor::Lane::kRead) == 0);
  view->Refresh();
  CHECK(db.executor()->Queued(Executor::Lane::kRead) == 1);
  db.RunAll();
  CHECK(view->Get(kDirectoryTree, db_test::Key(1))->value.has_value());
}

}  // namespace
}  // namespace lsm
