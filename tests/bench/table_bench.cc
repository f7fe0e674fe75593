// SPDX-License-Identifier: BSD-3-Clause
// What SST files cost, in memory: building, point reads that find their block in the cache or not,
// point reads of absent keys, walks both ways. Prints nanoseconds of CPU an operation.
//
//     table_bench [records]    default 500000, with values of 100 incompressible bytes

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "lsm/sst/table_cache.h"
#include "lsm/sst/table_reader.h"
#include "lsm/util/check.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 1;
const std::string kPath = "000001.sst";

// Counts this process's CPU time, which a busy machine stretches less than it does the clock.
class Stopwatch {
 public:
  void Report(const char* what, uint64_t operations) const {
    std::printf("%-34s %9.0f ns\n", what,
                static_cast<double>(Now() - start_) / static_cast<double>(operations));
  }

 private:
  static int64_t Now() {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
  }
  const int64_t start_ = Now();
};

std::string KeyOf(uint64_t i) {
  char key[32];
  std::snprintf(key, sizeof key, "key:%012llu", static_cast<unsigned long long>(i));
  return key;
}

SstRecords MakeRecords(uint64_t count) {
  Random random(1);
  SstRecords records;
  for (uint64_t i = 0; i < count; ++i) {
    std::string value;
    for (int word = 0; word < 13; ++word) PutFixed64(&value, random.Next64());
    value.resize(100);
    records.push_back({KeyOf(i), i + 1, RecordType::kValue, std::move(value)});
  }
  return records;
}

void Gets(const TableReader& reader, uint64_t keys, uint64_t operations, const char* suffix,
          bool expected, const char* what) {
  Random random(2);
  std::vector<std::string> wanted;
  for (int i = 0; i < 100000; ++i) wanted.push_back(KeyOf(random.Uniform(keys)) + suffix);
  PinnedValue value;
  uint64_t found = 0;
  const Stopwatch watch;
  for (uint64_t i = 0; i < operations; ++i) {
    const auto lookup = reader.Get(wanted[i % wanted.size()], kMaxSequence, &value, nullptr);
    VARVE_CHECK(lookup.ok());
    found += lookup->found;
  }
  watch.Report(what, operations);
  VARVE_CHECK(found == (expected ? operations : 0));
}

void Walks(const TableReader& reader, uint64_t keys) {
  const auto it = reader.NewIterator(true);
  uint64_t steps = 0;
  {
    const Stopwatch watch;
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++steps;
    watch.Report("next, cached", keys);
  }
  {
    const Stopwatch watch;
    for (it->SeekToLast(); it->Valid(); it->Prev()) ++steps;
    watch.Report("prev, cached", keys);
  }
  VARVE_CHECK(steps == 2 * keys);
  Random random(3);
  constexpr uint64_t kSeeks = 300000;
  const Stopwatch watch;
  for (uint64_t i = 0; i < kSeeks; ++i) it->Seek(KeyOf(random.Uniform(keys)), kMaxSequence);
  watch.Report("seek, cached (with making the key)", kSeeks);
}

void Run(const SstRecords& records, Compression compression, const char* name) {
  std::printf("-- %s, %zu records\n", name, records.size());
  const uint64_t keys = records.size();
  MemFileSystem fs;
  TableBuilderOptions options;
  options.compression = compression;
  {
    const Stopwatch watch;
    VARVE_CHECK(WriteSst(&fs, kPath, kNumber, options, {{0, records}}).ok());
    watch.Report("build, a record", keys);
  }
  BlockCache cache(size_t{1} << 30);
  const auto cached = TableReader::Open(&fs, kPath, kNumber, 0, &cache);
  VARVE_CHECK(cached.ok());
  Gets(**cached, keys, 500000, "", true, "get, filling the cache");
  Gets(**cached, keys, 1000000, "", true, "get, cached");
  Gets(**cached, keys, 3000000, "x", false, "get of absent keys (filter)");
  Walks(**cached, keys);
  const auto uncached = TableReader::Open(&fs, kPath, kNumber, 0, nullptr);
  VARVE_CHECK(uncached.ok());
  Gets(**uncached, keys, 200000, "", true, "get, block read each time");
  const Stopwatch watch;
  VARVE_CHECK(VerifySst(&fs, kPath, kNumber).ok());
  watch.Report("verify, a record", keys);
}

void RunTableCache(const SstRecords& records) {
  MemFileSystem fs;
  VARVE_CHECK(fs.CreateDirectory("db").ok());
  const SstRecords few(records.begin(), records.begin() + 10);
  for (uint64_t file = 1; file <= 100; ++file) {
    const std::string path = "db/000" + std::to_string(100 + file) + ".sst";
    VARVE_CHECK(WriteSst(&fs, path, 100 + file, {}, {{0, few}}).ok());
  }
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 1000, &blocks);
  constexpr uint64_t kFinds = 2000000;
  const Stopwatch watch;
  for (uint64_t i = 0; i < kFinds; ++i) VARVE_CHECK(tables.Find(101 + i % 100, 0).ok());
  watch.Report("table cache, find", kFinds);
}

}  // namespace
}  // namespace lsm

int main(int argc, char** argv) {
  const uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500000;
  if (count < 10) {
    std::fputs("usage: table_bench [records >= 10]\n", stderr);
    return 2;
  }
  const lsm::SstRecords records = lsm::MakeRecords(count);
  lsm::Run(records, lsm::Compression::kNone, "no compression");
  lsm::Run(records, lsm::Compression::kLz4, "LZ4");
  lsm::RunTableCache(records);
  return 0;
}
