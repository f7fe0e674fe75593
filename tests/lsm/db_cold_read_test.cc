// SPDX-License-Identifier: BSD-3-Clause
// Reads in memory only, and fetching what they lack.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lsm/db.h"
#include "lsm/random.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/mem_file_system.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::TestDb;
using Reads = std::vector<std::shared_ptr<ColdRead>>;

std::string ValueOf(int i) { return "value of " + std::to_string(i) + std::string(60, '.'); }

// Caches in which hardly anything finds room.
Options TinyCaches() {
  Options options = db_test::SmallOptions();
  options.block_cache_size = 1;
  options.max_open_files = 1;
  options.l0_merge_trigger = 100;
  return options;
}

// `keys` keys in a dozen files; nothing is open.
void Fill(TestDb* db, int keys) {
  REQUIRE(db->Open().ok());
  for (int round = 0; round < 3; ++round) {
    for (int i = round; i < keys; i += 3) REQUIRE(db->Put(Key(i), ValueOf(i)).ok());
    REQUIRE((*db)->FlushAll().ok());
  }
  REQUIRE(db->Reopen().ok());
  db->RunAll();
}

// Counts reads of SST files.
class CountReads : public FileInterceptor {
 public:
  FileVerdict Before(const FileCallInfo& info) override {
    if (info.call == FileCall::kRead && info.path.ends_with(".sst")) ++reads;
    return FileVerdict::Proceed();
  }
  std::atomic<int> reads = 0;
};

// Fetches what the view lacks and keeps it. REQUIRES: something is missing
void FetchMissing(TestDb* db, ReadView* view, Reads* kept) {
  std::shared_ptr<ColdRead> missing = view->TakeMissing();
  REQUIRE(missing != nullptr);
  kept->push_back(missing);
  int told = 0;
  Status status = Status::Busy("not yet");
  (*db)->Fetch(std::move(missing), [&](const Status& ended) {
    ++told;
    status = ended;
  });
  CHECK(told == 0);
  db->RunAll();
  CHECK(told == 1);
  REQUIRE_MESSAGE(status.ok(), status.ToString());
}

constexpr size_t kLarge = size_t{3} << 20;

Options LargeValues() {
  Options options = TinyCaches();
  options.memtable_size = size_t{64} << 20;
  options.write_buffer_budget = size_t{64} << 20;
  options.wal_segment_size = size_t{64} << 20;
  options.wal_size_limit = size_t{256} << 20;
  options.compression = Compression::kNone;
  return options;
}

// Four ColdReads, each of one value of kLarge bytes. `kept` keeps the way to them in memory.
Reads LackLargeValues(TestDb* db, Reads* kept) {
  REQUIRE(db->Open().ok());
  for (int i = 0; i < 4; ++i) REQUIRE(db->Put(Key(i), std::string(kLarge, 'v')).ok());
  REQUIRE((*db)->FlushAll().ok());
  const auto view = (*db)->NewReadView();
  view->SetMemoryOnly(true);
  for (int step = 0; step < 2; ++step) {  // the file, the block of pointers
    REQUIRE(view->Get(0, Key(0)).status().IsWouldBlock());
    FetchMissing(db, view.get(), kept);
  }
  Reads reads;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(view->Get(0, Key(i)).status().IsWouldBlock());
    reads.push_back(view->TakeMissing());
  }
  return reads;
}

}  // namespace

TEST_CASE("a read in memory only never touches a file, and finds what was fetched for it") {
  TestDb db(TinyCaches());
  constexpr int kKeys = 300;
  Fill(&db, kKeys);
  CountReads count;
  db.fs()->SetInterceptor(&count);
  for (int i = -1; i <= kKeys; i += 7) {
    CAPTURE(i);
    const std::string key = i < 0 ? "absent" : Key(i);
    Reads kept;
    for (int tries = 0;; ++tries) {
      REQUIRE(tries < 8);  // three files to open, and seldom a block of the wrong one
      const auto view = db->NewReadView();
      view->SetMemoryOnly(true);
      const int before = count.reads;
      const Result<Lookup> got = view->Get(0, key);
      CHECK(count.reads == before);
      if (!got.ok()) {
        REQUIRE(got.status().IsWouldBlock());
        FetchMissing(&db, view.get(), &kept);
        CHECK(count.reads > before);
        continue;
      }
      CHECK(view->TakeMissing() == nullptr);
      const bool exists = i >= 0 && i < kKeys;
      REQUIRE(got->value.has_value() == exists);
      if (exists) CHECK(got->value->view() == ValueOf(i));
      break;
    }
  }
  CHECK(db->Stats().cold_fetches > 0);
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("what many keys lack is fetched together") {
  TestDb db(TinyCaches());
  Fill(&db, 300);
  std::vector<std::string> names;
  for (int i = 0; i < 300; i += 5) names.push_back(Key(i));
  const std::vector<std::string_view> keys(names.begin(), names.end());
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  Reads kept;
  for (int rounds = 0;; ++rounds) {
    REQUIRE(rounds < 8);
    view->NoteMissing(0, keys);
    std::shared_ptr<ColdRead> missing = view->TakeMissing();
    if (missing == nullptr) break;
    CHECK(missing->parts() > 0);
    kept.push_back(missing);
    Status status = Status::Busy("not yet");
    db->Fetch(std::move(missing), [&](const Status& ended) { status = ended; });
    db.RunAll();
    REQUIRE(status.ok());
  }
  for (int i = 0; i < 300; i += 5) CHECK(TestDb::GetFrom(view.get(), Key(i)) == ValueOf(i));
  CHECK(view->TakeMissing() == nullptr);
  // Let go of, it leaves caches that have no room for it.
  CHECK(db->Stats().block_cache_bytes > 1000);
  kept.clear();
  CHECK(db->Stats().block_cache_bytes == 0);
}

TEST_CASE("what two lack is read once") {
  TestDb db(TinyCaches());
  Fill(&db, 30);
  CountReads count;
  db.fs()->SetInterceptor(&count);
  const auto first = db->NewReadView();
  const auto second = db->NewReadView();
  for (ReadView* view : {first.get(), second.get()}) view->SetMemoryOnly(true);
  Reads kept;
  while (!first->Get(0, Key(3)).ok()) {
    CHECK(second->Get(0, Key(3)).status().IsWouldBlock());
    const int before = count.reads;
    int told = 0;
    for (ReadView* view : {first.get(), second.get()}) {
      kept.push_back(view->TakeMissing());
      REQUIRE(kept.back() != nullptr);
      db->Fetch(kept.back(), [&](const Status& status) { told += status.ok() ? 1 : 100; });
    }
    CHECK(db.executor()->Queued(Executor::Lane::kRead) == 1);
    db.RunAll();
    CHECK(told == 2);
    // A file's footer, directory, index and filter; or a block.
    const int read = count.reads - before;
    CHECK((read == 4 || read == 1));
  }
  CHECK(TestDb::GetFrom(second.get(), Key(3)) == ValueOf(3));
  CHECK(db->Stats().cold_joined > 0);
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("an iterator in memory only that is made anew comes further, in ever larger steps") {
  TestDb db(TinyCaches());
  constexpr int kKeys = 2000;
  Fill(&db, kKeys);
  TestDb::Pairs expected;
  for (int i = 0; i < kKeys; ++i) expected.emplace_back(Key(i), ValueOf(i));
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  for (const bool backward : {false, true}) {
    CAPTURE(backward);
    Reads kept;
    size_t reached = 0;
    int rounds = 0;
    while (true) {
      ++rounds;
      const auto it = view->NewIterator(0, {});
      REQUIRE(it.ok());
      TestDb::Pairs pairs;
      if (backward) {
        for ((*it)->SeekToLast(); (*it)->Valid(); (*it)->Prev()) {
          pairs.emplace_back((*it)->key(), (*it)->value());
        }
        std::reverse(pairs.begin(), pairs.end());
      } else {
        for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) {
          pairs.emplace_back((*it)->key(), (*it)->value());
        }
      }
      CHECK(pairs.size() >= reached);
      reached = pairs.size();
      if ((*it)->status().ok()) {
        CHECK(pairs == expected);
        break;
      }
      REQUIRE((*it)->status().IsWouldBlock());
      FetchMissing(&db, view.get(), &kept);
    }
    CHECK(reached == expected.size());
    if (!backward) CHECK(rounds < 120);  // for more than 400 blocks in a dozen files
  }
}

TEST_CASE("what runs ahead of a scan and cannot be read fails nobody") {
  // Of each fetch the first read works, which is of what is lacking, and no other.
  class FailAhead : public FileInterceptor {
   public:
    FileVerdict Before(const FileCallInfo& info) override {
      if (info.call != FileCall::kRead || !info.path.ends_with(".sst")) {
        return FileVerdict::Proceed();
      }
      return left-- > 0 ? FileVerdict::Proceed()
                        : FileVerdict::Fail(Status::IoError("read: as the test demands"));
    }
    int left = 0;
  } interceptor;
  TestDb db(TinyCaches());
  constexpr int kKeys = 300;
  Fill(&db, kKeys);
  REQUIRE(db->CompactTree(0).ok());
  db.RunAll();
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  Reads kept;
  int ran_ahead = 0;
  db.fs()->SetInterceptor(&interceptor);
  for (size_t reached = 0; reached < kKeys;) {
    const TestDb::Pairs pairs = TestDb::ScanOf(view.get());
    std::shared_ptr<ColdRead> missing = view->TakeMissing();
    if (missing == nullptr) {
      reached = pairs.size();
      REQUIRE(reached == kKeys);
      break;
    }
    ran_ahead += missing->parts() > 1;
    interceptor.left = missing->parts() > 1 ? 1 : 4;
    kept.push_back(missing);
    Status status = Status::Busy("not yet");
    db->Fetch(std::move(missing), [&](const Status& ended) { status = ended; });
    db.RunAll();
    REQUIRE_MESSAGE(status.ok(), status.ToString());
  }
  db.fs()->SetInterceptor(nullptr);
  CHECK(ran_ahead > 10);
}

TEST_CASE("nothing is fetched past a scan's upper bound") {
  TestDb db(TinyCaches());
  Fill(&db, 2000);
  REQUIRE(db->CompactTree(0).ok());
  db.RunAll();
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  IterateOptions options;
  options.upper = Bound{Key(50), /*inclusive=*/true};
  Reads kept;
  while (true) {
    const auto it = view->NewIterator(0, options);
    REQUIRE(it.ok());
    int found = 0;
    for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) ++found;
    if ((*it)->status().ok()) {
      CHECK(found == 51);
      break;
    }
    FetchMissing(&db, view.get(), &kept);
  }
  // Blocks of half a kilobyte hold some five keys. The file is open.
  CHECK(view->Get(0, Key(49)).ok());
  CHECK(view->Get(0, Key(62)).status().IsWouldBlock());
  CHECK(view->Get(0, Key(75)).status().IsWouldBlock());
}

TEST_CASE("what is fetched beyond a share of the cache waits its turn") {
  TestDb db(LargeValues());
  Reads kept;
  Reads large = LackLargeValues(&db, &kept);
  std::vector<size_t> told;
  for (size_t i = 0; i < large.size(); ++i) {
    db->Fetch(large[i], [&told, i](const Status& status) {
      CHECK(status.ok());
      told.push_back(i);
    });
  }
  for (size_t i = 0; i < large.size(); ++i) {
    CHECK(db.executor()->Queued(Executor::Lane::kRead) == 1);
    REQUIRE(db.executor()->RunOne(Executor::Lane::kRead));
    CHECK(told.size() == i + 1);
  }
  CHECK(told == std::vector<size_t>{0, 1, 2, 3});
  CHECK(db->Stats().block_cache_bytes > 4 * kLarge);
  large.clear();
  CHECK(db->Stats().block_cache_bytes < kLarge);
}

TEST_CASE("a block that was fetched counts as what it takes in memory before all have come") {
  Options options = LargeValues();
  options.compression = Compression::kLz4;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 4; ++i) REQUIRE(db.Put(Key(i), std::string(2 * kLarge, 'v')).ok());
  REQUIRE(db->FlushAll().ok());
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  Reads kept;
  for (int step = 0; step < 2; ++step) {  // the file, the block of pointers
    REQUIRE(view->Get(0, Key(0)).status().IsWouldBlock());
    FetchMissing(&db, view.get(), &kept);
  }
  int told = 0;
  const auto fetch = [&](int begin, int end) {
    for (int i = begin; i < end; ++i) REQUIRE(view->Get(0, Key(i)).status().IsWouldBlock());
    kept.push_back(view->TakeMissing());
    CHECK(kept.back()->parts() == static_cast<size_t>(end - begin));
    db->Fetch(kept.back(), [&](const Status& status) { told += status.ok() ? 1 : 100; });
  };
  fetch(0, 2);
  CHECK(db.executor()->Queued(Executor::Lane::kRead) == 2);
  REQUIRE(db.executor()->RunOne(Executor::Lane::kRead));
  fetch(2, 4);
  CHECK(db.executor()->Queued(Executor::Lane::kRead) == 1);
  db.RunAll();
  CHECK(told == 2);
}

TEST_CASE("a fetch that waits for its turn ends when the database closes") {
  TestDb db(LargeValues());
  Reads kept;
  Reads large = LackLargeValues(&db, &kept);
  std::vector<Status> ended;
  for (const std::shared_ptr<ColdRead>& read : large) {
    db->Fetch(read, [&](const Status& status) { ended.push_back(status); });
  }
  CHECK(ended.empty());
  CHECK(db->Close().ok());
  REQUIRE(ended.size() == large.size());
  for (const Status& status : ended) CHECK(status.IsAborted());
}

TEST_CASE("a fetch that fails says why, and one tried later works") {
  TestDb db(TinyCaches());
  Fill(&db, 30);
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  CHECK(view->Get(0, Key(1)).status().IsWouldBlock());
  FaultPlan plan;
  plan.Add({.call = FileCall::kRead, .suffix = ".sst"});
  db.fs()->SetInterceptor(&plan);
  Status status;
  db->Fetch(view->TakeMissing(), [&](const Status& ended) { status = ended; });
  db.RunAll();
  CHECK(status.IsIoError());
  db.fs()->SetInterceptor(nullptr);
  Reads kept;
  while (!view->Get(0, Key(1)).ok()) FetchMissing(&db, view.get(), &kept);
  CHECK(TestDb::GetFrom(view.get(), Key(1)) == ValueOf(1));
}

TEST_CASE("a file that became obsolete is there until what was lacking has been fetched") {
  TestDb db(TinyCaches());
  Fill(&db, 300);
  auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  CHECK(view->Get(0, Key(5)).status().IsWouldBlock());
  std::shared_ptr<ColdRead> missing = view->TakeMissing();
  view.reset();
  REQUIRE(db->CompactTree(0).ok());
  Status status = Status::Busy("not yet");
  db->Fetch(missing, [&](const Status& ended) { status = ended; });
  db.RunAll();
  CHECK_MESSAGE(status.ok(), status.ToString());
  const auto tables = [&db] {
    const std::vector<std::string> files = db.fs()->Files();
    return std::count_if(files.begin(), files.end(),
                         [](const std::string& path) { return path.ends_with(".sst"); });
  };
  const auto before = tables();
  missing.reset();
  db.RunAll();
  CHECK(tables() < before);  // at once, not with the next change
  CHECK(db.Get(Key(5)) == ValueOf(5));
}

TEST_CASE("closing ends pending fetches") {
  TestDb db(TinyCaches());
  Fill(&db, 30);
  auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  std::vector<Status> ended;
  const auto note = [&](const Status& status) { ended.push_back(status); };
  CHECK(view->Get(0, Key(1)).status().IsWouldBlock());
  db->Fetch(view->TakeMissing(), note);
  CHECK(view->Get(0, Key(1)).status().IsWouldBlock());
  std::shared_ptr<ColdRead> late = view->TakeMissing();
  view.reset();
  REQUIRE(db->Close().ok());
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].IsAborted());
  db->Fetch(std::move(late), note);
  REQUIRE(ended.size() == 2);
  CHECK(ended[1].IsAborted());
}

TEST_CASE("threads that fetch from small caches get what they ask for, whatever is rewritten") {
  MemFileSystem fs;
  Options options = TinyCaches();
  options.file_system = &fs;
  options.block_cache_size = 4000;
  options.max_open_files = 2;
  options.l0_merge_trigger = 3;
  auto opened = DB::Open(options, db_test::kDirectory);
  REQUIRE(opened.ok());
  DB* const db = opened->get();
  constexpr int kKeys = 500;
  const auto write_all = [&] {
    for (int i = 0; i < kKeys; ++i) {
      WriteBatch unit;
      unit.Put(0, Key(i), ValueOf(i));
      REQUIRE(db->Write(unit, false).ok());
    }
    REQUIRE(db->FlushAll().ok());
  };
  write_all();
  std::atomic<int> wrong = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(t + 1);
      std::mutex mutex;
      std::condition_variable changed;
      while (!stop) {
        const int i = static_cast<int>(random.Uniform(kKeys));
        Reads kept;
        while (true) {
          const auto view = db->NewReadView();
          view->SetMemoryOnly(true);
          const Result<Lookup> got = view->Get(0, Key(i));
          if (got.ok()) {
            if (!got->value || got->value->view() != ValueOf(i)) ++wrong;
            break;
          }
          if (!got.status().IsWouldBlock()) ++wrong;
          kept.push_back(view->TakeMissing());
          bool done = false;
          db->Fetch(kept.back(), [&](const Status& status) {
            if (!status.ok()) ++wrong;
            const std::lock_guard<std::mutex> lock(mutex);
            done = true;
            changed.notify_one();
          });
          std::unique_lock<std::mutex> lock(mutex);
          changed.wait(lock, [&] { return done; });
        }
      }
    });
  }
  for (int round = 0; round < 5; ++round) write_all();
  REQUIRE(db->CompactTree(0).ok());
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(db->Stats().cold_fetches > 0);
}

TEST_CASE("a large value is not uncompressed by who reads in memory only") {
  std::string pattern = (std::filesystem::temp_directory_path() / "varve-cold-").string();
  pattern += std::string(6, 'X');
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  for (const bool compressible : {false, true}) {
    CAPTURE(compressible);
    Options options = TinyCaches();
    options.memtable_size = size_t{64} << 20;
    const auto db = DB::Open(options, pattern + (compressible ? "/a" : "/b"));
    REQUIRE(db.ok());
    Random random(1);
    const auto value_of = [&](size_t size) {
      std::string value(size, 'v');
      if (!compressible)
        std::generate(value.begin(), value.end(),
                      [&] { return static_cast<char>(random.Next32()); });
      return value;
    };
    const std::string large = value_of(size_t{1} << 20);
    const std::string small = value_of(size_t{100} << 10);
    WriteBatch unit;
    unit.Put(0, "large", large);
    unit.Put(0, "small", small);
    REQUIRE((*db)->Write(unit, false).ok());
    REQUIRE((*db)->FlushAll().ok());
    const auto view = (*db)->NewReadView();
    CHECK(TestDb::GetFrom(view.get(), "small") == small);  // opens the files
    view->SetMemoryOnly(true);
    REQUIRE(view->Get(0, "large").status().IsWouldBlock());
    Reads kept;
    for (int tries = 0; !view->Get(0, "large").ok(); ++tries) {
      REQUIRE(tries < 4);
      kept.push_back(view->TakeMissing());
      REQUIRE(kept.back() != nullptr);
      std::promise<Status> done;
      (*db)->Fetch(kept.back(), [&](const Status& status) { done.set_value(status); });
      REQUIRE(done.get_future().get().ok());
    }
    CHECK(TestDb::GetFrom(view.get(), "large") == large);
  }
  std::filesystem::remove_all(pattern);
}

TEST_CASE("what the system has in its page cache is no miss") {
  std::string pattern = (std::filesystem::temp_directory_path() / "varve-cold-").string();
  pattern += std::string(6, 'X');
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  {
    Options options = TinyCaches();
    const auto db = DB::Open(options, pattern + "/db");
    REQUIRE(db.ok());
    for (int i = 0; i < 300; ++i) {
      WriteBatch unit;
      unit.Put(0, Key(i), ValueOf(i));
      REQUIRE((*db)->Write(unit, false).ok());
    }
    REQUIRE((*db)->FlushAll().ok());
    const auto view = (*db)->NewReadView();
    CHECK(TestDb::GetFrom(view.get(), Key(0)) == ValueOf(0));  // opens the file
    view->SetMemoryOnly(true);
    int found = 0;
    for (int i = 0; i < 300; ++i) {
      const Result<Lookup> got = view->Get(0, Key(i));
      if (!got.ok()) {
        // The system is free to drop a page at any time.
        CHECK(got.status().IsWouldBlock());
        continue;
      }
      REQUIRE(got->value.has_value());
      CHECK(got->value->view() == ValueOf(i));
      ++found;
    }
    CHECK(found > 200);
  }
  std::filesystem::remove_all(pattern);
}

}  // namespace lsm
