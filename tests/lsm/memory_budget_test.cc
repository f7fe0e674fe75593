// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/memory_budget.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "lsm/format/internal_key.h"
#include "lsm/random.h"
#include "lsm/sst/block.h"
#include "lsm/sst/block_builder.h"
#include "lsm/sst/table_cache.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr size_t kMb = size_t{1} << 20;

Options WithLimit(size_t limit) {
  Options options;
  options.memory_limit = limit;
  return options;
}

std::shared_ptr<const Block> MakeBlock() {
  BlockBuilder builder(BlockKind::kIndex, 1);
  std::string key;
  AppendInternalKey(&key, "k", 1, RecordType::kValue);
  builder.Add(key, "v");
  const std::string& contents = *builder.Finish();
  OwnedBytes bytes(contents.size());
  std::memcpy(bytes.data.get(), contents.data(), contents.size());
  const char* why;
  return Block::Parse(std::move(bytes), contents.size(), BlockKind::kIndex, &why);
}

}  // namespace

TEST_CASE("without a limit every part has the size that the options say") {
  BlockCache blocks(1);
  const Options options;
  MemoryBudget budget(options, &blocks);
  budget.SetMemtables(500 * kMb);
  budget.SetTables(500 * kMb);
  CHECK(blocks.capacity_bytes() == options.block_cache_size);
  CHECK(budget.write_buffer_budget() == options.write_buffer_budget);
  CHECK(budget.memtable_size() == options.memtable_size);
  CHECK(budget.table_limit() == SIZE_MAX);
}

TEST_CASE("the block cache has what the others leave, and all together keep to the limit") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const size_t limit = (32 + random.Uniform(2000)) * kMb;
    BlockCache blocks(1);
    MemoryBudget budget(WithLimit(limit), &blocks);
    CHECK(budget.memtable_size() <= budget.write_buffer_budget() / 4);
    for (int i = 0; i < 100; ++i) {
      const size_t memtables = random.Uniform(budget.write_buffer_budget() + 1);
      const size_t tables = random.Uniform(budget.table_limit() + 1);
      budget.SetMemtables(memtables);
      budget.SetTables(tables);
      const size_t sum = memtables + tables + blocks.capacity_bytes();
      // A change too small to follow is a 256th of the limit.
      REQUIRE(sum <= limit - limit / 8 - 12 * kMb + limit / 256);
      REQUIRE(blocks.capacity_bytes() > limit / 20 - kMb);
    }
    budget.SetMemtables(0);
    budget.SetTables(0);
    CHECK(blocks.capacity_bytes() > limit / 8 * 7 / 32 * 31 - 17 * kMb - limit / 256);
  }
}

TEST_CASE("the block cache gives way as fast as memtables grow") {
  constexpr size_t kBlock = 4096;
  BlockCache blocks(1);
  MemoryBudget budget(WithLimit(128 * kMb), &blocks);
  const std::shared_ptr<const Block> block = MakeBlock();
  REQUIRE(block != nullptr);
  for (size_t i = 0; i < blocks.capacity_bytes() / kBlock; ++i) {
    blocks.Insert(1, i * kBlock, block, kBlock);
  }
  REQUIRE(blocks.usage_bytes() > 50 * kMb);
  const size_t before = blocks.capacity_bytes();
  for (size_t bytes = 0; bytes < budget.write_buffer_budget(); bytes += 5 * kMb) {
    budget.SetMemtables(bytes);
    CHECK(blocks.usage_bytes() <= blocks.capacity_bytes());
  }
  CHECK(blocks.capacity_bytes() < before - 20 * kMb);
  CHECK(blocks.usage_bytes() > blocks.capacity_bytes() - kMb);
}

TEST_CASE("a limit that cannot be worked with is taken for the least one that can") {
  BlockCache blocks(1);
  MemoryBudget budget(WithLimit(1), &blocks);
  CHECK(budget.limit() == MemoryBudget::kLeastLimit);
  CHECK(budget.write_buffer_budget() >= 4 * kMb);
  CHECK(blocks.capacity_bytes() >= 4 * kMb);
  budget.SetLimit(0);
  CHECK(budget.limit() == 0);
  CHECK(blocks.capacity_bytes() == Options().block_cache_size);
}

TEST_CASE("readers of many small slices are closed one by one when their memory is too much") {
  MemFileSystem fs;
  REQUIRE(fs.CreateDirectory("db").ok());
  constexpr TreeId kSlices = 300;
  std::map<TreeId, SstRecords> trees;
  for (TreeId tree = 0; tree < kSlices; ++tree) {
    for (int i = 100; i < 400; ++i) {
      trees[tree].push_back(
          {"key" + std::to_string(i), 1, RecordType::kValue, std::string(200, 'v')});
    }
  }
  TableBuilderOptions table;
  table.block_size = 64;
  REQUIRE(WriteSst(&fs, "db/000007.sst", 7, table, trees).ok());
  BlockCache blocks(1);
  MemoryBudget budget(WithLimit(32 * kMb), &blocks);
  TableCache tables(&fs, "db", 10, &blocks, &budget);
  const auto held = tables.Find(7, 0);
  REQUIRE(held.ok());
  CHECK((*held)->MemoryUsage() > 300 * 20);
  CHECK(tables.memory_bytes() > (*held)->MemoryUsage());
  size_t largest = 0;
  for (TreeId tree = 0; tree < kSlices; ++tree) {
    const auto reader = tables.Find(7, tree);
    REQUIRE(reader.ok());
    PinnedValue value;
    CHECK((*reader)->Get("key200", 9, &value, nullptr)->found);
    largest = std::max(largest, tables.memory_bytes());
    REQUIRE(tables.memory_bytes() <= budget.table_limit());
  }
  CHECK(largest > budget.table_limit() / 2);
  // What is in use stays, what was used last too; the file is open once.
  CHECK(tables.FindOpen(7, 0) == *held);
  CHECK(tables.FindOpen(7, kSlices - 1) != nullptr);
  CHECK(tables.FindOpen(7, 1) == nullptr);
  CHECK(tables.open_files() == 1);
  CHECK(budget.tables() == tables.memory_bytes());
  tables.Evict(7);
  CHECK(tables.memory_bytes() == 0);
}

TEST_CASE("whoever lowers the limit does not empty the caches himself") {
  db_test::TestDb db;
  db.options()->memtable_size = 4 * kMb;
  db.options()->write_buffer_budget = 64 * kMb;
  db.options()->wal_size_limit = 512 * kMb;
  db.options()->block_cache_size = 64 * kMb;
  db.options()->compression = Compression::kNone;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 20000; ++i) REQUIRE(db.Put(db_test::Key(i), std::string(1000, 'v')).ok());
  REQUIRE(db->FlushAll().ok());
  db.RunAll();
  CHECK(db.Scan().size() == 20000);
  const size_t before = db->Stats().block_cache_bytes;
  REQUIRE(before > 15 * kMb);
  db->SetMemoryLimit(32 * kMb);
  CHECK(db->Stats().block_cache_capacity < before - kMb);
  CHECK(db->Stats().block_cache_bytes > before - kMb);
  db.RunAll();
  CHECK(db->Stats().block_cache_bytes <= db->Stats().block_cache_capacity);
}

TEST_CASE("a limit that is lowered has memtables flushed, though nobody writes any more") {
  db_test::TestDb db;
  db.options()->memtable_size = 64 * kMb;
  db.options()->write_buffer_budget = 64 * kMb;
  db.options()->wal_size_limit = 512 * kMb;
  db.options()->block_cache_size = 64 * kMb;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 1000; ++i) REQUIRE(db.Put(db_test::Key(i), std::string(16000, 'v')).ok());
  CHECK(db->Stats().memtable_bytes > 15 * kMb);
  CHECK(db->Stats().flushes == 0);
  CHECK(db->Stats().memory_limit == 0);
  db->SetMemoryLimit(32 * kMb);
  CHECK(db->Stats().memory_limit == 32 * kMb);
  db.RunAll();
  CHECK(db->Stats().memtable_bytes < 5 * kMb);
  CHECK(db->Stats().block_cache_capacity < 16 * kMb);
  CHECK(db->CurrentStall().state == WriteStall::State::kNone);
  CHECK(db.Get(db_test::Key(5)) == std::string(16000, 'v'));
  CHECK(db->Stats().table_bytes > 0);
  db->SetMemoryLimit(0);
  CHECK(db->Stats().block_cache_capacity == 64 * kMb);
}

}  // namespace lsm
