// SPDX-License-Identifier: BSD-3-Clause
// The numbered requirements of the write path and the memtables, one test each: flushing, stalls,
// durability, sharing, determinism. The others are in write_path_test.cc.

#include <malloc.h>

#include <algorithm>

#include "doctest/doctest.h"
#include "lsm/format/file_names.h"
#include "lsm/memtable/memtable.h"
#include "lsm/memtable/memtable_dump.h"
#include "tests/lsm/write_path_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::FilesAt;
using db_test::FillOneTable;
using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

TEST_CASE("write path 13: over memtable-limit the oldest immutable is flushed, tombstones too") {
  TestDb db;
  db.options()->memtable_limit = 2;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Delete("a tombstone").ok());
  int next = 0;
  const auto oldest = FillOneTable(&db, &next);
  db.RunAll();
  CHECK(db->Stats().flushes == 0);  // active and one immutable: within the limit
  FillOneTable(&db, &next);
  db.RunAll();
  CHECK(db->Stats().flushes == 1);
  CHECK(db->Stats().immutable_memtables == 1);
  const std::vector<FileMetadata> files = FilesAt(&db, 0);
  REQUIRE(files.size() == 1);
  CHECK(files[0].smallest_key == "a tombstone");
  CHECK(files[0].largest_key == oldest.second);
  CHECK(files[0].tombstones == 1);
}

TEST_CASE("write path 14: during a flush either the memtable or its file answers") {
  TestDb db;
  FaultPlan plan;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 50; ++i) REQUIRE(db.Put(Key(i), "v").ok());
  int looks = 0;
  plan.SetHook([&](const FileCallInfo&, uint64_t) -> Status {
    ++looks;
    for (int i = 0; i < 50; ++i) CHECK(db.Get(Key(i)) == "v");
    CHECK(db.Scan().size() == 50);
    return {};
  });
  const auto old_view = db->NewReadView();
  CHECK(TestDb::GetFrom(old_view.get(), Key(7)) == "v");
  db.fs()->SetInterceptor(&plan);
  REQUIRE(db->Flush(0).ok());
  db.fs()->SetInterceptor(nullptr);
  CHECK(looks > 3);
  CHECK(TestDb::GetFrom(old_view.get(), Key(8)) == "v");
  CHECK(db.Get(Key(8)) == "v");
  CHECK(FilesAt(&db, 0).size() == 1);
}

TEST_CASE("write path 15: a failed flush leaves the memtable in place and is tried again") {
  TestDb db;
  FaultPlan plan;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 50; ++i) REQUIRE(db.Put(Key(i), "v").ok());
  plan.Add({.call = FileCall::kWrite, .suffix = ".sst", .code = Status::Code::kNoSpace});
  db.fs()->SetInterceptor(&plan);
  CHECK(db->Flush(0).IsNoSpace());
  CHECK(db->Stats().immutable_memtables == 1);
  CHECK(db.Get(Key(3)) == "v");
  CHECK(db->BackgroundError().ok());  // memory is left: writes go on
  REQUIRE(db.Put(Key(50), "v").ok());
  db.clock()->Advance(200'000);
  db->RequestSync();
  db.RunAll();
  CHECK(db->Stats().immutable_memtables == 0);
  CHECK(FilesAt(&db, 0).size() == 1);
  CHECK(db.Scan().size() == 51);
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("write path 15: writers are told when memory runs out, and go on when flushes work") {
  TestDb db;
  FaultPlan plan;
  db.options()->write_buffer_budget = size_t{64} << 10;
  REQUIRE(db.Open().ok());
  plan.Add({.call = FileCall::kCreate,
            .suffix = ".sst",
            .count = FaultPlan::kForEver,
            .code = Status::Code::kNoSpace});
  db.fs()->SetInterceptor(&plan);
  Status written;
  for (int i = 0; i < 5000 && written.ok(); ++i) written = db.Put(Key(i), std::string(100, 'v'));
  CHECK(written.IsNoSpace());
  CHECK(db->CurrentStall().state == WriteStall::State::kStop);
  CHECK(db->CurrentStall().reason == WriteStall::Reason::kDiskFull);
  CHECK(db->BackgroundError().IsNoSpace());
  CHECK(db.Get(Key(1)) == std::string(100, 'v'));

  plan.ClearFaults();
  db.clock()->Advance(200'000);
  CHECK_FALSE(db.Put("refused", "").ok());  // but it makes the flush try again
  db.RunAll();
  CHECK(db->CurrentStall().state != WriteStall::State::kStop);
  CHECK(db.Put("accepted", "").ok());
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("write path 16: a clean close leaves nothing to replay; flushing nothing is harmless") {
  TestDb db;
  REQUIRE(db.Open().ok());
  REQUIRE(db->FlushAll().ok());
  REQUIRE(db->Flush(0).ok());
  CHECK(db->Stats().flushes == 0);
  for (int i = 0; i < 500; ++i) REQUIRE(db.Put(Key(i), std::string(100, 'v')).ok());
  REQUIRE(db.Reopen().ok());
  CHECK(db->Stats().replayed_units == 0);
  CHECK(db->Stats().replayed_bytes == 0);
  CHECK(db.Scan().size() == 500);
}

TEST_CASE("write path 17: too many memtables slow writers, then stop them, and it ends by itself") {
  TestDb db;
  db.options()->memtable_limit = 1;
  REQUIRE(db.Open().ok());
  int64_t delay = 0;
  bool slowed = false;
  Result<SequenceNumber> committed = SequenceNumber{0};
  for (int i = 0; committed.ok(); ++i) {
    REQUIRE(i < 10000);
    const WriteStall stall = db->CurrentStall();
    if (stall.state == WriteStall::State::kSlowdown) {
      slowed = true;
      CHECK(stall.reason == WriteStall::Reason::kMemtables);
      CHECK(stall.delay_micros >= delay);
      delay = stall.delay_micros;
    }
    const auto writer = db->LockWriter();
    WriteBatch unit;
    unit.Put(0, Key(i), std::string(300, 'v'));
    committed = writer->Commit(unit);
  }
  CHECK(slowed);
  CHECK(committed.status().IsBusy());
  CHECK(db->CurrentStall().state == WriteStall::State::kStop);
  CHECK(db->CurrentStall().reason == WriteStall::Reason::kMemtables);
  db.RunAll();
  CHECK(db->CurrentStall().state == WriteStall::State::kNone);
  CHECK(db.Put("after", "v").ok());
}

TEST_CASE("write path 17: too many L0 files stop writers until a merge has made them fewer") {
  TestDb db;
  db.options()->memtable_limit = 1;
  db.options()->l0_merge_trigger = 2;
  db.options()->l0_slowdown_trigger = 3;
  db.options()->l0_stop_trigger = 5;
  REQUIRE(db.Open().ok());
  bool slowed = false;
  for (int i = 0; db->CurrentStall().state != WriteStall::State::kStop; ++i) {
    REQUIRE(i < 10000);
    {
      const auto writer = db->LockWriter();
      WriteBatch unit;
      unit.Put(0, Key(i), std::string(300, 'v'));
      REQUIRE(writer->Commit(unit).ok());
    }
    while (db.executor()->RunOne(Executor::Lane::kFlush)) {
    }
    if (db->CurrentStall().state == WriteStall::State::kSlowdown) {
      slowed = true;
      CHECK(db->CurrentStall().reason == WriteStall::Reason::kL0Files);
    }
  }
  CHECK(slowed);
  CHECK(db->CurrentStall().reason == WriteStall::Reason::kL0Files);
  CHECK(db->Stats().l0_files_max == 5);
  db.RunAll();
  CHECK(db->CurrentStall().state == WriteStall::State::kNone);
  CHECK(db->Stats().compactions >= 1);
  CHECK(db.Put("after", "v").ok());
}

TEST_CASE("write path 18: a record is in the log before readers see it as committed") {
  TestDb db;
  FaultPlan plan;
  REQUIRE(db.Open().ok());
  int appends = 0;
  plan.SetHook([&](const FileCallInfo& info, uint64_t) -> Status {
    if (info.call != FileCall::kWrite || !info.path.ends_with(".wal")) return {};
    ++appends;
    CHECK(db.Get("key") == "(absent)");
    return {};
  });
  db.fs()->SetInterceptor(&plan);
  REQUIRE(db.Put("key", "v").ok());
  db.fs()->SetInterceptor(nullptr);
  CHECK(appends == 1);
  CHECK(db.Get("key") == "v");
  const SequenceNumber highest = db->visible_sequence();
  REQUIRE(db.Kill().ok());
  CHECK(db->Stats().replayed_units == 1);
  CHECK(db.Get("key") == "v");
  REQUIRE(db.Put("next", "v").ok());
  CHECK(db->visible_sequence() == highest + 1);
}

TEST_CASE("write path 19: a tombstone reaches the file, and goes only when nothing lies beneath") {
  TestDb db;
  db.options()->l0_merge_trigger = 100;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("key", "v").ok());
  REQUIRE(db.Put("other", "v").ok());
  REQUIRE(db->Flush(0).ok());
  const auto snapshot = db->NewSnapshot();
  REQUIRE(db.Delete("key").ok());
  REQUIRE(db->Flush(0).ok());
  REQUIRE(FilesAt(&db, 0).size() == 2);
  CHECK(FilesAt(&db, 0)[1].tombstones == 1);
  CHECK(db.Get("key") == "(absent)");
  REQUIRE(db->CompactTree(0).ok());
  // The snapshot still sees the value, so the tombstone has to hide it from everybody else.
  REQUIRE(FilesAt(&db, kMaxLevels - 1).size() == 1);
  CHECK(FilesAt(&db, kMaxLevels - 1)[0].tombstones == 1);
  CHECK(TestDb::GetFrom(db->NewReadView(*snapshot).get(), "key") == "v");
  CHECK(db.Get("key") == "(absent)");
}

TEST_CASE("write path 19: a merge of everything leaves no tombstone") {
  TestDb db;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 100; ++i) REQUIRE(db.Put(Key(i), "v").ok());
  REQUIRE(db->Flush(0).ok());
  for (int i = 0; i < 100; i += 2) REQUIRE(db.Delete(Key(i)).ok());
  REQUIRE(db->CompactTree(0).ok());
  REQUIRE(FilesAt(&db, 0).empty());
  REQUIRE(FilesAt(&db, kMaxLevels - 1).size() == 1);
  CHECK(FilesAt(&db, kMaxLevels - 1)[0].tombstones == 0);
  CHECK(FilesAt(&db, kMaxLevels - 1)[0].entries == 50);
}

TEST_CASE("write path 20: a fork shares files and memtables, and both sides go on alone") {
  TestDb db;
  REQUIRE(db.Open().ok());
  const TreeId source = db->NewTreeId();
  const TreeId fork = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(source);
  unit.Put(source, "in a file", "1");
  REQUIRE(db->Write(unit, false).ok());
  REQUIRE(db->Flush(source).ok());
  REQUIRE(db.Put("in memory", "2", source).ok());
  const DbStats before = db->Stats();
  WriteBatch forking;
  forking.ForkTree(fork, source);
  REQUIRE(db->Write(forking, false).ok());
  CHECK(db->Stats().sst_files == before.sst_files);
  CHECK(db->Stats().memtable_bytes == before.memtable_bytes);

  REQUIRE(db.Put("later", "3", source).ok());
  REQUIRE(db.Delete("in a file", fork).ok());
  for (int life = 0; life < 3; ++life) {
    CHECK(db.Scan({}, source) ==
          TestDb::Pairs{{"in a file", "1"}, {"in memory", "2"}, {"later", "3"}});
    CHECK(db.Scan({}, fork) == TestDb::Pairs{{"in memory", "2"}});
    if (life == 0) REQUIRE(db.Kill().ok());
    if (life == 1) REQUIRE(db.Reopen().ok());
  }
}

TEST_CASE("write path 21: the write budget is global, and cold trees are flushed together") {
  TestDb db;
  db.options()->memtable_size = size_t{1} << 20;
  db.options()->write_buffer_budget = size_t{2} << 20;
  REQUIRE(db.Open().ok());
  std::vector<TreeId> trees;
  for (int t = 0; t < 200; ++t) {
    WriteBatch unit;
    trees.push_back(db->NewTreeId());
    unit.CreateTree(trees.back());
    REQUIRE(db->Write(unit, false).ok());
  }
  for (int i = 0; i < 200; ++i) {
    for (const TreeId tree : trees) REQUIRE(db.Put(Key(i), std::string(100, 'v'), tree).ok());
    REQUIRE(db->Stats().memtable_bytes <= db.options()->write_buffer_budget);
  }
  CHECK(db->Stats().flushes > 0);
  CHECK(db->Stats().sst_files < 60);  // slices of many trees share a file
  for (const TreeId tree : trees) REQUIRE(db.Scan({}, tree).size() == 200);
}

TEST_CASE("write path 21: a tree that rests costs a few kilobytes of memory") {
  constexpr int kTrees = 2000;
  TestDb db;
  REQUIRE(db.Open().ok());
  const auto make = [&](int count) {
    for (int i = 0; i < count; ++i) {
      WriteBatch unit;
      const TreeId tree = db->NewTreeId();
      unit.CreateTree(tree);
      unit.Put(tree, Key(i), "v");
      REQUIRE(db->Write(unit, false).ok());
    }
    REQUIRE(db->FlushAll().ok());
    db.RunAll();
  };
  const auto in_files = [&db] {
    size_t bytes = 0;
    const auto names = db.fs()->List(kDirectory);
    for (const std::string& name : *names) {
      bytes += *db.fs()->FileSize(std::string(kDirectory) + "/" + name);
    }
    return bytes;
  };
  make(100);  // what is made once is there
  const size_t before = ::mallinfo2().uordblks;
  const size_t on_disk = in_files();
  make(kTrees);
  // Files are in memory here; what is left is the trees'. (The sanitizers' heaps tell nothing.)
  const size_t grown = ::mallinfo2().uordblks - before;
  const size_t files = in_files() - on_disk;
  MESSAGE("bytes a tree: " << (grown - std::min(grown, files)) / kTrees);
  CHECK(grown < files + size_t{kTrees} * 5 * 1024);
}

TEST_CASE("write path 22: the same contents give the same dump and the same SST bytes") {
  std::string dumps[2];
  std::string files[2];
  for (int order = 0; order < 2; ++order) {
    MemTable table;
    TestDb db;
    REQUIRE(db.Open().ok());
    WriteBatch unit;
    for (int i = 0; i < 300; ++i) {
      const int at = order == 0 ? i : 299 - i;
      if (at % 5 == 0) {
        unit.Delete(0, Key(at));
        table.Add(1, RecordType::kTombstone, Key(at), "");
      } else {
        unit.Put(0, Key(at), "value" + std::to_string(at));
        table.Add(1, RecordType::kValue, Key(at), "value" + std::to_string(at));
      }
    }
    REQUIRE(db->Write(unit, false).ok());
    REQUIRE(db->FlushAll().ok());
    const FileMetadata file = FilesAt(&db, 0).at(0);
    files[order] = db.fs()->Contents(SstFileName(kDirectory, file.file));
    REQUIRE(DumpMemTable(table, &dumps[order]).ok());
  }
  CHECK(dumps[0] == dumps[1]);
  CHECK(files[0] == files[1]);
  CHECK_FALSE(files[0].empty());
}

}  // namespace
}  // namespace lsm
