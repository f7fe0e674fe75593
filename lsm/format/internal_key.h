// SPDX-License-Identifier: BSD-3-Clause
// A record is {user key, sequence number, type, value}. Records are ordered by user key ascending
// (bytewise), then by sequence number descending: the newest record of a key comes first.
//
// As bytes in an SST file, an internal key is
//
//     user key | fixed64: sequence << 8 | type
//
// No two records of one tree share user key and sequence.

#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/format/coding.h"
#include "lsm/types.h"

namespace lsm {

// Persisted: never renumber.
enum class RecordType : uint8_t {
  kValue = 0,
  kTombstone = 1,
  kPatch = 2,  // reserved: a change to a whole record of the same memtable; only in the log
  kBlob = 3,   // the value is where a BlobPointer (table_format.h) says; only in SST files
};

inline constexpr size_t kInternalTrailerSize = 8;

struct ParsedInternalKey {
  std::string_view user_key;
  SequenceNumber sequence = 0;
  RecordType type = RecordType::kValue;
};

inline void AppendInternalKey(std::string* to, std::string_view user_key, SequenceNumber sequence,
                              RecordType type) {
  assert(sequence <= kMaxSequence);
  to->append(user_key);
  PutFixed64(to, (sequence << 8) | static_cast<uint64_t>(type));
}

// False if the bytes are no internal key (too short, or of unknown type).
[[nodiscard]] inline bool ParseInternalKey(std::string_view bytes, ParsedInternalKey* key) {
  if (bytes.size() < kInternalTrailerSize) return false;
  const size_t user_size = bytes.size() - kInternalTrailerSize;
  const uint64_t trailer = DecodeFixed64(bytes.data() + user_size);
  const uint64_t type = trailer & 0xff;
  if (type > static_cast<uint64_t>(RecordType::kTombstone) &&
      type != static_cast<uint64_t>(RecordType::kBlob)) {
    return false;
  }
  key->user_key = bytes.substr(0, user_size);
  key->sequence = trailer >> 8;
  key->type = static_cast<RecordType>(type);
  return true;
}

// Below zero, zero or above: (a_key, a_sequence) comes before, is, or comes after the other.
inline int CompareInternal(std::string_view a_key, SequenceNumber a_sequence,
                           std::string_view b_key, SequenceNumber b_sequence) {
  if (const int order = a_key.compare(b_key); order != 0) return order;
  if (a_sequence == b_sequence) return 0;
  return a_sequence > b_sequence ? -1 : 1;
}

}  // namespace lsm
