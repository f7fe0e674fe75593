// SPDX-License-Identifier: BSD-3-Clause
// Forks of trees, step by step: what they hold, what becomes of shared memtables and files, and
// what is found after a crash at each stage.

#include <functional>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/model_db.h"

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

// A database with one tree, and the model of what it must hold.
class Forest {
 public:
  explicit Forest(Options options = SmallOptions()) : db(options) {
    REQUIRE(db.Open().ok());
    tree = db->NewTreeId();
    WriteBatch unit;
    unit.CreateTree(tree);
    Write(unit);
  }

  void Write(const WriteBatch& unit) {
    const Status written = db->Write(unit, false);
    REQUIRE_MESSAGE(written.ok(), written.ToString());
    model_.Apply(unit);
  }
  void Put(TreeId to, const std::string& key, const std::string& value) {
    WriteBatch unit;
    unit.Put(to, key, value);
    unit.AddCounter(to, 0, 1);
    Write(unit);
  }
  TreeId Fork(TreeId source) {
    const TreeId fork = db->NewTreeId();
    WriteBatch unit;
    unit.ForkTree(fork, source);
    Write(unit);
    return fork;
  }
  void Drop(TreeId which) {
    WriteBatch unit;
    unit.DropTree(which);
    Write(unit);
  }
  // Everything, read every way.
  void Check() {
    const Result<DbContent> content = ReadContent(db.db());
    REQUIRE_MESSAGE(content.ok(), content.status().ToString());
    CHECK(Difference(model_.content(), *content) == "");
    const auto view = db->NewReadView();
    CHECK(model_.CheckReads(view.get(), model_.units()).ToString() == "OK");
  }
  // The same now, after a kill, and after a clean end.
  void CheckAll() {
    Check();
    REQUIRE(db.Kill().ToString() == "OK");
    Check();
    REQUIRE(db.Reopen().ToString() == "OK");
    Check();
  }
  DbContent Content() const { return model_.content(); }

  TestDb db;
  TreeId tree = 0;

 private:
  ModelDb model_;
};

TEST_CASE("a fork holds what its source held, and each then goes its own way") {
  Forest forest;
  forest.Put(forest.tree, "file", "old");
  REQUIRE(forest.db->Flush(forest.tree).ok());
  forest.Put(forest.tree, "memory", "old");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Check();
  forest.Put(forest.tree, "memory", "of the source");
  forest.Put(fork, "memory", "of the fork");
  forest.Put(fork, "file", "of the fork");
  const TreeId second = forest.Fork(fork);
  forest.Put(second, "memory", "of the second");
  CHECK(forest.db.Get("memory", forest.tree) == "of the source");
  CHECK(forest.db.Get("memory", fork) == "of the fork");
  CHECK(forest.db.Get("file", second) == "of the fork");
  forest.CheckAll();
}

TEST_CASE("a snapshot older than a fork does not see it") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const auto snapshot = forest.db->NewSnapshot();
  const TreeId fork = forest.Fork(forest.tree);
  const auto before = forest.db->NewReadView(*snapshot);
  CHECK(before->Get(fork, "k").status().IsNotFound());
  CHECK(before->Get(forest.tree, "k").ok());
  CHECK(forest.db.Get("k", fork) == "v");
}

TEST_CASE("a unit that forks and does more to the same trees is refused, and changes nothing") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const TreeId fork = forest.db->NewTreeId();
  const TreeId other = forest.db->NewTreeId();
  std::vector<WriteBatch> units(8);
  for (WriteBatch& unit : units) unit.Put(kDirectoryTree, "a", "b");
  units[0].Put(forest.tree, "k", "new");
  units[1].Put(fork, "k", "new");
  units[2].AddCounter(forest.tree, 0, 1);
  units[3].DropTree(forest.tree);
  units[4].CreateTree(fork);
  units[5].ForkTree(other, fork);
  units[6].ForkTree(fork, forest.tree);
  units[7].ForkTree(other, 1000);
  for (WriteBatch& unit : units) {
    unit.ForkTree(fork, forest.tree);
    const Status written = forest.db->Write(unit, false);
    CHECK((written.IsInvalidArgument() || written.IsNotFound()));
    CHECK(forest.db.Get("a") == "(absent)");
    forest.Check();
  }
  WriteBatch good;
  good.Put(kDirectoryTree, "a", "b");
  good.ForkTree(fork, forest.tree);
  good.ForkTree(other, forest.tree);
  forest.Write(good);
  forest.CheckAll();
}

TEST_CASE("a fork whose group cannot be appended is gone, and its source is whole") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const TreeId fork = forest.db->NewTreeId();
  FaultPlan plan;
  plan.Add({.call = FileCall::kWrite, .suffix = ".wal"});
  WriteBatch unit;
  unit.ForkTree(fork, forest.tree);
  {
    const auto writer = forest.db->LockWriter();
    REQUIRE(writer->Commit(unit).ok());
    CHECK(TestDb::GetFrom(writer->view(), "k", fork) == "v");
    WriteBatch more;
    more.Put(fork, "k", "new");
    more.Put(forest.tree, "k", "newer");
    REQUIRE(writer->Commit(more).ok());
    forest.db.fs()->SetInterceptor(&plan);
    CHECK(writer->CloseGroup().status().IsIoError());
    CHECK_FALSE(writer->view()->Get(fork, "k").ok());
  }
  forest.db.fs()->SetInterceptor(nullptr);
  forest.Check();
  const uint64_t bytes = forest.db->Stats().memtable_bytes;
  forest.Write(unit);  // the id was not used
  CHECK(forest.db->Stats().memtable_bytes == bytes);
  forest.CheckAll();
}

TEST_CASE("a fork is compacted when its group is in the log, and not before") {
  Options options = SmallOptions();
  options.l0_merge_trigger = 2;
  Forest forest(options);
  for (int i = 0; i < 2; ++i) {
    forest.Put(forest.tree, "k", std::to_string(i));
    REQUIRE(forest.db->Flush(forest.tree).ok());
  }
  REQUIRE(forest.db->Stats().compactions == 0);
  REQUIRE(forest.db->Stats().l0_files_max == 2);
  const uint64_t l0_bytes = forest.db->Stats().levels[0].bytes;
  const TreeId fork = forest.db->NewTreeId();
  WriteBatch unit;
  unit.ForkTree(fork, forest.tree);
  {
    const auto writer = forest.db->LockWriter();
    REQUIRE(writer->Commit(unit).ok());
    forest.db.RunAll();
    CHECK(forest.db->Stats().compaction_bytes_read == l0_bytes);  // the source's
    REQUIRE(writer->CloseGroup().ok());
  }
  forest.db.RunAll();
  CHECK(forest.db->Stats().compaction_bytes_read == 2 * l0_bytes);
  CHECK(forest.db.Get("k", fork) == "1");
  CHECK(forest.db->Stats().l0_files_max == 0);
}

TEST_CASE("a shared memtable counts once, and one flush serves all who share it") {
  Forest forest;
  forest.Put(forest.tree, "k", std::string(5000, 'v'));
  const uint64_t bytes = forest.db->Stats().memtable_bytes;
  const TreeId fork = forest.Fork(forest.tree);
  const TreeId second = forest.Fork(fork);
  CHECK(forest.db->Stats().memtable_bytes == bytes);
  CHECK(forest.db->Stats().immutable_memtables == 1);
  REQUIRE(forest.db->Flush(second).ok());
  CHECK(forest.db->Stats().memtable_bytes == 0);
  CHECK(forest.db->Stats().immutable_memtables == 0);
  CHECK(forest.db->Stats().flushes == 1);
  CHECK(SstFiles(forest.db.fs()) == 1);
  forest.CheckAll();
  forest.Drop(forest.tree);
  forest.Drop(fork);
  forest.db.RunAll();
  CHECK(SstFiles(forest.db.fs()) == 1);
  forest.CheckAll();
  forest.Drop(second);
  forest.db.RunAll();
  CHECK(SstFiles(forest.db.fs()) == 0);
}

TEST_CASE("the bytes of a shared memtable are given back when its last owner is dropped") {
  Forest forest;
  forest.Put(forest.tree, "k", std::string(5000, 'v'));
  const TreeId fork = forest.Fork(forest.tree);
  const auto snapshot = forest.db->NewSnapshot();  // keeps the trees, but they count for nothing
  forest.Drop(forest.tree);
  CHECK(forest.db->Stats().memtable_bytes > 0);
  forest.Drop(fork);
  CHECK(forest.db->Stats().memtable_bytes == 0);
  forest.db.RunAll();
  CHECK(forest.db->Stats().immutable_memtables == 0);
}

TEST_CASE("younger records of a source are not in files before its fork is recorded") {
  Forest forest;
  forest.Put(forest.tree, "k", "old");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Put(forest.tree, "k", "young");
  forest.Put(forest.tree, "only here", "v");
  forest.Put(fork, "only in the fork", "v");
  SUBCASE("of the source") { REQUIRE(forest.db->Flush(forest.tree).ok()); }
  SUBCASE("of the fork") { REQUIRE(forest.db->Flush(fork).ok()); }
  SUBCASE("of another tree") {
    forest.Put(kDirectoryTree, "k", "v");
    REQUIRE(forest.db->Flush(kDirectoryTree).ok());
    CHECK(forest.db->Stats().immutable_memtables == 0);
  }
  forest.CheckAll();
}

TEST_CASE("tables that differ in their owners are flushed to files of their own") {
  Options options = SmallOptions();
  options.memtable_limit = 10;
  options.memtable_size = size_t{1} << 20;
  Forest forest(options);
  std::vector<TreeId> forks;
  for (int i = 0; i < 4; ++i) {
    forest.Put(forest.tree, Key(i), "v");
    forks.push_back(forest.Fork(forest.tree));
    forest.Put(forks.back(), "own", "v");
  }
  CHECK(forest.db->Stats().immutable_memtables == 4);
  REQUIRE(forest.db->FlushAll().ok());
  CHECK(forest.db->Stats().flushes == 1);
  CHECK(forest.db->Stats().immutable_memtables == 0);
  forest.CheckAll();
}

TEST_CASE("a fork that is dropped before it was recorded leaves nothing") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Put(fork, "k", "new");
  forest.Drop(fork);
  forest.db.RunAll();
  CHECK(forest.db->Stats().flushes == 0);
  CHECK(forest.db->Trees() == std::vector<TreeId>{kDirectoryTree, forest.tree});
  forest.CheckAll();
}

TEST_CASE("a fork outlives its source, whose drop is recorded at once") {
  Forest forest;
  forest.Put(forest.tree, "file", "v");
  REQUIRE(forest.db->Flush(forest.tree).ok());
  forest.Put(forest.tree, "memory", "v");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Put(forest.tree, "young", "v");
  const TreeId second = forest.Fork(fork);
  forest.Drop(forest.tree);
  SUBCASE("a crash before anything is recorded") {}
  SUBCASE("the drop makes the fork recorded") {
    forest.db.RunAll();
    CHECK(forest.db->Stats().immutable_memtables == 0);
  }
  SUBCASE("the fork goes as well") { forest.Drop(fork); }
  forest.CheckAll();
  forest.db.RunAll();
  CHECK(forest.db.Get("memory", second) == "v");
}

TEST_CASE("files of a pending fork are its own from the beginning") {
  Options options = SmallOptions();
  options.l0_merge_trigger = 2;
  Forest forest(options);
  for (int i = 0; i < 3; ++i) {
    forest.Put(forest.tree, Key(i), "v");
    REQUIRE(forest.db->Flush(forest.tree).ok());
  }
  forest.Put(forest.tree, "memory", "v");
  const TreeId fork = forest.Fork(forest.tree);
  SUBCASE("the source is compacted") { REQUIRE(forest.db->CompactTree(forest.tree).ok()); }
  SUBCASE("the fork is compacted") { REQUIRE(forest.db->CompactTree(fork).ok()); }
  SUBCASE("both are, without a flush") { forest.db.RunAll(); }
  forest.CheckAll();
  REQUIRE(forest.db->CompactTree(forest.tree).ok());
  REQUIRE(forest.db->CompactTree(fork).ok());
  forest.CheckAll();
}

TEST_CASE("a fork that comes while its source is flushed gets the file too") {
  for (const FileCall call : {FileCall::kCreate, FileCall::kSync, FileCall::kWrite}) {
    for (const char* kind : {".sst", "MANIFEST"}) {
      CAPTURE(ToString(call));
      CAPTURE(kind);
      Forest forest;
      forest.Put(forest.tree, "k", "v");
      forest.db.RunAll();
      FaultPlan plan;
      bool done = false;
      plan.SetHook([&](const FileCallInfo& info, uint64_t) {
        if (done || info.call != call || info.path.find(kind) == std::string_view::npos) {
          return Status();
        }
        done = true;
        const TreeId fork = forest.Fork(forest.tree);
        forest.Put(forest.tree, "k", "young");
        forest.Put(fork, "own", "v");
        return Status();
      });
      forest.db.fs()->SetInterceptor(&plan);
      REQUIRE(forest.db->Flush(forest.tree).ok());
      forest.db.fs()->SetInterceptor(nullptr);
      CHECK((done || (call == FileCall::kCreate && kind[0] == 'M')));
      forest.CheckAll();
    }
  }
}

TEST_CASE("a fork that is dropped while what it shares is flushed is not half recorded") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Put(forest.tree, "k", "young");
  forest.db.RunAll();
  FaultPlan plan;
  bool done = false;
  plan.SetHook([&](const FileCallInfo& info, uint64_t) {
    if (done || info.call != FileCall::kCreate || !info.path.ends_with(".sst")) return Status();
    done = true;
    forest.Drop(fork);
    return Status();
  });
  forest.db.fs()->SetInterceptor(&plan);
  REQUIRE(forest.db->Flush(forest.tree).ok());
  forest.db.fs()->SetInterceptor(nullptr);
  REQUIRE(done);
  forest.CheckAll();
}

TEST_CASE("of a unit with several forks and a new tree nothing is recorded before all can be") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const TreeId fork = forest.db->NewTreeId();
  const TreeId dropped = forest.db->NewTreeId();
  const TreeId created = forest.db->NewTreeId();
  WriteBatch unit;
  unit.ForkTree(fork, forest.tree);
  unit.ForkTree(dropped, forest.tree);
  unit.CreateTree(created);
  unit.Put(created, "k", "first");
  forest.Write(unit);
  forest.db.RunAll();
  FaultPlan plan;
  bool done = false;
  plan.SetHook([&](const FileCallInfo& info, uint64_t ordinal) {
    if (!done && info.call == FileCall::kCreate && info.path.ends_with(".sst")) {
      done = true;
      forest.Drop(dropped);
    }
    const bool records = info.path.find("MANIFEST") != std::string_view::npos;
    if (done && records && info.call == FileCall::kSync) plan.CutPowerAfter(ordinal);
    return Status();
  });
  forest.db.fs()->SetInterceptor(&plan);
  static_cast<void>(forest.db->Flush(fork).ok());  // what comes behind its edit fails
  REQUIRE(plan.power_is_off());
  REQUIRE(forest.db.Kill().ToString() == "OK");
  forest.CheckAll();
}

TEST_CASE("a checkpoint taken while a fork is pending has the fork") {
  Forest forest;
  forest.Put(forest.tree, "file", "v");
  REQUIRE(forest.db->Flush(forest.tree).ok());
  forest.Put(forest.tree, "memory", "v");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Put(fork, "own", "v");
  const Result<CheckpointInfo> made = forest.db->Checkpoint("copy");
  REQUIRE_MESSAGE(made.ok(), made.status().ToString());
  const DbContent expected = forest.Content();
  forest.Put(fork, "later", "v");
  Options options = *forest.db.options();
  Result<std::unique_ptr<DB>> copy = DB::Open(options, "copy");
  REQUIRE_MESSAGE(copy.ok(), copy.status().ToString());
  const Result<DbContent> content = ReadContent(copy->get());
  REQUIRE(content.ok());
  CHECK(Difference(expected, *content) == "");
  REQUIRE((*copy)->Close().ok());
  forest.CheckAll();
}

TEST_CASE("a rescue writes what forks share, and records them") {
  Forest forest;
  forest.Put(forest.tree, "k", "v");
  const TreeId fork = forest.Fork(forest.tree);
  forest.Put(fork, "own", "v");
  forest.Put(forest.tree, "k", "young");
  forest.db.RunAll();
  FaultPlan plan;
  plan.Add({.call = FileCall::kSync, .suffix = ".wal"});
  forest.db.fs()->SetInterceptor(&plan);
  forest.db->RequestSync();
  forest.db.RunAll();
  forest.db.fs()->SetInterceptor(nullptr);
  CHECK(forest.db->synced_through() == forest.db->visible_sequence());
  CHECK(forest.db->Stats().immutable_memtables == 0);
  Random random(1);
  REQUIRE(forest.db.CutPower(&random, PowerLoss::kKeepNothing).ok());
  forest.CheckAll();
}

TEST_CASE("forks are replayed also where the replay has to flush") {
  Options options = SmallOptions();
  options.memtable_limit = 20;
  Forest forest(options);
  std::vector<TreeId> trees = {forest.tree};
  for (int i = 0; i < 200; ++i) {
    forest.Put(trees[static_cast<size_t>(i) % trees.size()], Key(i), std::string(300, 'v'));
    if (i % 40 == 20) trees.push_back(forest.Fork(trees[trees.size() / 2]));
    if (i == 150) {
      forest.Drop(trees[1]);
      trees.erase(trees.begin() + 1);
    }
  }
  forest.db.options()->write_buffer_budget = size_t{48} << 10;
  REQUIRE(forest.db.Kill().ToString() == "OK");
  forest.CheckAll();
  REQUIRE(forest.db.Kill().ToString() == "OK");
  forest.Check();
}

TEST_CASE("counters of a fork begin as its source's were, also those without records") {
  Forest forest;
  WriteBatch unit;
  unit.AddCounter(forest.tree, 2, 5);
  forest.Write(unit);
  const TreeId fork = forest.Fork(forest.tree);
  forest.Write(unit);
  CHECK(forest.db.Counters(fork)[2] == 5);
  CHECK(forest.db.Counters(forest.tree)[2] == 10);
  SUBCASE("replayed") {}
  SUBCASE("recorded") { REQUIRE(forest.db->FlushAll().ok()); }
  forest.CheckAll();
}

}  // namespace
}  // namespace lsm
