// SPDX-License-Identifier: BSD-3-Clause
// A log of two segments, damaged as the input says, is replayed as a prefix of what was written or
// refused as corruption; the dump of any bytes ends. The input is a list of edits - which segment,
// where, what - since a checksum keeps random bytes from getting any further.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/file_names.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"
#include "tests/support/mem_file_system.h"

namespace {

constexpr char kDirectory[] = "log";
constexpr size_t kSegmentSize = 1024;

void Check(bool good) {
  if (!good) std::abort();
}

// Units "a", "bb", ..., one of them fragmented.
std::vector<std::string> WriteLog(lsm::FileSystem* fs) {
  Check(fs->CreateDirectory(kDirectory).ok());
  lsm::LogPosition position;
  uint64_t number = 1;
  auto writer = lsm::LogWriter::Prepare(fs, kDirectory, number, kSegmentSize, "");
  Check(writer.ok());
  std::vector<std::string> units;
  for (size_t i = 0; i < 12; ++i) {
    units.emplace_back(i == 6 ? 700 : i + 1, static_cast<char>('a' + i));
    std::string payload;
    lsm::LogWriter::FrameUnit(&payload, 1, units.back());
    lsm::PayloadCutter cutter(payload, position.last_sequence + 1);
    while (!cutter.done()) {
      std::optional<lsm::LogWriter::Group> group = cutter.Next(**writer);
      if (!group) {
        writer = lsm::LogWriter::Prepare(fs, kDirectory, ++number, kSegmentSize, "");
        Check(writer.ok());
        continue;
      }
      group->synced_through = i / 2;
      Check((*writer)->AddGroup(*group, &position).ok());
    }
  }
  return units;
}

// Each edit is 4 bytes: segment and kind, offset (2), value.
void Damage(lsm::MemFileSystem* fs, const uint8_t* data, size_t size) {
  for (; size >= 4; data += 4, size -= 4) {
    const std::string path = lsm::WalFileName(kDirectory, 1 + data[0] % 2);
    std::string bytes = fs->Contents(path);
    if (bytes.empty()) continue;
    const size_t at = (data[1] | size_t{data[2]} << 8) % bytes.size();
    switch (data[0] / 2 % 4) {
      case 0:
        bytes[at] = static_cast<char>(data[3]);
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, data[3], '\0');
        break;
      default:  // a piece of the segment over another piece of it
        bytes.replace(at, data[3], bytes.substr(size_t{data[3]} * 8 % bytes.size(), data[3]));
        break;
    }
    fs->SetContents(path, bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lsm::MemFileSystem fs;
  const std::vector<std::string> units = WriteLog(&fs);
  Damage(&fs, data, std::min(size, size_t{400}));
  lsm::LogRecoveryInput input;
  input.fs = &fs;
  input.directory = kDirectory;
  input.segments = {1, 2};
  size_t replayed = 0;
  const lsm::ReplayUnit unit = [&](lsm::SequenceNumber sequence, uint32_t, std::string_view bytes) {
    Check(replayed < units.size() && bytes == units[replayed]);
    Check(sequence == ++replayed);
    return lsm::Status::Ok();
  };
  const auto recovery = lsm::ReplayLog(input, unit, nullptr, nullptr);
  Check(recovery.ok() || recovery.status().IsCorruption());
  Check(!recovery.ok() || recovery->end.last_sequence == replayed);

  fs.SetContents("raw", std::string(reinterpret_cast<const char*>(data), size));
  const auto nothing = [](const lsm::LogGroupInfo&) {};
  Check(lsm::DumpLogSegment(&fs, "raw", nothing).ok());
  Check(lsm::DumpLogSegment(&fs, lsm::WalFileName(kDirectory, 1), nothing).ok());
  return 0;
}
