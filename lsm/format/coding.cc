// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/coding.h"

namespace lsm {

void PutFixed32(std::string* to, uint32_t value) {
  char bytes[sizeof value];
  EncodeFixed32(bytes, value);
  to->append(bytes, sizeof bytes);
}

void PutFixed64(std::string* to, uint64_t value) {
  char bytes[sizeof value];
  EncodeFixed64(bytes, value);
  to->append(bytes, sizeof bytes);
}

size_t VarintLength(uint64_t value) {
  size_t length = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++length;
  }
  return length;
}

void PutVarint64(std::string* to, uint64_t value) {
  char bytes[kMaxVarintLength];
  const char* end = EncodeVarint64(bytes, value);
  to->append(bytes, static_cast<size_t>(end - bytes));
}

void PutVarint32(std::string* to, uint32_t value) { PutVarint64(to, value); }

void PutVarintSigned64(std::string* to, int64_t value) {
  const uint64_t bits = static_cast<uint64_t>(value);
  PutVarint64(to, (bits << 1) ^ (value < 0 ? ~uint64_t{0} : 0));
}

void PutLengthPrefixed(std::string* to, std::string_view bytes) {
  PutVarint64(to, bytes.size());
  to->append(bytes);
}

bool GetFixed32(std::string_view* input, uint32_t* value) {
  if (input->size() < sizeof *value) return false;
  *value = DecodeFixed32(input->data());
  input->remove_prefix(sizeof *value);
  return true;
}

bool GetFixed64(std::string_view* input, uint64_t* value) {
  if (input->size() < sizeof *value) return false;
  *value = DecodeFixed64(input->data());
  input->remove_prefix(sizeof *value);
  return true;
}

bool GetLongVarint64(std::string_view* input, uint64_t* value) {
  uint64_t result = 0;
  for (unsigned shift = 0; shift <= 63; shift += 7) {
    if (input->empty()) return false;
    const uint64_t byte = static_cast<unsigned char>(input->front());
    input->remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    result |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      *value = result;
      return true;
    }
  }
  return false;
}

bool GetVarint32(std::string_view* input, uint32_t* value) {
  uint64_t wide;
  if (!GetVarint64(input, &wide) || wide > UINT32_MAX) return false;
  *value = static_cast<uint32_t>(wide);
  return true;
}

bool GetVarintSigned64(std::string_view* input, int64_t* value) {
  uint64_t bits;
  if (!GetVarint64(input, &bits)) return false;
  *value = static_cast<int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  return true;
}

bool GetLengthPrefixed(std::string_view* input, std::string_view* bytes) {
  uint64_t length;
  if (!GetVarint64(input, &length) || length > input->size()) return false;
  *bytes = input->substr(0, length);
  input->remove_prefix(length);
  return true;
}

}  // namespace lsm
