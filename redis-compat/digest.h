// SPDX-License-Identifier: BSD-3-Clause
// Redis's digests of data sets, so that two servers can be compared: equal contents have equal
// digests, whatever the order of keys, and the same ones as in redis-server.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "redis-compat/sha1.h"

namespace redis {

class DataDigest {
 public:
  // Adds bytes whose order does not matter.
  void AddUnordered(std::string_view bytes);
  // Adds bytes whose order matters.
  void AddOrdered(std::string_view bytes);
  // Adds four bytes of a number, in order.
  void AddOrdered(uint32_t number);
  // Adds a digest of something; the order does not matter.
  void Combine(const DataDigest& other);

  const Sha1Digest& value() const { return value_; }

 private:
  Sha1Digest value_{};
};

// A string and whether it expires, added to `digest`.
void AddStringValue(std::string_view value, bool expires, DataDigest* digest);

}  // namespace redis
