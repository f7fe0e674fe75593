// SPDX-License-Identifier: BSD-3-Clause
// IntegerText holds a number's decimal digits without allocating.
// Thread safety: a plain value.

#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace redis {

class IntegerText {
 public:
  explicit IntegerText(int64_t value)
      : size_(static_cast<size_t>(std::to_chars(buffer_, buffer_ + sizeof(buffer_), value).ptr -
                                  buffer_)) {}
  std::string_view view() const { return {buffer_, size_}; }

 private:
  char buffer_[20];  // "-9223372036854775808"
  size_t size_;
};

}  // namespace redis
