// SPDX-License-Identifier: BSD-3-Clause
// Integers as bytes. Fixed-width ones are little-endian; varints are LEB128, at most 5 or 10 bytes,
// and the shortest form is not demanded of input.
//
// The Get functions take from the front of `input` and return false, leaving it undefined, if it is
// too short or malformed: no length is believed before it is checked against what is there.

#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace lsm {

static_assert(std::endian::native == std::endian::little, "the codecs copy little-endian integers");

inline void EncodeFixed32(char* to, uint32_t value) { std::memcpy(to, &value, sizeof value); }
inline void EncodeFixed64(char* to, uint64_t value) { std::memcpy(to, &value, sizeof value); }
inline uint32_t DecodeFixed32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline uint64_t DecodeFixed64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void PutFixed32(std::string* to, uint32_t value);
void PutFixed64(std::string* to, uint64_t value);
void PutVarint32(std::string* to, uint32_t value);
void PutVarint64(std::string* to, uint64_t value);
// Signed integers, small magnitudes short (zigzag).
void PutVarintSigned64(std::string* to, int64_t value);
// Varint length, then the bytes.
void PutLengthPrefixed(std::string* to, std::string_view bytes);

[[nodiscard]] bool GetFixed32(std::string_view* input, uint32_t* value);
[[nodiscard]] bool GetFixed64(std::string_view* input, uint64_t* value);
[[nodiscard]] bool GetVarint32(std::string_view* input, uint32_t* value);
// What GetVarint64 does not inline.
[[nodiscard]] bool GetLongVarint64(std::string_view* input, uint64_t* value);
// Most are one byte.
[[nodiscard]] inline bool GetVarint64(std::string_view* input, uint64_t* value) {
  if (input->empty() || static_cast<unsigned char>(input->front()) >= 0x80) {
    return GetLongVarint64(input, value);
  }
  *value = static_cast<unsigned char>(input->front());
  input->remove_prefix(1);
  return true;
}
[[nodiscard]] bool GetVarintSigned64(std::string_view* input, int64_t* value);
// `bytes` points into `input`.
[[nodiscard]] bool GetLengthPrefixed(std::string_view* input, std::string_view* bytes);

size_t VarintLength(uint64_t value);
inline constexpr size_t kMaxVarintLength = 10;
// Returns one past the last byte written. REQUIRES: room for VarintLength(value) bytes.
inline char* EncodeVarint64(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

}  // namespace lsm
