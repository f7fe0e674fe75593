// SPDX-License-Identifier: BSD-3-Clause
// What is taken from SST files of which some is not whole, and what is said about the rest.

#include "lsm/sst/table_salvage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lsm/sst/table_check.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 7;
const std::string kPath = "000007.sst";

struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;
  SstRecords records;
};

// Two slices of several blocks each.
std::string MakeFile(Compression compression, int filter_bits) {
  std::map<TreeId, SstRecords> trees;
  for (int i = 0; i < 30; ++i) {
    const std::string digits = std::to_string(100 + i);
    const auto sequence = static_cast<SequenceNumber>(i + 1);
    trees[3].push_back({"a" + digits, sequence, RecordType::kValue, std::string(20, 'r') + digits});
    if (i % 7 == 0) {
      trees[5].push_back({"b" + digits, sequence, RecordType::kTombstone, ""});
    } else {
      trees[5].push_back({"b" + digits, sequence, RecordType::kValue, digits});
    }
  }
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 200;
  options.compression = compression;
  options.filter_bits_per_key = filter_bits;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, trees).ok());
  return fs.Contents(kPath);
}

SstRecords Take(const TableSalvage& salvage, const FaultSink& fault) {
  SstRecords records;
  for (size_t slice = 0; slice < salvage.slices().size(); ++slice) {
    const auto cursor = salvage.NewCursor(slice, 0, fault);
    for (; cursor->Valid(); cursor->Next()) {
      records.push_back({std::string(cursor->user_key()), cursor->sequence(), cursor->type(),
                         std::string(cursor->value())});
    }
  }
  return records;
}

// Where the data blocks of a whole file are, and what they hold.
std::vector<Extent> DataBlocks(const std::string& bytes) {
  MemFileSystem fs;
  fs.SetContents(kPath, bytes);
  const FaultSink none = [](const SstFault& fault) { FAIL(fault.status.ToString()); };
  const auto salvage = TableSalvage::Open(&fs, kPath, kNumber, none);
  REQUIRE(salvage.ok());
  const SstRecords records = Take(**salvage, none);
  std::vector<Extent> blocks;
  auto record = records.begin();
  for (const SalvagedSlice& slice : (*salvage)->slices()) {
    CHECK(slice.tree.has_value());
    CHECK(slice.properties.has_value());
    for (const SalvagedSlice::DataBlock& block : slice.blocks) {
      Extent extent{block.handle.offset, block.handle.end(), {}};
      while (record != records.end() && record->key <= block.last_key) {
        extent.records.push_back(*record++);
      }
      blocks.push_back(std::move(extent));
    }
  }
  CHECK(record == records.end());
  REQUIRE(blocks.size() > 6);
  return blocks;
}

}  // namespace

TEST_CASE("a file of zeros is given up in a time that grows with its size, not with its square") {
  MemFileSystem fs;
  fs.SetContents(kPath, std::string(size_t{9} << 20, '\0'));
  size_t faults = 0;
  const auto salvage = TableSalvage::Open(&fs, kPath, kNumber, [&](const SstFault&) { ++faults; });
  REQUIRE(salvage.ok());
  CHECK((*salvage)->slices().empty());
  CHECK(faults > 0);
}

namespace {

void CheckEveryByte(const std::string& bytes) {
  const std::vector<Extent> blocks = DataBlocks(bytes);
  for (uint64_t offset = 0; offset < bytes.size(); ++offset) {
    CAPTURE(offset);
    MemFileSystem fs;
    fs.SetContents(kPath, bytes);
    fs.Damage(kPath, offset, 0x55);
    std::vector<SstFault> faults;
    const FaultSink note = [&faults](const SstFault& fault) { faults.push_back(fault); };
    const auto salvage = TableSalvage::Open(&fs, kPath, kNumber, note);
    REQUIRE(salvage.ok());
    const SstRecords found = Take(**salvage, note);
    SstRecords expected;
    bool in_data = false;
    for (const Extent& block : blocks) {
      if (block.begin <= offset && offset < block.end) {
        in_data = true;
        REQUIRE(faults.size() == 1);
        const std::string text = faults[0].status.ToString();
        CAPTURE(text);
        CHECK(text.find(kPath + ": data block at offset " + std::to_string(block.begin)) !=
              std::string::npos);
        REQUIRE(faults[0].keys.has_value());
        CHECK(faults[0].keys->after.value_or("") < block.records.front().key);
        CHECK(faults[0].keys->through.value_or("z") >= block.records.back().key);
      } else {
        expected.insert(expected.end(), block.records.begin(), block.records.end());
      }
    }
    CHECK(found == expected);
    size_t seen = 0;
    const SstCheck check{[&seen](const SstFault&) { ++seen; }, {}};
    const auto checked = CheckSst(&fs, kPath, kNumber, check);
    const bool detected = !checked.ok() || seen > 0;
    CHECK(detected);
    if (in_data) CHECK(seen == 1);
  }
}

}  // namespace

TEST_CASE("whatever byte of an SST file is wrong, the records of all other blocks are found") {
  CheckEveryByte(MakeFile(Compression::kNone, 10));
  CheckEveryByte(MakeFile(Compression::kLz4, 0));
}

TEST_CASE("several damaged blocks are each reported, with what lies between them") {
  const std::string bytes = MakeFile(Compression::kNone, 10);
  const std::vector<Extent> blocks = DataBlocks(bytes);
  MemFileSystem fs;
  fs.SetContents(kPath, bytes);
  fs.Damage(kPath, blocks[1].begin, 1);
  fs.Damage(kPath, blocks[2].begin, 1);
  std::vector<SstFault> faults;
  const SstCheck check{[&faults](const SstFault& fault) { faults.push_back(fault); }, {}};
  const auto checked = CheckSst(&fs, kPath, kNumber, check);
  REQUIRE(checked.ok());
  REQUIRE(faults.size() == 2);
  CHECK(faults[0].keys->through == faults[1].keys->after);
  CHECK(faults[1].keys->Text() == "keys of tree 3 behind \"" + blocks[1].records.back().key +
                                      "\" up to \"" + blocks[2].records.back().key + "\"");
  CHECK_FALSE(checked->front().whole);
  CHECK(checked->back().whole);
}

}  // namespace lsm
