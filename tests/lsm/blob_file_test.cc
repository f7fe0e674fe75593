// SPDX-License-Identifier: BSD-3-Clause
#include <functional>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "lsm/compaction/blob_writer.h"
#include "lsm/format/file_names.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/table_builder.h"
#include "lsm/sst/table_cache.h"
#include "lsm/sst/table_file.h"
#include "tests/support/mem_file_system.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 7;
const std::string kPath = BlobFileName("db", kNumber);

std::vector<std::string> Values() {
  return {"", "small", std::string(100'000, 'a'), std::string(300'000, 'b') + "tail"};
}

std::vector<BlobPointer> WriteValues(MemFileSystem* fs, const std::vector<std::string>& values) {
  REQUIRE(fs->CreateDirectory("db").ok());
  auto file = fs->Create(kPath, /*truncate=*/true);
  REQUIRE(file.ok());
  TableBuilder builder({}, std::move(*file), kNumber);
  std::vector<BlobPointer> pointers;
  for (const std::string& value : values) {
    const Result<BlobPointer> pointer = builder.AddValue(value);
    REQUIRE(pointer.ok());
    pointers.push_back(*pointer);
  }
  REQUIRE(builder.Finish().ok());
  CHECK(builder.FileSize() == *fs->FileSize(kPath));
  return pointers;
}

void Flip(MemFileSystem* fs, uint64_t at) {
  auto contents = ReadFile(fs, kPath, UINT64_MAX);
  auto file = fs->OpenForWrite(kPath);
  REQUIRE(contents.ok());
  REQUIRE(file.ok());
  const char changed = static_cast<char>((*contents)[at] ^ 0x20);
  REQUIRE((*file)->WriteAt(at, {&changed, 1}).ok());
}

TEST_CASE("values of a blob file come back by their pointers, as they were and compressed") {
  MemFileSystem fs;
  const std::vector<BlobPointer> pointers = WriteValues(&fs, Values());
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 1, &blocks);
  for (size_t i = 0; i < pointers.size(); ++i) {
    CAPTURE(i);
    CHECK(pointers[i].file == kNumber);
    const Result<PinnedValue> value =
        tables.ReadBlob(pointers[i], /*fill_cache=*/true, /*cached_only=*/false);
    REQUIRE(value.ok());
    CHECK(value->view() == Values()[i]);
  }
  CHECK(pointers[2].stored_size() < 10'000);
  CHECK(tables.open_files() == 1);
}

TEST_CASE("a value outlives the cache that it was read through") {
  MemFileSystem fs;
  const std::vector<BlobPointer> pointers = WriteValues(&fs, Values());
  Result<PinnedValue> value = PinnedValue();
  {
    BlockCache blocks(1 << 20);
    TableCache tables(&fs, "db", 1, &blocks);
    value = tables.ReadBlob(pointers[3], /*fill_cache=*/true, /*cached_only=*/false);
  }
  REQUIRE(value.ok());
  CHECK(value->view() == Values()[3]);
}

TEST_CASE("a blob file that is gone is corruption that names it") {
  MemFileSystem fs;
  const std::vector<BlobPointer> pointers = WriteValues(&fs, Values());
  REQUIRE(fs.Remove(kPath).ok());
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 1, &blocks);
  const Status status =
      tables.ReadBlob(pointers[0], /*fill_cache=*/true, /*cached_only=*/false).status();
  CHECK(status.IsCorruption());
  CHECK(status.message().find("000007.blob") != std::string_view::npos);
}

TEST_CASE("every changed byte of a blob file is found by whoever reads what it belongs to") {
  MemFileSystem fs;
  const std::vector<std::string> values = {"first value", "second value", "third"};
  const std::vector<BlobPointer> pointers = WriteValues(&fs, values);
  const uint64_t size = *fs.FileSize(kPath);
  const uint64_t directory = pointers.back().block.end();
  for (uint64_t at = 0; at < size; ++at) {
    CAPTURE(at);
    Flip(&fs, at);
    BlockCache blocks(1 << 20);
    TableCache tables(&fs, "db", 1, &blocks);
    for (size_t i = 0; i < values.size(); ++i) {
      const BlockHandle block = pointers[i].block;
      const bool own = at >= block.offset && at < block.end();
      const bool footer = at >= size - kSstFooterSize;
      const Result<PinnedValue> value =
          tables.ReadBlob(pointers[i], /*fill_cache=*/true, /*cached_only=*/false);
      CHECK(value.ok() == !(own || footer));
      if (value.ok()) CHECK(value->view() == values[i]);
    }
    Flip(&fs, at);
  }
  CHECK(directory < size);
}

TEST_CASE("a pointer to where no value is finds corruption, whatever it says") {
  MemFileSystem fs;
  const std::vector<BlobPointer> pointers = WriteValues(&fs, Values());
  BlockCache blocks(1 << 20);
  TableCache tables(&fs, "db", 4, &blocks);
  for (const BlockHandle block :
       {BlockHandle{1, 5}, BlockHandle{0, UINT64_MAX}, BlockHandle{UINT64_MAX, 1},
        BlockHandle{uint64_t{1} << 40, 10}, BlockHandle{pointers[2].block.offset, 1}}) {
    CAPTURE(block.offset);
    CHECK(tables.ReadBlob({kNumber, block}, /*fill_cache=*/true, /*cached_only=*/false)
              .status()
              .IsCorruption());
  }
}

TEST_CASE("pointers and directories of blob files survive their encoding, others are refused") {
  const BlobPointer pointer = {300, {70'000, 4'096}};
  BlobPointer decoded;
  const std::string bytes = EncodeBlobPointer(pointer);
  REQUIRE(DecodeBlobPointer(bytes, &decoded) == nullptr);
  CHECK(decoded == pointer);
  CHECK(DecodeBlobPointer(bytes + "x", &decoded) != nullptr);
  for (size_t n = 0; n < bytes.size(); ++n) {
    CHECK(DecodeBlobPointer(bytes.substr(0, n), &decoded) != nullptr);
  }
  CHECK(DecodeBlobPointer(EncodeBlobPointer({0, {1, 1}}), &decoded) != nullptr);
  CHECK(DecodeBlobPointer(EncodeBlobPointer({1, {UINT64_MAX, 1}}), &decoded) != nullptr);

  const std::vector<BlockHandle> blocks = {{0, 5}, {14, 200}};
  std::vector<BlockHandle> read;
  const std::string directory = EncodeBlobDirectory(blocks);
  REQUIRE(DecodeBlobDirectory(directory, 223, &read) == nullptr);
  CHECK(read == blocks);
  CHECK(DecodeBlobDirectory(directory, 222, &read) != nullptr);
  CHECK(DecodeBlobDirectory(directory, 224, &read) != nullptr);
  CHECK(DecodeBlobDirectory(directory.substr(0, 2), 223, &read) != nullptr);
  CHECK(DecodeBlobDirectory("", 0, &read) == nullptr);
}

TEST_CASE("a record that points to a file which no input's metadata name is corruption") {
  const TableTarget target;
  const std::function<uint64_t()> number = [] { return uint64_t{9}; };
  BlobWriter writer(target, number);
  FileMetadata input;
  input.blobs = {{7, 500, 1, 100}};
  writer.KnowSizes(input);
  FileMetadata output;
  output.blobs = {{7, 0, 1, 100}};
  REQUIRE(writer.FillSizes(&output).ok());
  CHECK(output.blobs[0].file_size == 500);
  output.blobs.push_back({8, 0, 1, 100});
  CHECK(writer.FillSizes(&output).IsCorruption());
}

}  // namespace
}  // namespace lsm
