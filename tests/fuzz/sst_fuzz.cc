// SPDX-License-Identifier: BSD-3-Clause
// A hostile SST file whose checksums are right. The first byte of the input chooses a good file to
// change; each three bytes that follow overwrite one of its bytes. Or else the rest of the input is
// the file. Then the checksums are made right, and the file is read in every way there is.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace {

constexpr uint64_t kNumber = 7;
constexpr const char* kPath = "000007.sst";

std::string MakeFile(lsm::Compression compression, size_t block_size, int filter_bits) {
  using lsm::RecordType;
  lsm::SstRecords records;
  for (int i = 100; i < 140; ++i) {
    const std::string key = "key" + std::to_string(i / 3);
    const RecordType type = i % 7 == 0 ? RecordType::kTombstone : RecordType::kValue;
    const std::string value = type == RecordType::kValue ? std::string(20, 'v') : "";
    records.push_back({key, static_cast<lsm::SequenceNumber>(1000 - i), type, value});
  }
  lsm::TableBuilderOptions options;
  options.compression = compression;
  options.block_size = block_size;
  options.block_restart_interval = 4;
  options.filter_bits_per_key = filter_bits;
  lsm::MemFileSystem fs;
  const lsm::Status status =
      lsm::WriteSst(&fs, kPath, kNumber, options, {{0, records}, {5, {records[0]}}});
  if (!status.ok()) std::abort();
  return fs.Contents(kPath);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using lsm::Compression;
  static const std::array<std::string, 6> files = {
      MakeFile(Compression::kNone, 200, 10),  MakeFile(Compression::kNone, 1, 0),
      MakeFile(Compression::kLz4, 200, 10),   MakeFile(Compression::kLz4, 4096, 5),
      MakeFile(Compression::kZstd, 4096, 10), MakeFile(Compression::kZstd, 400, 0)};
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto choice = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  std::string bytes;
  if (choice < files.size()) {
    bytes = files[choice];
    for (; input.size() >= 3; input.remove_prefix(3)) {
      const auto high = static_cast<unsigned char>(input[0]);
      const auto low = static_cast<unsigned char>(input[1]);
      bytes[(size_t{high} << 8 | low) % bytes.size()] = input[2];
    }
  } else {
    bytes = input;
  }
  lsm::ResealSst(kNumber, &bytes);
  lsm::MemFileSystem fs;
  fs.SetContents(kPath, bytes);
  if (!lsm::ExerciseSst(&fs, kPath, kNumber).empty()) std::abort();
  return 0;
}
