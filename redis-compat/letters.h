// SPDX-License-Identifier: BSD-3-Clause
// Letters without their case, ASCII only and whatever the locale, as Redis compares names.
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace redis {

constexpr char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char ToUpper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

inline std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ToLower(c);
  return lower;
}
// What Redis's texts quote of what a client sent: they take it for a C string.
inline std::string_view UpToNul(std::string_view text) { return text.substr(0, text.find('\0')); }

inline std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = ToUpper(c);
  return upper;
}

constexpr bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

}  // namespace redis
