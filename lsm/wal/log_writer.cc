// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/wal/log_writer.h"

#include <algorithm>
#include <cassert>

#include "lsm/format/coding.h"
#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"
#include "lsm/format/log_format.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

// A fragment shorter than this is not worth its header.
constexpr size_t kMinFragment = 512;

// A buffer that one large group made is given back.
constexpr size_t kKeptBuffer = size_t{2} << 20;

size_t RoomBetween(uint64_t begin, uint64_t end) {
  if (end < begin + kLogGroupHeaderSize) return 0;
  const uint64_t room = end - begin - kLogGroupHeaderSize;
  return std::min<uint64_t>(room - room % kLogGroupAlignment, UINT32_MAX);
}

// Bytes that the framed unit at the front of `payload` takes.
size_t FramedSize(std::string_view payload) {
  std::string_view rest = payload;
  uint64_t unit_size;
  uint64_t operations;
  VARVE_CHECK(GetVarint64(&rest, &unit_size) && GetVarint64(&rest, &operations) &&
              unit_size <= rest.size());
  return payload.size() - rest.size() + unit_size;
}

Result<std::unique_ptr<WritableFile>> OpenSegment(FileSystem* fs, const std::string& path,
                                                  const std::string& recycled) {
  if (recycled.empty()) return fs->Create(path, /*truncate=*/true);
  RETURN_IF_ERROR(fs->Rename(recycled, path));
  return fs->OpenForWrite(path);
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::Prepare(FileSystem* fs, const std::string& directory,
                                                      uint64_t number, size_t segment_size,
                                                      const std::string& recycled) {
  assert(segment_size >= kMinSegmentSize);
  Result<std::unique_ptr<WritableFile>> file =
      OpenSegment(fs, WalFileName(directory, number), recycled);
  if (!file.ok()) return file.status();
  // Groups of an earlier life may still be there: the header's number turns them into nothing.
  RETURN_IF_ERROR((*file)->AllocateAnew(segment_size));
  RETURN_IF_ERROR((*file)->WriteAt(0, EncodeFileHeader(kLogMagic, number)));
  RETURN_IF_ERROR((*file)->Sync());
  RETURN_IF_ERROR(fs->SyncDirectory(directory));

  std::unique_ptr<LogWriter> writer(new LogWriter);
  writer->file_ = std::move(*file);
  writer->number_ = number;
  writer->offset_ = kFileHeaderSize;
  writer->segment_size_ = segment_size;
  return writer;
}

void LogWriter::FrameUnit(std::string* payload, uint32_t operations, std::string_view unit) {
  char bytes[2 * kMaxVarintLength];
  const char* const end = EncodeVarint64(EncodeVarint64(bytes, unit.size()), operations);
  payload->append(bytes, static_cast<size_t>(end - bytes));
  payload->append(unit);
}

Status LogWriter::AddGroup(const Group& group, LogPosition* position) {
  assert(Fits(group.payload.size()));
  assert(group.first_sequence == position->last_sequence + 1);
  LogGroupHeader header;
  header.units = group.units;
  header.flags = (group.begins_inside_unit ? kLogGroupBeginsInsideUnit : 0) |
                 (group.ends_inside_unit ? kLogGroupEndsInsideUnit : 0);
  header.generation = number_;
  header.first_sequence = group.first_sequence;
  header.synced_through = group.synced_through;
  header.previous_checksum = position->last_checksum;
  EncodeLogGroup(&header, group.payload, offset_, &buffer_);

  if (Status status = file_->WriteAt(offset_, buffer_); !status.ok()) {
    // All of the group may have reached the file although the call failed, and a restart before
    // the next group would then replay what was answered with an error. If this write fails too,
    // nothing more can be done than to report the first failure.
    const Status wiped = file_->WriteAt(offset_, std::string(kLogGroupHeaderSize, '\0'));
    static_cast<void>(wiped);
    return status;
  }
  offset_ += buffer_.size();
  position->last_sequence = header.last_sequence();
  position->last_checksum = header.checksum;
  if (buffer_.capacity() > kKeptBuffer) std::string().swap(buffer_);
  return Status::Ok();
}

size_t LogWriter::Room() const { return RoomBetween(offset_, segment_size_); }

size_t LogWriter::EmptyRoom() const { return RoomBetween(kFileHeaderSize, segment_size_); }

Status LogWriter::Sync() { return file_->Sync(); }

std::optional<LogWriter::Group> PayloadCutter::Next(const LogWriter& writer) {
  assert(!done());
  const size_t room = std::min(writer.Room(), kMaxGroupPayload);
  const size_t empty_room = std::min(writer.EmptyRoom(), kMaxGroupPayload);
  size_t left = fragment_left_;
  if (left == 0) {
    if (rest_.size() <= room) return TakeUnits(room);
    // A payload that an empty segment holds whole is not cut: half a payload is harder to take
    // back than no payload.
    if (rest_.size() <= empty_room) return std::nullopt;
    left = FramedSize(rest_);
    if (left <= room) return TakeUnits(room);
    if (left <= empty_room) return std::nullopt;
  }
  if (room < std::min({left, kMinFragment, empty_room})) return std::nullopt;
  return TakeFragment(room);
}

LogWriter::Group PayloadCutter::TakeUnits(size_t limit) {
  LogWriter::Group group;
  group.first_sequence = sequence_;
  size_t size = 0;
  while (size < rest_.size()) {
    const size_t unit = FramedSize(rest_.substr(size));
    if (unit > limit - size) break;
    size += unit;
    ++group.units;
  }
  group.payload = rest_.substr(0, size);
  rest_.remove_prefix(size);
  sequence_ += group.units;
  return group;
}

LogWriter::Group PayloadCutter::TakeFragment(size_t limit) {
  LogWriter::Group group;
  group.first_sequence = sequence_;
  group.begins_inside_unit = fragment_left_ > 0;
  if (fragment_left_ == 0) fragment_left_ = FramedSize(rest_);
  const size_t size = std::min(limit, fragment_left_);
  group.payload = rest_.substr(0, size);
  rest_.remove_prefix(size);
  fragment_left_ -= size;
  group.ends_inside_unit = fragment_left_ > 0;
  if (fragment_left_ == 0) {
    group.units = 1;
    ++sequence_;
  }
  return group;
}

}  // namespace lsm
