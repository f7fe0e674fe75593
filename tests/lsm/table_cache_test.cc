// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_cache.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kFiles = 20;
constexpr TreeId kTrees = 3;

// Counts the files that were opened.
class CountOpens : public FileInterceptor {
 public:
  FileVerdict Before(const FileCallInfo& info) override {
    if (info.call == FileCall::kOpenForRead) ++opens_;
    return FileVerdict::Proceed();
  }
  int opens() const { return opens_; }

 private:
  std::atomic<int> opens_ = 0;
};

std::string ValueOf(uint64_t file, TreeId tree) {
  return std::to_string(file) + "/" + std::to_string(tree);
}

void MakeFiles(MemFileSystem* fs) {
  REQUIRE(fs->CreateDirectory("db").ok());
  for (uint64_t file = 1; file <= kFiles; ++file) {
    std::map<TreeId, SstRecords> trees;
    for (TreeId tree = 0; tree < kTrees; ++tree) {
      trees[tree] = {{"key", 1, RecordType::kValue, ValueOf(file, tree)}};
    }
    REQUIRE(WriteSst(fs, SstFileName("db", file), file, {}, trees).ok());
  }
}

bool Answers(const TableReader& reader, uint64_t file, TreeId tree) {
  PinnedValue value;
  const auto lookup = reader.Get("key", kMaxSequence, &value, nullptr);
  return lookup.ok() && lookup->found && value.view() == ValueOf(file, tree);
}

}  // namespace

TEST_CASE("a table cache keeps no more files open than it may, the latest used ones") {
  MemFileSystem fs;
  MakeFiles(&fs);
  CountOpens count;
  fs.SetInterceptor(&count);
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 5, &blocks);
  for (uint64_t file = 1; file <= kFiles; ++file) {
    const auto reader = tables.Find(file, 1);
    REQUIRE(reader.ok());
    CHECK(Answers(**reader, file, 1));
    CHECK(tables.open_files() == static_cast<int>(std::min<uint64_t>(file, 5)));
    REQUIRE(tables.Find(1, 1).ok());  // stays, for it is used
  }
  CHECK(count.opens() == kFiles);
  REQUIRE(tables.Find(2, 1).ok());
  CHECK(count.opens() == kFiles + 1);
}

TEST_CASE("a pointer to a value that names a file of slices is corruption, open or not") {
  MemFileSystem fs;
  MakeFiles(&fs);
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 5, &blocks);
  REQUIRE(tables.Find(1, 1).ok());
  for (const uint64_t file : {uint64_t{1}, uint64_t{2}}) {
    const BlobPointer pointer{file, {0, 20}};
    for (const bool fill_cache : {true, false}) {
      CHECK(tables.ReadBlob(pointer, fill_cache, /*cached_only=*/false).status().IsCorruption());
    }
    CHECK(tables.PinBlob(pointer).status().IsCorruption());
  }
}

TEST_CASE("the slices of a file share its handle, and each is read once") {
  MemFileSystem fs;
  MakeFiles(&fs);
  CountOpens count;
  fs.SetInterceptor(&count);
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 5, &blocks);
  for (TreeId tree = 0; tree < kTrees; ++tree) {
    const auto reader = tables.Find(1, tree);
    REQUIRE(reader.ok());
    CHECK(Answers(**reader, 1, tree));
    CHECK(tables.Find(1, tree)->get() == reader->get());
  }
  CHECK(count.opens() == 1);
  CHECK(tables.open_files() == 1);
  // Not kNotFound, which would say that there is no such tree.
  CHECK(tables.Find(1, kTrees).status().IsCorruption());
}

TEST_CASE("a file that is gone is corruption, not absence") {
  MemFileSystem fs;
  BlockCache blocks(0);
  TableCache tables(&fs, "db", 5, &blocks);
  CHECK(tables.Find(1, 0).status().IsCorruption());
}

TEST_CASE("a reader works on after its file was evicted and removed") {
  MemFileSystem fs;
  MakeFiles(&fs);
  BlockCache blocks(0);
  TableCache tables(&fs, "db", 5, &blocks);
  const auto reader = tables.Find(3, 2);
  REQUIRE(reader.ok());
  tables.Evict(3);
  tables.Evict(3);
  CHECK(tables.open_files() == 0);
  REQUIRE(fs.Remove(SstFileName("db", 3)).ok());
  CHECK(Answers(**reader, 3, 2));
  CHECK_FALSE(tables.Find(3, 2).ok());
  CHECK(tables.open_files() == 0);
}

TEST_CASE("pinned tables are asked for once, and let go of together") {
  MemFileSystem fs;
  MakeFiles(&fs);
  CountOpens count;
  fs.SetInterceptor(&count);
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 1, &blocks);
  PinnedTables pinned(&tables);
  CHECK(pinned.FindOpen(1, 0) == nullptr);
  CHECK(count.opens() == 0);
  std::vector<const TableReader*> readers;
  for (uint64_t file = 1; file <= kFiles; ++file) {
    const auto reader = pinned.Find(file, 1);
    REQUIRE(reader.ok());
    readers.push_back(*reader);
  }
  // The cache may keep one file open; the others are open for whoever pins them.
  for (uint64_t file = 1; file <= kFiles; ++file) {
    CHECK(pinned.FindOpen(file, 1) == readers[file - 1]);
    CHECK(*pinned.Find(file, 1) == readers[file - 1]);
    CHECK(Answers(*readers[file - 1], file, 1));
  }
  CHECK(count.opens() == kFiles);
  CHECK(pinned.FindOpen(1, 2) == nullptr);
  pinned.Clear();
  // Those that nobody uses any more go when the next table is looked up on disk.
  REQUIRE(tables.Find(kFiles, 2).ok());
  CHECK(tables.open_files() == 1);
  CHECK(pinned.FindOpen(1, 1) == nullptr);
  CHECK(pinned.FindOpen(kFiles, 1) != nullptr);
  CHECK(count.opens() == kFiles);
}

TEST_CASE("more tables than can be pinned are found all the same") {
  MemFileSystem fs;
  REQUIRE(fs.CreateDirectory("db").ok());
  constexpr uint64_t kMany = 200;
  for (uint64_t file = 1; file <= kMany; ++file) {
    const SstRecords records = {{"key", 1, RecordType::kValue, ValueOf(file, 0)}};
    REQUIRE(WriteSst(&fs, SstFileName("db", file), file, {}, {{0, records}}).ok());
  }
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 300, &blocks);
  PinnedTables pinned(&tables);
  int unplaced = 0;
  for (int round = 0; round < 2; ++round) {
    for (uint64_t file = 1; file <= kMany; ++file) {
      const auto reader = pinned.Find(file, 0);
      REQUIRE(reader.ok());
      CHECK(Answers(**reader, file, 0));
      unplaced += pinned.FindOpen(file, 0) == nullptr;
    }
  }
  CHECK(unplaced > 0);
  CHECK(pinned.Find(kMany + 1, 0).status().IsCorruption());
}

TEST_CASE("a file that does not open is tried anew the next time") {
  MemFileSystem fs;
  MakeFiles(&fs);
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 5, &blocks);
  const std::string path = SstFileName("db", 4);
  fs.Damage(path, fs.Contents(path).size() - 1, 0xff);
  CHECK(tables.Find(4, 0).status().IsCorruption());
  fs.Damage(path, fs.Contents(path).size() - 1, 0xff);
  CHECK(tables.Find(4, 0).ok());
}

TEST_CASE("threads that share a table cache get the tables they asked for") {
  MemFileSystem fs;
  MakeFiles(&fs);
  BlockCache blocks(4000);
  TableCache tables(&fs, "db", 4, &blocks);
  std::atomic<int> wrong = 0;
  std::atomic<bool> over_limit = false;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(t + 1);
      for (int i = 0; i < 1000; ++i) {
        const uint64_t file = 1 + random.Uniform(8);
        const auto tree = static_cast<TreeId>(random.Uniform(kTrees));
        const auto reader = tables.Find(file, tree);
        if (!reader.ok() || !Answers(**reader, file, tree)) ++wrong;
        if (tables.open_files() > 4) over_limit = true;
        if (random.OneIn(50)) tables.Evict(file);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK_FALSE(over_limit);
}

}  // namespace lsm
