// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/wal/segment_reader.h"

#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"

namespace lsm {
namespace {

// Bytes that a search looks through at a time.
constexpr uint64_t kSearchStep = uint64_t{256} << 10;

}  // namespace

std::string SegmentName(uint64_t number) { return WalFileName("", number).substr(1); }

Result<SegmentReader> SegmentReader::Open(FileSystem* fs, const std::string& path,
                                          uint64_t number) {
  Result<FileWindow> window = FileWindow::Open(fs, path);
  if (!window.ok()) return window.status();
  return SegmentReader(std::move(*window), number);
}

Status SegmentReader::ReadHeader(std::string* problem) {
  const Result<std::string_view> bytes = window_.Read(0, kFileHeaderSize);
  if (!bytes.ok()) return bytes.status();
  const Result<uint64_t> number = DecodeFileHeader(kLogMagic, *bytes);
  if (!number.ok()) {
    if (!number.status().IsCorruption()) {
      return Status::InvalidArgument(SegmentName(number_) +
                                     ": offset 0: " + std::string(number.status().message()));
    }
    *problem = std::string(number.status().message());
  } else if (*number != number_) {
    *problem = "the file header is that of " + SegmentName(*number);
  } else {
    problem->clear();
  }
  return Status::Ok();
}

Result<SegmentReader::Group> SegmentReader::Read(uint64_t offset) {
  Group group;
  const Result<std::string_view> bytes = window_.Read(offset, kLogGroupHeaderSize);
  if (!bytes.ok()) return bytes.status();
  if (bytes->size() < kLogGroupHeaderSize) {
    group.problem = "the file ends here";
    return group;
  }
  const LogGroupCheck check = DecodeLogGroupHeader(*bytes, number_, offset, &group.header);
  group.header_valid = check == LogGroupCheck::kValid;
  if (!group.header_valid) {
    group.remains = check == LogGroupCheck::kMalformed || check == LogGroupCheck::kBadHeader;
    group.problem = "there is " + std::string(Describe(check));
    return group;
  }
  const uint64_t padded_size = LogPaddedSize(group.header.payload_size);
  const Result<std::string_view> padded = window_.Read(offset + kLogGroupHeaderSize, padded_size);
  if (!padded.ok()) return padded.status();
  if (!LogPayloadMatches(group.header, offset, *padded)) {
    group.remains = true;
    group.problem = padded->size() < padded_size ? "there is a group that the file's end cuts"
                                                 : "there is a group whose checksum is wrong";
    return group;
  }
  group.valid = true;
  group.payload = padded->substr(0, group.header.payload_size);
  group.size = kLogGroupHeaderSize + padded_size;
  return group;
}

Status SegmentReader::Search(
    uint64_t offset, const std::function<void(uint64_t offset, const LogGroupHeader&)>& found) {
  while (offset + kLogGroupHeaderSize <= size()) {
    const Result<std::string_view> bytes = window_.Read(offset, kSearchStep);
    if (!bytes.ok()) return bytes.status();
    // A file that became shorter after it was opened.
    if (bytes->size() < kLogGroupHeaderSize) return Status::Ok();
    const size_t at = FindLogGroup(*bytes);
    if (at == std::string_view::npos) {
      // The last places of this step have no room for a header within it.
      const uint64_t searched = bytes->size() - kLogGroupHeaderSize + kLogGroupAlignment;
      offset += searched / kLogGroupAlignment * kLogGroupAlignment;
      continue;
    }
    offset += at;
    const Result<Group> group = Read(offset);
    if (!group.ok()) return group.status();
    if (group->header_valid) found(offset, group->header);
    // What lies within the payload of a whole group is data, also if it looks like a group.
    offset += group->valid ? group->size : kLogGroupAlignment;
  }
  return Status::Ok();
}

}  // namespace lsm
