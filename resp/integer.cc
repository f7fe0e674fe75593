// SPDX-License-Identifier: BSD-3-Clause

#include "resp/integer.h"

#include <charconv>
#include <system_error>

namespace resp {

bool ParseInteger(std::string_view text, int64_t* value) {
  const std::string_view digits = !text.empty() && text[0] == '-' ? text.substr(1) : text;
  // std::from_chars takes leading zeros and "-0", which are not canonical.
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return false;
  if (digits[0] == '0' && text.size() != 1) return false;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, *value);
  return failure == std::errc() && stop == end;
}

}  // namespace resp
