// SPDX-License-Identifier: BSD-3-Clause
// The groups of a log segment as bytes (FORMAT.md, "Log segment").
//
// A group's header has a checksum of its own, which covers the payload's checksum: a header can be
// believed - its length first of all - before a byte of the payload is read, and the chain over
// headers is a chain over payloads.
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/types.h"

namespace lsm {

inline constexpr size_t kLogGroupAlignment = 8;
inline constexpr size_t kLogGroupHeaderSize = 64;
// Persisted.
inline constexpr uint32_t kLogGroupBeginsInsideUnit = 1;
inline constexpr uint32_t kLogGroupEndsInsideUnit = 2;

struct LogGroupHeader {
  uint32_t payload_size = 0;
  uint32_t units = 0;  // that end in the payload
  uint32_t flags = 0;
  uint64_t generation = 0;
  SequenceNumber first_sequence = 0;
  SequenceNumber synced_through = 0;
  uint64_t previous_checksum = 0;
  uint64_t payload_checksum = 0;
  uint64_t checksum = 0;

  // Of the unit that is the last to end in or before this group.
  SequenceNumber last_sequence() const { return first_sequence + units - 1; }
};

// Payload and the zeros behind it.
uint64_t LogPaddedSize(uint64_t payload_size);

// Replaces `group` by the whole group. Sets the header's payload_size, payload_checksum and
// checksum. REQUIRES: payload.size() fits 32 bits
void EncodeLogGroup(LogGroupHeader* header, std::string_view payload, uint64_t offset,
                    std::string* group);

// What stands at a place where a group may begin.
enum class LogGroupCheck {
  kValid,
  kNothing,          // no magic: never written, or in the middle of something older
  kOtherGeneration,  // a whole header of the file's earlier life
  kBadHeader,        // the magic, but not the checksum
  kMalformed,        // checksum is right, but no writer writes this
};
std::string_view Describe(LogGroupCheck check);

// Decodes the header that stands at `offset` of the segment `generation`. Says nothing about the
// payload. REQUIRES: bytes.size() >= kLogGroupHeaderSize
LogGroupCheck DecodeLogGroupHeader(std::string_view bytes, uint64_t generation, uint64_t offset,
                                   LogGroupHeader* header);

// Where in `bytes`, at a multiple of 8, the magic of a header stands that lies wholly within; npos
// if nowhere. `bytes` begin at a multiple of 8 of the segment.
size_t FindLogGroup(std::string_view bytes);

// Whether `padded`, the LogPaddedSize bytes behind a header at `offset`, are what it announces.
bool LogPayloadMatches(const LogGroupHeader& header, uint64_t offset, std::string_view padded);

}  // namespace lsm
