// SPDX-License-Identifier: BSD-3-Clause
// The numbered requirements of the write path and the memtables, one test each: memtables,
// freezing, reading. The rest is in write_path_flush_test.cc.

#include <atomic>
#include <functional>
#include <thread>

#include "doctest/doctest.h"
#include "lsm/memtable/memtable.h"
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

namespace {

// Runs `work` in 8 threads that begin together.
void InEightThreads(const std::function<void()>& work) {
  std::atomic<int> waiting{8};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      work();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("write path 7: 8 threads that all see a full table rotate it once") {
  MemFileSystem fs;
  Options options = SmallOptions();
  options.file_system = &fs;
  options.memtable_limit = 100;
  options.write_buffer_budget = size_t{64} << 20;
  Result<std::unique_ptr<DB>> opened = DB::Open(options, kDirectory);
  REQUIRE(opened.ok());
  DB* db = opened->get();
  // What 8 threads write together is far less than a table: whichever of them fills the table, no
  // second one may rotate behind it.
  std::atomic<int> failed{0};
  std::atomic<int> next{0};
  uint64_t rotations = 0;
  for (int round = 0; round < 150; ++round) {
    InEightThreads([&] {
      WriteBatch unit;
      unit.Put(0, "key" + std::to_string(next++), std::string(100, 'v'));
      if (!db->Write(unit, false).ok()) ++failed;
    });
    REQUIRE(failed == 0);
    const uint64_t now = db->Stats().rotations;
    REQUIRE(now - rotations <= 1);
    rotations = now;
  }
  CHECK(rotations >= 3);
}

TEST_CASE("write path 7: 8 threads that all flush a table rotate it once, and never an empty one") {
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
    std::atomic<int> failed{0};
    InEightThreads([&] {
      if (!db->Flush(0).ok()) ++failed;
    });
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
  CHECK(db->Stats().compactions > 0);
}

TEST_CASE("write path 9: the first record found decides, from the newest table to the oldest") {
  TestDb db;
  db.options()->l0_merge_trigger = 100;
  db.options()->memtable_limit = 100;
  REQUIRE(db.Open().ok());
  // a lives in L1, b is deleted in L0, c is rewritten in L0, d in an immutable, e in the active.
  for (const char* key : {"a", "b", "c", "d", "e"}) REQUIRE(db.Put(key, "L1").ok());
  REQUIRE(db->CompactTree(0).ok());
  REQUIRE(FilesAt(&db, kMaxLevels - 1).size() == 1);
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

}  // namespace
}  // namespace lsm
