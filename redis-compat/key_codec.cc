// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/key_codec.h"

#include <cassert>

#include "resp/integer.h"

namespace redis {

namespace {

constexpr uint8_t kExpiryFlag = 1;
constexpr size_t kHeaderStart = 2;
constexpr size_t kEmbstrLimit = 44;

template <typename T>
void AppendBigEndian(T value, std::string* out) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

template <typename T>
void AppendLittleEndian(T value, std::string* out) {
  for (size_t i = 0; i < sizeof(T); ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// REQUIRES: bytes.size() >= sizeof(T)
template <typename T>
T ReadBigEndian(std::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8 | static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

// REQUIRES: bytes.size() >= sizeof(T)
template <typename T>
T ReadLittleEndian(std::string_view bytes) {
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(value << 8 | static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

lsm::Status Malformed(std::string_view what) {
  return lsm::Status::Corruption("malformed " + std::string(what));
}

bool IsKnown(uint8_t type, uint8_t encoding) {
  return type == static_cast<uint8_t>(ValueType::kString) &&
         encoding <= static_cast<uint8_t>(Encoding::kEmbstr);
}

}  // namespace

std::string_view ToString(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return "string";
    case ValueType::kList:
      return "list";
    case ValueType::kSet:
      return "set";
    case ValueType::kSortedSet:
      return "zset";
    case ValueType::kHash:
      return "hash";
  }
  return "unknown";
}

std::string_view ToString(Encoding encoding) {
  switch (encoding) {
    case Encoding::kRaw:
      return "raw";
    case Encoding::kInt:
      return "int";
    case Encoding::kEmbstr:
      return "embstr";
  }
  return "unknown";
}

void EncodeHeader(const Header& header, std::string* out) {
  out->clear();
  out->push_back(static_cast<char>(static_cast<uint8_t>(header.type) |
                                   static_cast<uint8_t>(header.encoding) << 4));
  out->push_back(static_cast<char>(header.expiry_ms ? kExpiryFlag : 0));
  if (header.expiry_ms) AppendLittleEndian(static_cast<uint64_t>(*header.expiry_ms), out);
  out->append(header.payload);
}

lsm::Result<Header> DecodeHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderStart) return Malformed("key header");
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto flags = static_cast<uint8_t>(bytes[1]);
  if (!IsKnown(first & 0x0f, first >> 4) || (flags & ~kExpiryFlag) != 0) {
    return Malformed("key header");
  }
  Header header;
  header.type = static_cast<ValueType>(first & 0x0f);
  header.encoding = static_cast<Encoding>(first >> 4);
  bytes.remove_prefix(kHeaderStart);
  if ((flags & kExpiryFlag) != 0) {
    if (bytes.size() < sizeof(uint64_t)) return Malformed("key header");
    header.expiry_ms = static_cast<int64_t>(ReadLittleEndian<uint64_t>(bytes));
    bytes.remove_prefix(sizeof(uint64_t));
  }
  header.payload = bytes;
  return header;
}

void EncodeUserKey(std::string_view key, std::string* out) {
  out->clear();
  out->push_back(kUserKeyPrefix);
  out->append(key);
}

std::string_view DecodeUserKey(std::string_view stored) {
  assert(!stored.empty() && stored[0] == kUserKeyPrefix);
  return stored.substr(1);
}

void EncodeExpiryKey(int64_t time_ms, std::string_view key, std::string* out) {
  assert(time_ms >= 0);
  out->clear();
  out->push_back(kExpiryPrefix);
  AppendBigEndian(static_cast<uint64_t>(time_ms), out);
  out->append(key);
}

lsm::Result<ExpiryKeyView> DecodeExpiryKey(std::string_view stored) {
  if (stored.size() < 1 + sizeof(uint64_t) || stored[0] != kExpiryPrefix) {
    return Malformed("expiry index key");
  }
  stored.remove_prefix(1);
  const auto time_ms = static_cast<int64_t>(ReadBigEndian<uint64_t>(stored));
  if (time_ms < 0) return Malformed("expiry index key");
  return ExpiryKeyView{time_ms, stored.substr(sizeof(uint64_t))};
}

void EncodeCursorPrefixKey(uint32_t id, std::string* out) {
  out->clear();
  out->push_back(kCursorPrefix);
  AppendBigEndian(id, out);
}

lsm::Result<uint32_t> DecodeCursorPrefixKey(std::string_view stored) {
  if (stored.size() != 1 + sizeof(uint32_t) || stored[0] != kCursorPrefix) {
    return Malformed("cursor prefix key");
  }
  return ReadBigEndian<uint32_t>(stored.substr(1));
}

std::string EncodeDatabaseKey(uint32_t number) {
  std::string key(kDatabaseRecordPrefix);
  AppendBigEndian(number, &key);
  return key;
}

lsm::Result<uint32_t> DecodeDatabaseKey(std::string_view stored) {
  if (stored.size() != 1 + sizeof(uint32_t) || !stored.starts_with(kDatabaseRecordPrefix)) {
    return Malformed("database record");
  }
  return ReadBigEndian<uint32_t>(stored.substr(1));
}

std::string EncodeFixed32(uint32_t value) {
  std::string bytes;
  AppendLittleEndian(value, &bytes);
  return bytes;
}

std::string EncodeFixed64(uint64_t value) {
  std::string bytes;
  AppendLittleEndian(value, &bytes);
  return bytes;
}

lsm::Result<uint32_t> DecodeFixed32(std::string_view bytes, std::string_view what) {
  if (bytes.size() != sizeof(uint32_t)) return Malformed(what);
  return ReadLittleEndian<uint32_t>(bytes);
}

lsm::Result<uint64_t> DecodeFixed64(std::string_view bytes, std::string_view what) {
  if (bytes.size() != sizeof(uint64_t)) return Malformed(what);
  return ReadLittleEndian<uint64_t>(bytes);
}

Encoding EncodingOfString(std::string_view value) {
  if (int64_t number = 0; resp::ParseInteger(value, &number)) return Encoding::kInt;
  return EncodingOfText(value);
}

Encoding EncodingOfText(std::string_view value) {
  return value.size() <= kEmbstrLimit ? Encoding::kEmbstr : Encoding::kRaw;
}

std::string SuccessorOfPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace redis
