// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/float_text.h"

#include <cassert>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace redis {

namespace {

// The longest text that Redis reads as a number.
constexpr size_t kMaxText = 5 * 1024 - 1;
constexpr int kDecimals = 17;

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

std::optional<long double> ParseLongDouble(std::string_view text) {
  if (text.empty() || text.size() > kMaxText || IsBlank(text[0])) return std::nullopt;
  const std::string terminated(text);
  char* end = nullptr;
  errno = 0;
  const long double value = std::strtold(terminated.c_str(), &end);
  if (end != terminated.c_str() + terminated.size()) return std::nullopt;
  // What is merely imprecise because it is so small is taken.
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  if (std::isnan(value)) return std::nullopt;
  return value;
}

std::string FormatLongDouble(long double value) {
  assert(std::isfinite(value));
  const int size = std::snprintf(nullptr, 0, "%.*Lf", kDecimals, value);
  std::string text(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), "%.*Lf", kDecimals, value);
  text.pop_back();  // the terminator
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

}  // namespace redis
