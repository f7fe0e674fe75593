// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/digest.h"

#include <array>

namespace redis {

void DataDigest::AddUnordered(std::string_view bytes) {
  const Sha1Digest added = Sha1(bytes);
  for (size_t i = 0; i < value_.size(); ++i) {
    value_[i] = static_cast<uint8_t>(value_[i] ^ added[i]);
  }
}

void DataDigest::AddOrdered(std::string_view bytes) {
  AddUnordered(bytes);
  // Hashing what there is so far makes the next step depend on this one.
  value_ = Sha1({reinterpret_cast<const char*>(value_.data()), value_.size()});
}

void DataDigest::AddOrdered(uint32_t number) {
  std::array<char, 4> big_endian;
  for (size_t i = 0; i < big_endian.size(); ++i) {
    big_endian[i] = static_cast<char>(number >> (24 - 8 * i));
  }
  AddOrdered(std::string_view(big_endian.data(), big_endian.size()));
}

void DataDigest::Combine(const DataDigest& other) {
  AddUnordered({reinterpret_cast<const char*>(other.value_.data()), other.value_.size()});
}

void AddStringValue(std::string_view value, bool expires, DataDigest* digest) {
  constexpr uint32_t kStringType = 0;
  digest->AddOrdered(kStringType);
  digest->AddOrdered(value);
  if (expires) digest->AddUnordered("!!expire!!");
}

}  // namespace redis
