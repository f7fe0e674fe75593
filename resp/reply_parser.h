// SPDX-License-Identifier: BSD-3-Clause
// ReplyParser decodes replies, both protocol versions, into Values. Used by replication and tests.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace resp {

struct Value {
  enum class Type {
    kNull,
    kSimple,
    kError,
    kInteger,
    kBulk,
    kArray,
    kMap,
    kSet,
    kPush,
    kDouble,
    kBoolean,
    kBigNumber,
    kVerbatim,
    kBlobError,
    kAttribute,
  };
  Type type = Type::kNull;
  std::string text;     // of simple, error, bulk, big number, verbatim (without the format)
  std::string format;   // of verbatim
  int64_t integer = 0;  // also of boolean
  double number = 0;
  std::vector<Value> elements;  // of aggregates; maps alternate key and value

  // One line, as redis-cli --no-raw would nest it: for transcripts and failures.
  std::string ToString() const;
};

enum class ReplyOutcome { kReply, kNeedMore, kError };

// Decodes one reply from the front of `input`. Depth is limited to 64 and every announced length is
// checked against `max_elements` before it is believed.
ReplyOutcome ParseReply(std::string_view input, Value* value, size_t* consumed, std::string* error,
                        size_t max_elements = 1024 * 1024);

}  // namespace resp
