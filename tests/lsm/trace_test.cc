// SPDX-License-Identifier: BSD-3-Clause
// What the engine asks of the file system, call by call, is pinned in tests/golden/traces: the
// order of writes, syncs, renames and removals is what makes it safe. Reads are not shown.

#include <functional>
#include <string>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/golden.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

class Traced {
 public:
  explicit Traced(Options options = SmallOptions()) : db_(options) {
    REQUIRE(db_.Open().ok());
    db_.RunAll();
  }
  ~Traced() { db_.fs()->SetInterceptor(nullptr); }
  TestDb& db() { return db_; }

  // One line a call, under a title.
  void Trace(const std::string& title, const std::function<void()>& work) {
    FaultPlan plan;
    db_.fs()->SetInterceptor(&plan);
    plan.StartTrace(FaultPlan::Trace::kNames);
    work();
    db_.RunAll();
    text_ += "# " + title + "\n";
    for (const std::string& line : plan.TakeTrace()) text_ += line + "\n";
    db_.fs()->SetInterceptor(nullptr);
  }
  const std::string& text() const { return text_; }

 private:
  TestDb db_;
  std::string text_;
};

void Fill(TestDb* db, int begin, int end, size_t size = 40) {
  for (int i = begin; i < end; ++i) REQUIRE(db->Put(Key(i), std::string(size, 'v')).ok());
}

TEST_CASE("trace: an open makes the manifest before the log, and CURRENT last") {
  TestDb db;
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  plan.StartTrace(FaultPlan::Trace::kNames);
  std::string text = "# an empty directory becomes a database\n";
  const auto take = [&] {
    for (const std::string& line : plan.TakeTrace()) text += line + "\n";
  };
  REQUIRE(db.Open().ok());
  db.RunAll();
  take();
  plan.StartTrace(FaultPlan::Trace::kNames);
  REQUIRE(db.Put("key", "value").ok());
  REQUIRE(db.Close().ok());
  text += "# a unit is written, and the database is closed\n";
  take();
  plan.StartTrace(FaultPlan::Trace::kNames);
  REQUIRE(db.Open().ok());
  db.RunAll();
  text += "# it is opened again\n";
  take();
  db.fs()->SetInterceptor(nullptr);
  support::CheckGoldenText("traces/open.txt", text);
}

TEST_CASE("trace: a flush syncs the log, then its files, then the manifest") {
  Options options = SmallOptions();
  options.blob_value_size = 1000;
  Traced traced(options);
  TestDb& db = traced.db();
  traced.Trace("units are written", [&] { Fill(&db, 0, 3); });
  traced.Trace("a flush", [&] { REQUIRE(db->FlushAll().ok()); });
  traced.Trace("a flush of big values", [&] {
    Fill(&db, 3, 5, 2000);
    REQUIRE(db->FlushAll().ok());
  });
  traced.Trace("a flush of three trees into one file", [&] {
    WriteBatch unit;
    const TreeId first = db->NewTreeId();
    const TreeId second = db->NewTreeId();
    unit.CreateTree(first);
    unit.CreateTree(second);
    unit.Put(first, "a", "1");
    unit.Put(second, "b", "2");
    unit.Put(0, "c", "3");
    REQUIRE(db->Write(unit, false).ok());
    REQUIRE(db->FlushAll().ok());
  });
  support::CheckGoldenText("traces/flush.txt", traced.text());
}

TEST_CASE("trace: a compaction syncs its outputs before the manifest, and inputs go after it") {
  Traced traced;
  TestDb& db = traced.db();
  traced.Trace("one file moves down, and is written anew because the whole range was asked for",
               [&] {
                 Fill(&db, 0, 50);
                 REQUIRE(db->CompactTree(0).ok());
               });
  traced.Trace("two files that overlap are merged", [&] {
    Fill(&db, 20, 70);
    REQUIRE(db->CompactTree(0).ok());
  });
  traced.Trace("everything is deleted", [&] {
    for (int i = 0; i < 70; ++i) REQUIRE(db.Delete(Key(i)).ok());
    REQUIRE(db->CompactTree(0).ok());
  });
  support::CheckGoldenText("traces/compaction.txt", traced.text());
}

TEST_CASE("trace: a fork is one append to the log; its files are shared until one side changes") {
  Traced traced;
  TestDb& db = traced.db();
  const TreeId source = db->NewTreeId();
  const TreeId fork = db->NewTreeId();
  traced.Trace("a tree with a file and a memtable", [&] {
    WriteBatch unit;
    unit.CreateTree(source);
    unit.Put(source, "in a file", "1");
    REQUIRE(db->Write(unit, false).ok());
    REQUIRE(db->Flush(source).ok());
    REQUIRE(db.Put("in memory", "2", source).ok());
  });
  traced.Trace("it is forked", [&] {
    WriteBatch unit;
    unit.ForkTree(fork, source);
    REQUIRE(db->Write(unit, false).ok());
  });
  traced.Trace("the shared memtable is flushed", [&] { REQUIRE(db->FlushAll().ok()); });
  traced.Trace("the source is dropped", [&] {
    WriteBatch unit;
    unit.DropTree(source);
    REQUIRE(db->Write(unit, false).ok());
    REQUIRE(db->SyncWal().ok());
  });
  traced.Trace("the fork is dropped, and the files go", [&] {
    WriteBatch unit;
    unit.DropTree(fork);
    REQUIRE(db->Write(unit, false).ok());
    REQUIRE(db->SyncWal().ok());
  });
  support::CheckGoldenText("traces/fork.txt", traced.text());
}

TEST_CASE("trace: a checkpoint links files, copies the log, and gets its name last") {
  Options options = SmallOptions();
  options.blob_value_size = 1000;
  Traced traced(options);
  TestDb& db = traced.db();
  Fill(&db, 0, 3);
  Fill(&db, 3, 5, 2000);
  REQUIRE(db->FlushAll().ok());
  Fill(&db, 5, 8);
  traced.Trace("a checkpoint", [&] { REQUIRE(db->Checkpoint("copy").ok()); });
  traced.Trace("it is removed", [&] { REQUIRE(RemoveDatabase(db.fs(), "copy").ok()); });
  support::CheckGoldenText("traces/checkpoint.txt", traced.text());
}

}  // namespace
}  // namespace lsm
