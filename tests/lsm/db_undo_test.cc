// SPDX-License-Identifier: BSD-3-Clause
// Groups that cannot be appended: nothing of them has any effect, then or later.

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/model_db.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

FaultPlan::Fault FailingAppend(uint64_t count = 1) {
  return {.call = FileCall::kWrite, .suffix = ".wal", .count = count};
}

TEST_CASE("the units of a group that cannot be appended are gone, and the old records are back") {
  TestDb db;
  FaultPlan plan;
  REQUIRE(db.Open().ok());
  const TreeId old_tree = db->NewTreeId();
  WriteBatch before;
  before.CreateTree(old_tree);
  before.Put(0, "kept", "old");
  before.Put(0, "deleted", "old");
  before.Put(old_tree, "k", "old");
  before.AddCounter(0, 1, 5);
  REQUIRE(db->Write(before, false).ok());
  const SequenceNumber visible = db->visible_sequence();

  plan.Add(FailingAppend());
  db.fs()->SetInterceptor(&plan);
  const TreeId new_tree = db->NewTreeId();
  {
    const auto writer = db->LockWriter();
    WriteBatch first;
    first.Put(0, "kept", "new");
    first.Delete(0, "deleted");
    first.AddCounter(0, 1, 100);
    REQUIRE(writer->Commit(first).ok());
    WriteBatch second;
    second.DropTree(old_tree);
    second.CreateTree(new_tree);
    second.Put(new_tree, "k", "new");
    second.Put(0, "kept", "newer");
    second.Put(0, "added", "new");
    second.AddCounter(0, 1, 1000);
    REQUIRE(writer->Commit(second).ok());
    CHECK(TestDb::GetFrom(writer->view(), "kept") == "newer");
    CHECK(TestDb::GetFrom(writer->view(), "deleted") == "(absent)");
    CHECK(TestDb::GetFrom(writer->view(), "k", new_tree) == "new");
    CHECK_FALSE(writer->view()->Get(old_tree, "k").ok());
    CHECK(writer->view()->Counters(0).value()[1] == 1105);
    CHECK(writer->CloseGroup().status().IsIoError());
    CHECK_FALSE(writer->HasOpenGroup());
    CHECK(TestDb::GetFrom(writer->view(), "kept") == "old");
    CHECK(TestDb::GetFrom(writer->view(), "k", old_tree) == "old");
  }
  db.fs()->SetInterceptor(nullptr);
  const auto check = [&] {
    CHECK(db->visible_sequence() == visible);
    CHECK(db.Scan() == TestDb::Pairs{{"deleted", "old"}, {"kept", "old"}});
    CHECK(db->Trees() == std::vector<TreeId>{0, old_tree});
    CHECK(db.Get("k", old_tree) == "old");
    CHECK(db.Counters()[1] == 5);
  };
  check();
  REQUIRE(db.Kill().ok());
  check();
  REQUIRE(db.Put("after", "v").ok());
  REQUIRE(db.Reopen().ok());
  CHECK(db.Get("after") == "v");
}

TEST_CASE("random groups of which some cannot be appended leave exactly the others") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    TestDb db;
    FaultPlan plan;
    ModelDb model;
    db.options()->memtable_size = 4096;
    db.options()->memtable_limit = 100;
    db.options()->write_buffer_budget = size_t{64} << 20;
    db.options()->wal_segment_size = 4096;
    REQUIRE(db.Open().ok());
    for (int group = 0; group < 80; ++group) {
      std::vector<WriteBatch> units(1 + random.Uniform(5));
      std::vector<SequenceNumber> sequences;
      {
        const auto writer = db->LockWriter();
        std::vector<TreeId> trees = db->Trees();
        for (WriteBatch& unit : units) {
          if (random.OneIn(8)) {
            trees.push_back(db->NewTreeId());
            unit.CreateTree(trees.back());
          } else if (random.OneIn(8) && trees.size() > 1) {
            unit.DropTree(trees.back());
            trees.pop_back();
          }
          for (int i = 0; i < 3; ++i) {
            const TreeId tree = trees[random.Uniform(trees.size())];
            const std::string key = Key(static_cast<int>(random.Uniform(20)));
            // Now and then a unit that no segment holds whole.
            unit.Put(tree, key, std::string(random.OneIn(50) ? 9000 : random.Uniform(50), 'v'));
            if (random.OneIn(3)) unit.Delete(tree, key);
            unit.AddCounter(tree, 2, 1);
          }
          const Result<SequenceNumber> committed = writer->Commit(unit);
          REQUIRE_MESSAGE(committed.ok(), committed.status().ToString());
          sequences.push_back(*committed);
        }
        // The third write is inside a unit that is cut into several groups.
        if (random.OneIn(3))
          plan.Add({.call = FileCall::kWrite, .suffix = ".wal", .first = 1 + random.Uniform(3)});
        db.fs()->SetInterceptor(&plan);
        const SequenceNumber visible = db->visible_sequence();
        const bool closed = writer->CloseGroup().ok();
        db.fs()->SetInterceptor(nullptr);
        plan.ClearFaults();
        CHECK(db->visible_sequence() == (closed ? sequences.back() : visible));
      }
      // A unit too large for the rest of a group has closed the group before it.
      for (size_t i = 0; i < units.size(); ++i) {
        if (sequences[i] <= db->visible_sequence()) model.Apply(units[i]);
      }
      if (random.OneIn(10)) REQUIRE(db.Kill().ok());
      if (random.OneIn(5)) db.RunAll();
      const Status reads = model.CheckReads(db->NewReadView().get(), model.units());
      REQUIRE_MESSAGE(reads.ok(), reads.ToString());
    }
  }
}

TEST_CASE("a unit that cannot be applied changes nothing, and the others of its group stay") {
  TestDb db;
  REQUIRE(db.Open().ok());
  const TreeId tree = db->NewTreeId();
  {
    const auto writer = db->LockWriter();
    WriteBatch good;
    good.Put(0, "a", "1");
    good.AddCounter(0, 0, 1);
    REQUIRE(writer->Commit(good).ok());
    WriteBatch bad;
    bad.CreateTree(tree);
    bad.Put(tree, "k", "v");
    bad.Put(0, "a", "2");
    bad.AddCounter(0, 0, 10);
    bad.Put(99, "k", "v");
    CHECK(writer->Commit(bad).status().IsNotFound());
    WriteBatch again;
    again.CreateTree(0xffffff);
    CHECK(writer->Commit(again).status().IsInvalidArgument());
    CHECK(writer->Commit(WriteBatch()).ok());  // a no-op
    REQUIRE(writer->CloseGroup().ok());
  }
  CHECK(db->visible_sequence() == 1);
  CHECK(db.Scan() == TestDb::Pairs{{"a", "1"}});
  CHECK(db.Counters()[0] == 1);
  CHECK(db->Trees() == std::vector<TreeId>{0});
}

TEST_CASE("a group is closed by itself before it becomes too big") {
  TestDb db;
  db.options()->memtable_size = size_t{64} << 20;
  db.options()->write_buffer_budget = size_t{256} << 20;
  db.options()->wal_segment_size = size_t{8} << 20;
  REQUIRE(db.Open().ok());
  const auto writer = db->LockWriter();
  for (int i = 0; i < 30; ++i) {
    WriteBatch unit;
    unit.Put(0, Key(i), std::string(100'000, 'v'));
    REQUIRE(writer->Commit(unit).ok());
  }
  CHECK(db->visible_sequence() >= 20);
  CHECK(writer->HasOpenGroup());
  REQUIRE(writer->CloseGroup().ok());
  CHECK(db->visible_sequence() == 30);
}

}  // namespace
}  // namespace lsm
