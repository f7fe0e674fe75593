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
  // Of aggregates; maps and attributes alternate key and value. An attribute stands in front of the
  // element it describes and does not count as one of those that the header announced.
  std::vector<Value> elements;

  bool operator==(const Value& other) const;

  // One line, with redis-cli's marks for types: [(integer) 1, "two", (nil), {"k" => (true)}].
  std::string ToString() const;
};

enum class ReplyOutcome { kReply, kNeedMore, kError };

// Decodes one reply from the front of `input`. `value` and `consumed` are set for kReply, `error`
// for kError. An attribute in front of a reply is a reply of its own. Depth is limited to 64 and
// every announced length is checked against `max_elements` before it is believed.
ReplyOutcome ParseReply(std::string_view input, Value* value, size_t* consumed, std::string* error,
                        size_t max_elements = 1024 * 1024);

}  // namespace resp
