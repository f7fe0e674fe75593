// SPDX-License-Identifier: BSD-3-Clause
// Threads on one database: what several writers, readers and the workers see of each other.

#include <atomic>
#include <thread>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;

Options ThreadOptions(MemFileSystem* fs) {
  Options options = SmallOptions();
  options.file_system = fs;
  options.memtable_size = size_t{8} << 10;
  options.l0_merge_trigger = 2;
  return options;
}

TEST_CASE("readers see every key at one value of each unit while tables rotate, flush and merge") {
  MemFileSystem fs;
  Result<std::unique_ptr<DB>> opened = DB::Open(ThreadOptions(&fs), kDirectory);
  REQUIRE(opened.ok());
  DB* db = opened->get();
  constexpr int kKeys = 20;
  const auto write = [db](int round) {
    WriteBatch unit;
    for (int i = 0; i < kKeys; ++i)
      unit.Put(0, Key(i), std::to_string(round) + std::string(50, 'v'));
    unit.Put(0, "filler" + std::to_string(round), std::string(1000, 'v'));  // fills the tables
    return db->Write(unit, false);
  };
  REQUIRE(write(0).ok());
  std::atomic<bool> done{false};
  std::atomic<int> disagreements{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      const auto view = db->NewReadView();
      std::vector<std::string> names;
      for (int i = 0; i < kKeys; ++i) names.push_back(Key(i));
      const std::vector<std::string_view> keys_ahead(names.begin(), names.end());
      while (!done) {
        view->Refresh();
        if (r == 1) view->Prefetch(0, keys_ahead);
        std::string first;
        for (int i = 0; i < kKeys && r != 2; ++i) {
          const Result<Lookup> found = view->Get(0, Key(i));
          if (!found.ok() || !found->value) {
            ++disagreements;
            continue;
          }
          if (i == 0) first = found->value->view();
          if (found->value->view() != first) ++disagreements;
        }
        IterateOptions of_keys;
        of_keys.prefix = "key";
        const auto it = view->NewIterator(0, of_keys);
        int keys = 0;
        for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) {
          if (keys++ == 0) first = (*it)->value();
          if ((*it)->value() != first) ++disagreements;
        }
        if (keys != kKeys || !(*it)->status().ok()) ++disagreements;
      }
    });
  }
  for (int round = 1; round < 400; ++round) REQUIRE(write(round).ok());
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(disagreements == 0);
  CHECK(db->Stats().flushes > 3);
  CHECK(db->Stats().compactions > 0);
  CHECK((*opened)->Close().ok());
}

TEST_CASE("8 writers' units are all there once, and their counters add up, also after a kill") {
  MemFileSystem fs;
  constexpr int kThreads = 8;
  constexpr int kUnits = 100;
  const auto check = [&](DB* db) {
    const auto view = db->NewReadView();
    for (int t = 0; t < kThreads; ++t) {
      for (int i = 0; i < kUnits; ++i) {
        const Result<Lookup> found = view->Get(0, Key(t * 1000 + i));
        REQUIRE(found.ok());
        REQUIRE(found->value);
      }
    }
    const Result<TreeCounters> counters = view->Counters(0);
    REQUIRE(counters.ok());
    CHECK((*counters)[0] == kThreads * kUnits);
    CHECK(view->sequence() == kThreads * kUnits);
  };
  std::unique_ptr<MemFileSystem> image;
  {
    Result<std::unique_ptr<DB>> opened = DB::Open(ThreadOptions(&fs), kDirectory);
    REQUIRE(opened.ok());
    DB* db = opened->get();
    std::atomic<int> failed{0};
    std::vector<std::thread> writers;
    for (int t = 0; t < kThreads; ++t) {
      writers.emplace_back([&, t] {
        for (int i = 0; i < kUnits; ++i) {
          WriteBatch unit;
          unit.Put(0, Key(t * 1000 + i), std::string(100, 'v'));
          unit.AddCounter(0, 0, 1);
          if (!db->Write(unit, /*sync=*/i % 10 == 0).ok()) ++failed;
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    CHECK(failed == 0);
    check(db);
    REQUIRE(db->SyncWal().ok());
    CHECK(db->synced_through() == kThreads * kUnits);
    CHECK(db->UnsyncedAgeMicros() == 0);
  }
  Result<std::unique_ptr<DB>> opened = DB::Open(ThreadOptions(&fs), kDirectory);
  REQUIRE(opened.ok());
  check(opened->get());
}

TEST_CASE("trees come and go under readers, snapshots and flushes of other threads") {
  MemFileSystem fs;
  Result<std::unique_ptr<DB>> opened = DB::Open(ThreadOptions(&fs), kDirectory);
  REQUIRE(opened.ok());
  DB* db = opened->get();
  std::atomic<bool> done{false};
  std::atomic<int> failed{0};
  std::thread reader([&] {
    while (!done) {
      const auto snapshot = db->NewSnapshot();
      const auto view = db->NewReadView(*snapshot);
      for (const TreeId tree : db->Trees()) {
        const auto it = view->NewIterator(tree, {});
        if (!it.ok()) {
          if (!it.status().IsNotFound()) ++failed;
          continue;
        }
        int keys = 0;
        for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) ++keys;
        if (tree != 0 && keys != 10) ++failed;  // a tree and its keys are one unit
      }
    }
  });
  std::thread flusher([&] {
    while (!done) {
      if (!db->FlushAll().ok()) ++failed;
    }
  });
  TreeId last = 0;
  for (int round = 0; round < 150; ++round) {
    WriteBatch unit;
    if (last != 0) unit.DropTree(last);
    last = db->NewTreeId();
    unit.CreateTree(last);
    for (int i = 0; i < 10; ++i) unit.Put(last, Key(i), std::string(300, 'v'));
    REQUIRE(db->Write(unit, false).ok());
  }
  done = true;
  reader.join();
  flusher.join();
  CHECK(failed == 0);
  CHECK(db->Trees() == std::vector<TreeId>{0, last});
  REQUIRE(db->Close().ok());
  opened->reset();
  // Nothing of the dropped trees is left on disk.
  size_t files = 0;
  for (const std::string& path : fs.Files()) files += path.ends_with(".sst") ? 1 : 0;
  CHECK(files <= 1);
}

TEST_CASE("a database that ends with a big memtable frees it before its threads go") {
  MemFileSystem fs;
  Options options = ThreadOptions(&fs);
  options.memtable_size = size_t{16} << 20;
  options.write_buffer_budget = size_t{64} << 20;
  options.wal_segment_size = size_t{4} << 20;
  options.wal_size_limit = size_t{64} << 20;
  options.flush_on_close = false;
  {
    Result<std::unique_ptr<DB>> db = DB::Open(options, kDirectory);
    REQUIRE(db.ok());
    for (int i = 0; i < 3000; ++i) {
      WriteBatch unit;
      unit.Put(0, Key(i), std::string(1000, 'v'));
      REQUIRE((*db)->Write(unit, false).ok());
    }
    REQUIRE((*db)->SyncWal().ok());
  }
  FaultPlan plan;
  plan.Add({.call = FileCall::kSync, .count = FaultPlan::kForEver});
  fs.SetInterceptor(&plan);
  CHECK(!DB::Open(options, kDirectory).ok());  // behind the replay
  fs.SetInterceptor(nullptr);
  Result<std::unique_ptr<DB>> again = DB::Open(options, kDirectory);
  REQUIRE(again.ok());
  CHECK((*again)->NewReadView()->Get(0, Key(2999))->value.has_value());
}

}  // namespace
}  // namespace lsm
