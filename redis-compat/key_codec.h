// SPDX-License-Identifier: BSD-3-Clause
// The bytes of every key and value in a database's tree and in the directory, as ENCODING.md draws
// them. Nothing else builds or takes apart stored bytes.
//
// Encoders of keys replace what `out` holds, so that callers can reuse a buffer.
// Thread safety: pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/types.h"

namespace redis {

inline constexpr uint32_t kEncodingVersion = 1;

// First bytes of the keys of a database's tree. Persisted.
inline constexpr char kUserKeyPrefix = 'k';
inline constexpr char kExpiryPrefix = 'x';
inline constexpr char kCursorPrefix = 'p';

// Tree counters. Persisted.
inline constexpr size_t kKeyCounter = 0;
inline constexpr size_t kExpiryCounter = 1;

// Persisted: never renumber.
enum class ValueType : uint8_t { kString = 0, kList = 1, kSet = 2, kSortedSet = 3, kHash = 4 };
enum class Encoding : uint8_t { kRaw = 0, kInt = 1, kEmbstr = 2 };

// As TYPE and OBJECT ENCODING name them.
std::string_view ToString(ValueType type);
std::string_view ToString(Encoding encoding);

struct Header {
  ValueType type = ValueType::kString;
  Encoding encoding = Encoding::kRaw;
  std::optional<int64_t> expiry_ms;
  std::string_view payload;
};

void EncodeHeader(const Header& header, std::string* out);
// The payload is a view into `bytes`. kCorruption for bytes that EncodeHeader cannot have made.
lsm::Result<Header> DecodeHeader(std::string_view bytes);

// Database trees.
void EncodeUserKey(std::string_view key, std::string* out);
// REQUIRES: `stored` begins with kUserKeyPrefix
std::string_view DecodeUserKey(std::string_view stored);

void EncodeExpiryKey(int64_t time_ms, std::string_view key, std::string* out);
struct ExpiryKeyView {
  int64_t time_ms;
  std::string_view key;
};
lsm::Result<ExpiryKeyView> DecodeExpiryKey(std::string_view stored);

void EncodeCursorPrefixKey(uint32_t id, std::string* out);
lsm::Result<uint32_t> DecodeCursorPrefixKey(std::string_view stored);

// The directory.
inline constexpr std::string_view kFormatRecord = "sformat";
inline constexpr std::string_view kTimeRecord = "stime";
inline constexpr std::string_view kDatabaseRecordPrefix = "d";

std::string EncodeDatabaseKey(uint32_t number);
lsm::Result<uint32_t> DecodeDatabaseKey(std::string_view stored);
std::string EncodeFixed32(uint32_t value);
std::string EncodeFixed64(uint64_t value);
// `what` names the record in the error.
lsm::Result<uint32_t> DecodeFixed32(std::string_view bytes, std::string_view what);
lsm::Result<uint64_t> DecodeFixed64(std::string_view bytes, std::string_view what);

// The encoding that SET gives a string: int if it is the canonical text of a signed 64-bit number,
// embstr up to 44 bytes, else raw.
Encoding EncodingOfString(std::string_view value);
// The same for text that stays text, also where it is an integer's.
Encoding EncodingOfText(std::string_view value);

// The first key behind every key that begins with `prefix`; empty if there can be none.
std::string SuccessorOfPrefix(std::string prefix);

}  // namespace redis
