// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_prefetch.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/format/checksum.h"
#include "lsm/random.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 7;
const std::string kPath = "000007.sst";

// Counts reads of files.
class CountReads : public FileInterceptor {
 public:
  FileVerdict Before(const FileCallInfo& info) override {
    if (info.call == FileCall::kRead || info.call == FileCall::kOpenForRead) ++reads_;
    return FileVerdict::Proceed();
  }
  int reads() const { return reads_; }

 private:
  std::atomic<int> reads_ = 0;
};

void Prefetch(const TableReader& table, const std::vector<std::string>& keys) {
  TablePrefetch prefetch(kMaxSequence);
  for (const std::string& key : keys) {
    for (int same = 0; same < 3; ++same) prefetch.Add(&table, key, HashKey(key));
  }
  prefetch.Run();
}

}  // namespace

TEST_CASE("a prefetch reads nothing, counts nothing and holds nothing, however many the keys") {
  MemFileSystem fs;
  SstRecords records;
  std::vector<std::string> keys;
  for (int i = 1000; i < 2000; ++i) {
    keys.push_back("key" + std::to_string(i));
    records.push_back({keys.back(), 5, RecordType::kValue, "value"});
    keys.push_back(keys.back() + "absent");
  }
  TableBuilderOptions options;
  options.block_size = 256;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{0, records}}).ok());
  BlockCache cache(1 << 20);
  const auto cached = TableReader::Open(&fs, kPath, kNumber, 0, &cache);
  const auto uncached = TableReader::Open(&fs, kPath, kNumber, 0, nullptr);
  REQUIRE(cached.ok());
  REQUIRE(uncached.ok());
  CountReads count;
  fs.SetInterceptor(&count);
  Prefetch(**cached, keys);
  Prefetch(**uncached, keys);
  CHECK(count.reads() == 0);
  CHECK(cache.usage_bytes() == 0);

  std::vector<PinnedValue> values(20);
  for (size_t i = 0; i < values.size(); ++i) {
    REQUIRE((*cached)->Get(keys[2 * i], kMaxSequence, &values[i], nullptr).ok());
  }
  const uint64_t hits = cache.hits();
  const uint64_t misses = cache.misses();
  const auto block = (*cached)->PeekBlock(0);
  REQUIRE(block != nullptr);
  const long holders = block.use_count();
  const int reads = count.reads();
  Prefetch(**cached, keys);
  Prefetch(**cached, {keys[0]});
  Prefetch(**cached, {});
  CHECK(cache.hits() == hits);
  CHECK(cache.misses() == misses);
  CHECK(count.reads() == reads);
  CHECK(block.use_count() == holders);
  fs.SetInterceptor(nullptr);
}

TEST_CASE("a view's prefetch opens no file and changes no answer, wherever the keys are") {
  MemFileSystem fs;
  Options options = db_test::SmallOptions();
  options.file_system = &fs;
  options.flush_on_close = false;
  Result<std::unique_ptr<DB>> db = DB::Open(options, db_test::kDirectory);
  REQUIRE(db.ok());
  constexpr int kKeys = 600;
  std::vector<std::string> keys;
  std::vector<std::string> expected(kKeys, "(absent)");
  for (int i = 0; i < kKeys; ++i) keys.push_back(db_test::Key(i));
  const std::vector<std::string_view> wanted(keys.begin(), keys.end());
  Random random(1);
  for (int round = 0; round < 6; ++round) {
    WriteBatch unit;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (!random.OneIn(5)) continue;
      const bool removed = random.OneIn(6);
      expected[i] = removed ? "(absent)" : std::to_string(round) + std::string(40, 'v');
      if (removed) {
        unit.Delete(0, keys[i]);
      } else {
        unit.Put(0, keys[i], expected[i]);
      }
    }
    REQUIRE((*db)->Write(unit, /*sync=*/false).ok());
    if (round < 5) REQUIRE((*db)->FlushAll().ok());  // the last round stays in the memtable
  }
  auto view = (*db)->NewReadView();
  for (int round = 0; round < 3; ++round) {
    const uint64_t hits = (*db)->Stats().block_cache_hits;
    view->Prefetch(0, wanted);
    view->Prefetch(0, {});
    view->Prefetch(99, wanted);
    CHECK((*db)->Stats().block_cache_hits == hits);
    for (size_t i = 0; i < keys.size(); ++i) {
      CHECK(db_test::TestDb::GetFrom(view.get(), keys[i]) == expected[i]);
    }
  }
  view.reset();
  REQUIRE((*db)->Close().ok());
  db->reset();
  // After a restart no file has been opened yet, and none is merged.
  options.l0_merge_trigger = 10;
  CountReads count;
  fs.SetInterceptor(&count);
  db = DB::Open(options, db_test::kDirectory);
  REQUIRE(db.ok());
  view = (*db)->NewReadView();
  const uint64_t misses = (*db)->Stats().block_cache_misses;
  const int reads = count.reads();
  view->Prefetch(0, wanted);
  CHECK(count.reads() == reads);
  CHECK((*db)->Stats().block_cache_misses == misses);
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(db_test::TestDb::GetFrom(view.get(), keys[i]) == expected[i]);
  }
  view.reset();
  REQUIRE((*db)->Close().ok());
  db->reset();
  fs.SetInterceptor(nullptr);
}

}  // namespace lsm
