// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/log_format.h"

#include <cassert>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"

namespace lsm {
namespace {

constexpr uint32_t kGroupMagic = 0x4756564c;
constexpr size_t kMagicAt = 0;
constexpr size_t kPayloadSizeAt = 4;
constexpr size_t kGenerationAt = 8;
constexpr size_t kFirstSequenceAt = 16;
constexpr size_t kUnitsAt = 24;
constexpr size_t kFlagsAt = 28;
constexpr size_t kPreviousChecksumAt = 32;
constexpr size_t kSyncedThroughAt = 40;
constexpr size_t kPayloadChecksumAt = 48;
constexpr size_t kChecksumAt = 56;

// A group holds whole units, or bytes of one unit only.
bool WellFormed(const LogGroupHeader& header) {
  constexpr uint32_t kKnownFlags = kLogGroupBeginsInsideUnit | kLogGroupEndsInsideUnit;
  if ((header.flags & ~kKnownFlags) != 0 || header.payload_size == 0) return false;
  if ((header.flags & kLogGroupEndsInsideUnit) != 0) {
    if (header.units != 0) return false;
  } else if ((header.flags & kLogGroupBeginsInsideUnit) != 0) {
    if (header.units != 1) return false;
  } else if (header.units == 0) {
    return false;
  }
  return header.first_sequence > 0 && header.first_sequence <= kMaxSequence &&
         header.units <= kMaxSequence - header.first_sequence + 1 &&
         header.synced_through < header.first_sequence;
}

}  // namespace

uint64_t LogPaddedSize(uint64_t payload_size) {
  return (payload_size + kLogGroupAlignment - 1) / kLogGroupAlignment * kLogGroupAlignment;
}

void EncodeLogGroup(LogGroupHeader* header, std::string_view payload, uint64_t offset,
                    std::string* group) {
  assert(payload.size() <= UINT32_MAX && offset % kLogGroupAlignment == 0);
  header->payload_size = static_cast<uint32_t>(payload.size());
  group->resize(kLogGroupHeaderSize);
  group->append(payload);
  group->resize(kLogGroupHeaderSize + LogPaddedSize(payload.size()));
  const std::string_view padded = std::string_view(*group).substr(kLogGroupHeaderSize);
  header->payload_checksum = Checksum(padded, header->generation, offset + kLogGroupHeaderSize);

  char* to = group->data();
  EncodeFixed32(to + kMagicAt, kGroupMagic);
  EncodeFixed32(to + kPayloadSizeAt, header->payload_size);
  EncodeFixed64(to + kGenerationAt, header->generation);
  EncodeFixed64(to + kFirstSequenceAt, header->first_sequence);
  EncodeFixed32(to + kUnitsAt, header->units);
  EncodeFixed32(to + kFlagsAt, header->flags);
  EncodeFixed64(to + kPreviousChecksumAt, header->previous_checksum);
  EncodeFixed64(to + kSyncedThroughAt, header->synced_through);
  EncodeFixed64(to + kPayloadChecksumAt, header->payload_checksum);
  header->checksum = Checksum(std::string_view(to, kChecksumAt), header->generation, offset);
  EncodeFixed64(to + kChecksumAt, header->checksum);
}

std::string_view Describe(LogGroupCheck check) {
  switch (check) {
    case LogGroupCheck::kValid:
      return "a group";
    case LogGroupCheck::kNothing:
      return "no group";
    case LogGroupCheck::kOtherGeneration:
      return "a group of another generation";
    case LogGroupCheck::kBadHeader:
      return "a group whose header's checksum is wrong";
    case LogGroupCheck::kMalformed:
      return "a group whose header makes no sense";
  }
  return "";
}

LogGroupCheck DecodeLogGroupHeader(std::string_view bytes, uint64_t generation, uint64_t offset,
                                   LogGroupHeader* header) {
  assert(bytes.size() >= kLogGroupHeaderSize);
  const char* from = bytes.data();
  if (DecodeFixed32(from + kMagicAt) != kGroupMagic) return LogGroupCheck::kNothing;
  header->payload_size = DecodeFixed32(from + kPayloadSizeAt);
  header->generation = DecodeFixed64(from + kGenerationAt);
  header->first_sequence = DecodeFixed64(from + kFirstSequenceAt);
  header->units = DecodeFixed32(from + kUnitsAt);
  header->flags = DecodeFixed32(from + kFlagsAt);
  header->previous_checksum = DecodeFixed64(from + kPreviousChecksumAt);
  header->synced_through = DecodeFixed64(from + kSyncedThroughAt);
  header->payload_checksum = DecodeFixed64(from + kPayloadChecksumAt);
  header->checksum = DecodeFixed64(from + kChecksumAt);
  if (Checksum(bytes.substr(0, kChecksumAt), header->generation, offset) != header->checksum) {
    return LogGroupCheck::kBadHeader;
  }
  if (header->generation != generation) return LogGroupCheck::kOtherGeneration;
  return WellFormed(*header) ? LogGroupCheck::kValid : LogGroupCheck::kMalformed;
}

size_t FindLogGroup(std::string_view bytes) {
  for (size_t at = 0; at + kLogGroupHeaderSize <= bytes.size(); at += kLogGroupAlignment) {
    if (DecodeFixed32(bytes.data() + at) == kGroupMagic) return at;
  }
  return std::string_view::npos;
}

bool LogPayloadMatches(const LogGroupHeader& header, uint64_t offset, std::string_view padded) {
  return padded.size() == LogPaddedSize(header.payload_size) &&
         Checksum(padded, header.generation, offset + kLogGroupHeaderSize) ==
             header.payload_checksum;
}

}  // namespace lsm
