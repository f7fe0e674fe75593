// SPDX-License-Identifier: BSD-3-Clause
// Background work that fails for long: what it leaves behind stays within bounds, and the failures
// of one tree are its own.

#include <initializer_list>
#include <vector>

#include "doctest/doctest.h"
#include "lsm/listener.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

bool IsOfManifest(std::string_view path) { return path.find("MANIFEST") != std::string_view::npos; }

// A writer that does not wait while writes are stopped; whether they are does not matter.
void TryPut(TestDb* db, const std::string& key, TreeId tree = 0) {
  WriteBatch unit;
  unit.Put(tree, key, std::string(500, 'v'));
  const auto writer = (*db)->LockWriter();
  if (!writer->Commit(unit).ok()) return;
  const Status closed = writer->CloseGroup().status();
  static_cast<void>(closed.ok());
}

// What a server asks for while its disk fails.
void TryForLong(TestDb* db) {
  for (int i = 0; i < 50; ++i) {
    db->clock()->Advance(1'000'000);
    TryPut(db, Key(i));
    (*db)->RequestSync();
    db->RunAll();
  }
}

}  // namespace

TEST_CASE("a rescue that fails again and again leaves no more files than one try makes") {
  TestDb db;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 10; ++i) TryPut(&db, Key(i));
  db.RunAll();
  const size_t before = db.fs()->Files().size();
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  plan.Add({.call = FileCall::kSync, .suffix = ".wal", .count = FaultPlan::kForEver});
  SUBCASE("for want of a segment") {
    plan.Add({.call = FileCall::kCreate, .suffix = ".wal", .count = FaultPlan::kForEver});
  }
  SUBCASE("for want of a manifest") {
    plan.SetHook([](const FileCallInfo& info, uint64_t) {
      return IsOfManifest(info.path) ? Status::IoError("no manifest") : Status();
    });
  }
  TryForLong(&db);
  CHECK(!db->BackgroundError().ok());
  CHECK(db.fs()->Files().size() <= before + 3);
  plan.ClearFaults();
  plan.SetHook(nullptr);
  TryForLong(&db);
  CHECK(db->BackgroundError().ok());
  CHECK(db.Get(Key(0)) == std::string(500, 'v'));
  CHECK(db.fs()->Files().size() <= before + 3);
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("while no manifest can be written, flushes and compactions write nothing else either") {
  Options options = SmallOptions();
  options.memtable_size = size_t{4} << 10;
  options.l0_merge_trigger = 2;
  options.wal_segment_size = size_t{8} << 10;
  options.blob_value_size = 400;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 10; ++i) TryPut(&db, Key(i));
  REQUIRE(db->FlushAll().ok());
  db.RunAll();
  const size_t before = db.fs()->Files().size();
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  plan.SetHook([](const FileCallInfo& info, uint64_t) {
    return IsOfManifest(info.path) ? Status::IoError("no manifest") : Status();
  });
  TryForLong(&db);
  CHECK(!db->BackgroundError().ok());
  // A flush, a compaction and a segment that were under way, each with its blob file.
  CHECK(db.fs()->Files().size() <= before + 8);
  plan.SetHook(nullptr);
  TryForLong(&db);
  CHECK(db->BackgroundError().ok());
  REQUIRE(db->CompactTree(0).ok());
  db.RunAll();
  size_t data_files = 0;
  for (const std::string& path : db.fs()->Files()) {
    data_files += path.ends_with(".sst") || path.ends_with(".blob") ? 1 : 0;
  }
  CHECK(data_files == db->Stats().sst_files + db->Stats().blob_files);
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("a tree whose files are corrupt holds up no other, and is put off longer each time") {
  class Failures : public Listener {
   public:
    void OnBackgroundError(const Status&) override { ++count; }
    int count = 0;
  };
  Failures failures;
  Options options = SmallOptions();
  options.l0_merge_trigger = 2;
  options.listener = &failures;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  std::vector<TreeId> trees;
  for (int i = 0; i < 3; ++i) {
    trees.push_back(db->NewTreeId());
    WriteBatch unit;
    unit.CreateTree(trees.back());
    REQUIRE(db->Write(unit, false).ok());
  }
  const auto flush = [&](std::initializer_list<TreeId> which, int i) {
    for (const TreeId tree : which) REQUIRE(db.Put("same", std::to_string(i), tree).ok());
    REQUIRE(db->FlushAll().ok());
  };
  const TreeId corrupt = trees[1];
  flush({corrupt}, 0);
  for (const std::string& path : db.fs()->Files()) {
    if (path.ends_with(".sst")) db.fs()->Damage(path, 40, 0xff);
  }
  flush({trees[0], trees[2]}, 0);
  REQUIRE(db->Stats().compactions == 0);
  flush({trees[0], corrupt, trees[2]}, 1);  // all of them are due now, and small
  const auto wait = [&db](int seconds) {
    for (int i = 0; i < seconds * 10; ++i) {
      db.clock()->Advance(100'000);
      db->RequestSync();
      db.RunAll();
    }
  };
  wait(1);
  CHECK(db->Stats().compactions == 1);  // the whole ones, still in company
  CHECK(db->Stats().l0_files_max == 2);
  CHECK(failures.count >= 2);
  wait(100);
  CHECK(failures.count < 20);
  // Nothing is full, so nobody has to hear of it; the others go on.
  CHECK(db->BackgroundError().ok());
  flush({trees[0]}, 2);
  CHECK(db->CompactTree(trees[0]).ok());
  CHECK(db->CompactTree(corrupt).IsCorruption());
  CHECK(db.Get("same", trees[0]) == "2");
}

TEST_CASE("a file that is mostly dead is put off longer each time that it cannot be written anew") {
  Options options = SmallOptions();
  options.memtable_size = size_t{256} << 10;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  std::vector<TreeId> trees;
  for (int t = 0; t < 20; ++t) {
    trees.push_back(db->NewTreeId());
    WriteBatch unit;
    unit.CreateTree(trees.back());
    for (int i = 0; i < 10; ++i) unit.Put(trees.back(), Key(i), std::string(50, 'v'));
    REQUIRE(db->Write(unit, false).ok());
  }
  REQUIRE(db->FlushAll().ok());
  db.RunAll();
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  plan.Add({.call = FileCall::kCreate, .suffix = ".sst", .count = FaultPlan::kForEver});
  for (size_t t = 0; t < trees.size(); t += 2) {
    WriteBatch unit;
    unit.DropTree(trees[t]);
    REQUIRE(db->Write(unit, false).ok());
  }
  const auto wait = [&db](int seconds) {
    for (int i = 0; i < seconds * 10; ++i) {
      db.clock()->Advance(100'000);
      db->RequestSync();
      db.RunAll();
    }
  };
  wait(100);
  CHECK(plan.faults_met() >= 3);
  CHECK(plan.faults_met() < 20);
  CHECK(db->Stats().compactions == 0);
  plan.ClearFaults();
  wait(30);
  CHECK(db->Stats().compactions > 0);
  for (size_t t = 1; t < trees.size(); t += 2) CHECK(db.Scan({}, trees[t]).size() == 10);
  db.fs()->SetInterceptor(nullptr);
}

}  // namespace lsm
