// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/file_header.h"
#include "lsm/format/log_format.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/segment_reader.h"

namespace lsm {
namespace {

LogGroupInfo Info(const SegmentReader::Group& group, uint64_t offset) {
  LogGroupInfo info;
  info.offset = offset;
  info.size = group.size;
  info.generation = group.header.generation;
  info.first_sequence = group.header.first_sequence;
  info.units = group.header.units;
  info.begins_inside_unit = (group.header.flags & kLogGroupBeginsInsideUnit) != 0;
  info.ends_inside_unit = (group.header.flags & kLogGroupEndsInsideUnit) != 0;
  info.synced_through = group.header.synced_through;
  info.previous_checksum = group.header.previous_checksum;
  info.checksum = group.header.checksum;
  info.payload = group.payload;
  return info;
}

}  // namespace

Result<LogDumpEnd> DumpLogSegment(FileSystem* fs, const std::string& path,
                                  const std::function<void(const LogGroupInfo&)>& group) {
  // The generation is what the file says: a copy under another name can be looked into as well.
  uint64_t generation = 0;
  {
    Result<FileWindow> window = FileWindow::Open(fs, path);
    if (!window.ok()) return window.status();
    const Result<std::string_view> bytes = window->Read(0, kFileHeaderSize);
    if (!bytes.ok()) return bytes.status();
    const Result<uint64_t> number = DecodeFileHeader(kLogMagic, *bytes);
    if (!number.ok()) return LogDumpEnd{0, std::string(number.status().message())};
    generation = *number;
  }
  Result<SegmentReader> segment = SegmentReader::Open(fs, path, generation);
  if (!segment.ok()) return segment.status();
  uint64_t offset = kFileHeaderSize;
  for (LogPosition position;;) {
    const Result<SegmentReader::Group> next = segment->Read(offset);
    if (!next.ok()) return next.status();
    if (!next->valid) return LogDumpEnd{offset, next->problem};
    const LogGroupHeader& header = next->header;
    if (offset > kFileHeaderSize && (header.previous_checksum != position.last_checksum ||
                                     header.first_sequence != position.last_sequence + 1)) {
      return LogDumpEnd{offset, "there is a group that does not follow the one before"};
    }
    group(Info(*next, offset));
    position = {header.last_sequence(), header.checksum};
    offset += next->size;
  }
}

}  // namespace lsm
