// SPDX-License-Identifier: BSD-3-Clause
// The numbered requirements of the write path and the memtables, one test each.

#include <atomic>
#include <thread>

#include "doctest/doctest.h"
#include "lsm/format/file_names.h"
#include "lsm/memtable/memtable.h"
#include "lsm/memtable/memtable_dump.h"
#include "lsm/version/manifest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

// The files of tree 0 as the manifest names them, oldest first in L0.
std::vector<FileMetadata> FilesAt(TestDb* db, int level) {
  const Result<ManifestRecovery> manifest = RecoverManifest(db->fs(), kDirectory);
  REQUIRE(manifest.ok());
  return manifest->state.trees.at(0).levels[level];
}

// Puts keys until the active memtable is frozen; returns the first and last of them.
std::pair<std::string, std::string> FillOneTable(TestDb* db, int* next) {
  const uint64_t rotations = (*db)->Stats().rotations;
  const std::string first = Key(*next);
  while ((*db)->Stats().rotations == rotations) {
    REQUIRE(db->Put(Key(*next), std::string(200, 'v')).ok());
    ++*next;
  }
  return {first, Key(*next - 1)};
}

IterateOptions Range(std::optional<Bound> lower, std::optional<Bound> upper,
                     std::string prefix = "") {
  IterateOptions options;
  options.lower = std::move(lower);
  options.upper = std::move(upper);
  options.prefix = std::move(prefix);
  return options;
}

// Sees every call, also those that change nothing.
class CallCounter : public FileInterceptor {
 public:
  FileVerdict Before(const FileCallInfo& info) override {
    if (info.call == FileCall::kOpenForRead && info.path.ends_with(".sst")) ++sst_opened;
    return FileVerdict::Proceed();
  }
  std::atomic<int> sst_opened{0};
};

TEST_CASE("write path 1: readers need no lock while a writer inserts into a memtable") {
  MemTable table;
  std::atomic<SequenceNumber> visible{0};
  std::atomic<int> disagreements{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      while (visible.load() < 2000) {
        const SequenceNumber sequence = visible.load(std::memory_order_acquire);
        if (sequence == 0) continue;
        std::string_view value;
        const TableLookup found = table.Get(Key(static_cast<int>(sequence)), sequence, &value);
        if (!found.found || value != Key(static_cast<int>(sequence))) ++disagreements;
      }
    });
  }
  for (SequenceNumber s = 1; s <= 2000; ++s) {
    const std::string key = Key(static_cast<int>(s));
    table.Add(s, RecordType::kValue, key, key);
    visible.store(s, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(disagreements == 0);
  CHECK(table.keys() == 2000);
}

TEST_CASE("write path 2: deleting an absent key, or twice, puts a tombstone and changes nothing") {
  MemTable table;
  table.Add(1, RecordType::kTombstone, "a", "");
  table.Add(2, RecordType::kTombstone, "a", "");
  table.Add(3, RecordType::kValue, "b", "");
  CHECK(table.records() == 3);
  std::string_view value;
  CHECK(table.Get("a", 9, &value).type == RecordType::kTombstone);
  CHECK(table.Get("b", 9, &value).type == RecordType::kValue);

  TestDb db;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("empty", "").ok());
  REQUIRE(db.Delete("absent").ok());
  REQUIRE(db->FlushAll().ok());
  REQUIRE(db.Delete("absent").ok());
  REQUIRE(db->FlushAll().ok());
  CHECK(FilesAt(&db, 0).back().tombstones == 1);
  CHECK(db.Get("absent") == "(absent)");
  CHECK(db.Get("empty") == "");
  CHECK(db.Scan() == TestDb::Pairs{{"empty", ""}});
}

TEST_CASE("write path 3: a memtable's size never under-counts the bytes put") {
  MemTable table;
  size_t put = 0;
  for (SequenceNumber s = 1; s <= 3000; ++s) {
    const std::string key = Key(static_cast<int>(s % 100));
    const std::string value(s % 700, 'x');
    table.Add(s, RecordType::kValue, key, value);
    if (s <= 100) put += key.size();
    put += value.size();
    REQUIRE(table.ApproximateMemoryUsage() >= put);
  }
}

TEST_CASE("write path 4: a memtable is walked in key order, newest first, while it is written") {
  MemTable table;
  table.Add(1, RecordType::kValue, "b", "1");
  table.Add(2, RecordType::kValue, "a", "2");
  table.Add(3, RecordType::kTombstone, "b", "");
  const auto it = table.NewIterator();
  std::vector<std::pair<std::string, SequenceNumber>> seen;
  SequenceNumber next = 4;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    seen.emplace_back(it->user_key(), it->sequence());
    table.Add(next++, RecordType::kValue, "A", "behind the iterator");
  }
  CHECK(it->status().ok());
  CHECK(seen == std::vector<std::pair<std::string, SequenceNumber>>{{"a", 2}, {"b", 3}, {"b", 1}});
}

TEST_CASE("write path 5: a frozen memtable's memory goes in one piece when nobody reads it") {
  TestDb db;
  REQUIRE(db.Open().ok());
  int next = 0;
  FillOneTable(&db, &next);
  CHECK(db->Stats().memtable_bytes >= SmallOptions().memtable_size);
  REQUIRE(db->FlushAll().ok());
  CHECK(db->Stats().memtable_bytes == 0);
}

TEST_CASE("write path 6: one mutable memtable, and immutable ones newest first") {
  TestDb db;
  REQUIRE(db.Open().ok());
  for (int round = 0; round < 3; ++round) {
    REQUIRE(db.Put("same", "round " + std::to_string(round)).ok());
    int next = 0;
    FillOneTable(&db, &next);
    CHECK(db->Stats().immutable_memtables == static_cast<uint64_t>(round + 1));
    CHECK(db.Get("same") == "round " + std::to_string(round));
  }
}

TEST_CASE("write path 7: 8 threads that all see a full table rotate it once") {
  MemFileSystem fs;
  Options options = SmallOptions();
  options.file_system = &fs;
  options.memtable_limit = 100;
  Result<std::unique_ptr<DB>> opened = DB::Open(options, kDirectory);
  REQUIRE(opened.ok());
  DB* db = opened->get();
  for (uint64_t round = 1; round <= 20; ++round) {
    WriteBatch unit;
    unit.Put(0, "key", "value");
    REQUIRE(db->Write(unit, false).ok());
    std::atomic<int> waiting{8};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        if (!db->Flush(0).ok()) ++failed;
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(failed == 0);
    REQUIRE(db->Stats().rotations == round);
    REQUIRE(db->Stats().flushes == round);
  }
}

TEST_CASE("write path 8: no file is touched in the background under a lock others need") {
  TestDb db;
  FaultPlan plan;
  Options* options = db.options();
  options->l0_merge_trigger = 2;
  REQUIRE(db.Open().ok());
  int calls = 0;
  plan.SetHook([&](const FileCallInfo& info, uint64_t) -> Status {
    // The write to the log by a writer is the one that happens under its own lock.
    if (info.call == FileCall::kWrite && info.path.ends_with(".wal") && info.offset > 0) return {};
    ++calls;
    CHECK(db.Get(Key(0)) == std::string(200, 'v'));
    CHECK(db->TryLockWriter() != nullptr);
    return {};
  });
  int next = 0;
  for (int round = 0; round < 4; ++round) {
    FillOneTable(&db, &next);
    db.fs()->SetInterceptor(&plan);
    REQUIRE(db->FlushAll().ok());
    db.RunAll();
    db.fs()->SetInterceptor(nullptr);
  }
  CHECK(calls > 20);
  CHECK(db->Stats().merges > 0);
}

TEST_CASE("write path 9: the first record found decides, from the newest table to the oldest") {
  TestDb db;
  db.options()->l0_merge_trigger = 100;
  db.options()->memtable_limit = 100;
  REQUIRE(db.Open().ok());
  // a lives in L1, b is deleted in L0, c is rewritten in L0, d in an immutable, e in the active.
  for (const char* key : {"a", "b", "c", "d", "e"}) REQUIRE(db.Put(key, "L1").ok());
  REQUIRE(db->CompactTree(0).ok());
  REQUIRE(FilesAt(&db, 1).size() == 1);
  REQUIRE(db.Delete("b").ok());
  REQUIRE(db.Put("c", "older L0").ok());
  REQUIRE(db->Flush(0).ok());
  REQUIRE(db.Put("c", "L0").ok());
  REQUIRE(db->Flush(0).ok());
  REQUIRE(db.Put("d", "immutable").ok());
  int next = 0;
  FillOneTable(&db, &next);
  REQUIRE(db->Stats().immutable_memtables == 1);
  REQUIRE(db.Put("e", "active").ok());
  CHECK(db.Get("a") == "L1");
  CHECK(db.Get("b") == "(absent)");
  CHECK(db.Get("c") == "L0");
  CHECK(db.Get("d") == "immutable");
  CHECK(db.Get("e") == "active");
  const TestDb::Pairs scan = db.Scan(Range(std::nullopt, Bound{"k", false}));
  CHECK(scan == TestDb::Pairs{{"a", "L1"}, {"c", "L0"}, {"d", "immutable"}, {"e", "active"}});
}

TEST_CASE("write path 10: tables out of range are neither opened nor counted") {
  TestDb db;
  db.options()->l0_merge_trigger = 100;
  REQUIRE(db.Open().ok());
  for (const char* range : {"a", "m", "z"}) {
    for (int i = 0; i < 10; ++i) REQUIRE(db.Put(range + std::to_string(i), "v").ok());
    REQUIRE(db->Flush(0).ok());
  }
  REQUIRE(db.Put("m5", "newer").ok());
  REQUIRE(db.Reopen().ok());  // no table is open
  CallCounter counter;
  db.fs()->SetInterceptor(&counter);
  {
    const auto view = db->NewReadView();
    IterateOptions options;
    options.prefix = "m";
    const auto it = view->NewIterator(0, options);
    REQUIRE(it.ok());
    CHECK((*it)->num_active_iterators() == 2);  // the old file and the one of the close
    int keys = 0;
    for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) ++keys;
    CHECK(keys == 10);
    CHECK(counter.sst_opened == 2);
    CHECK(db.Get("z3") == "v");
    CHECK(counter.sst_opened == 3);
    CHECK(db.Get("x") == "(absent)");
    CHECK(counter.sst_opened == 3);
  }
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("write path 11: a scan merges all sources and honours bounds and prefix") {
  TestDb db;
  db.options()->l0_merge_trigger = 100;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 100; ++i) REQUIRE(db.Put(Key(i), "file").ok());
  REQUIRE(db->Flush(0).ok());
  for (int i = 0; i < 100; i += 2) REQUIRE(db.Put(Key(i), "newer file").ok());
  REQUIRE(db->Flush(0).ok());
  for (int i = 0; i < 100; i += 3) REQUIRE(db.Delete(Key(i)).ok());
  REQUIRE(db.Put(Key(9), "memtable").ok());
  const auto keys = [&](const IterateOptions& options) {
    std::string found;
    for (const auto& [key, value] : db.Scan(options)) found += key.substr(7) + ",";
    return found;
  };
  CHECK(keys(Range(Bound{Key(4), true}, Bound{Key(10), true})) == "04,05,07,08,09,10,");
  CHECK(keys(Range(Bound{Key(4), false}, Bound{Key(10), false})) == "05,07,08,09,");
  CHECK(keys(Range(Bound{Key(94), true}, std::nullopt)) == "94,95,97,98,");
  CHECK(keys(Range(std::nullopt, Bound{Key(4), false})) == "01,02,");
  CHECK(keys(Range(std::nullopt, std::nullopt, "key00005")) == "50,52,53,55,56,58,59,");
  CHECK(keys(Range(std::nullopt, Bound{Key(53), true}, "key00005")) == "50,52,53,");
  CHECK(keys(Range(Bound{"z", true}, std::nullopt)) == "");

  REQUIRE(db.Reopen().ok());
  const auto view = db->NewReadView();
  const uint64_t before = db->Stats().block_cache_misses;
  const auto it = view->NewIterator(0, {});
  REQUIRE(it.ok());
  CHECK(db->Stats().block_cache_misses == before);
  (*it)->Seek(Key(50));
  CHECK(db->Stats().block_cache_misses - before <=
        static_cast<uint64_t>((*it)->num_active_iterators()));
}

TEST_CASE("write path 12: a scan that has ended stays ended, and an error stays an error") {
  TestDb db;
  db.options()->block_cache_size = 0;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 400; ++i) REQUIRE(db.Put(Key(i), std::string(30, 'v')).ok());
  REQUIRE(db->FlushAll().ok());
  const auto view = db->NewReadView();
  const auto it = view->NewIterator(0, {});
  REQUIRE(it.ok());
  (*it)->Seek("z");
  CHECK_FALSE((*it)->Valid());
  REQUIRE(db.Put("zz", "written later").ok());
  CHECK_FALSE((*it)->Valid());
  CHECK((*it)->status().ok());

  for (const std::string& path : db.fs()->Files()) {
    if (path.ends_with(".sst")) db.fs()->Damage(path, db.fs()->Contents(path).size() / 2, 0xff);
  }
  int shown = 0;
  for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) ++shown;
  CHECK(shown < 400);
  CHECK((*it)->status().IsCorruption());
  (*it)->SeekToFirst();
  CHECK_FALSE((*it)->Valid());
  CHECK((*it)->status().IsCorruption());
}

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
  CHECK(db->Stats().merges >= 1);
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
  REQUIRE(FilesAt(&db, 1).size() == 1);
  CHECK(FilesAt(&db, 1)[0].tombstones == 1);
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
  REQUIRE(FilesAt(&db, 1).size() == 1);
  CHECK(FilesAt(&db, 1)[0].tombstones == 0);
  CHECK(FilesAt(&db, 1)[0].entries == 50);
}

TEST_CASE("write path 20: forks share their files (skipped: forks are not built yet)" *
          doctest::skip()) {
  FAIL("forks are not built yet");
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

TEST_CASE(
    "write path 21: ten thousand idle trees cost kilobytes each (skipped: measured with the "
    "memory of idle trees)" *
    doctest::skip()) {
  FAIL("idle trees keep an empty memtable");
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
