// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/glob.h"

#include <algorithm>

namespace redis {
namespace {

char Fold(char c, GlobCase sensitivity) {
  if (sensitivity == GlobCase::kExact || c < 'A' || c > 'Z') return c;
  return static_cast<char>(c - 'A' + 'a');
}

// Whether `c` is in the class that begins behind a '['. Sets `length` to what the class takes of
// the pattern, its ']' included. Bounds are compared as signed characters and swapped if they are
// in the wrong order, because Redis does so and its users' patterns rely on the outcome.
bool MatchClass(std::string_view pattern, char c, GlobCase sensitivity, size_t* length) {
  size_t i = 0;
  const bool negated = !pattern.empty() && pattern[0] == '^';
  if (negated) ++i;
  bool found = false;
  while (i < pattern.size() && pattern[i] != ']') {
    const size_t left = pattern.size() - i;
    if (pattern[i] == '\\' && left >= 2) {
      found |= pattern[i + 1] == c;
      i += 2;
    } else if (left >= 3 && pattern[i + 1] == '-') {
      const auto as_signed = [&](char bound) {
        return static_cast<signed char>(Fold(bound, sensitivity));
      };
      const signed char from = as_signed(pattern[i]);
      const signed char to = as_signed(pattern[i + 2]);
      const signed char folded = as_signed(c);
      found |= folded >= std::min(from, to) && folded <= std::max(from, to);
      i += 3;
    } else {
      found |= Fold(pattern[i], sensitivity) == Fold(c, sensitivity);
      ++i;
    }
  }
  *length = std::min(i + 1, pattern.size());
  return found != negated;
}

// Matches the one pattern element at the front, which is not '*', with one character.
bool MatchOne(std::string_view pattern, char c, GlobCase sensitivity, size_t* length) {
  *length = 1;
  switch (pattern[0]) {
    case '?':
      return true;
    case '[': {
      const bool matches = MatchClass(pattern.substr(1), c, sensitivity, length);
      ++*length;
      return matches;
    }
    case '\\':
      if (pattern.size() >= 2) {
        *length = 2;
        return Fold(pattern[1], sensitivity) == Fold(c, sensitivity);
      }
      break;
    default:
      break;
  }
  return Fold(pattern[0], sensitivity) == Fold(c, sensitivity);
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, GlobCase sensitivity) {
  // 1. Walk pattern and text together.
  // 2. At a '*', remember both places and go on as if it stood for nothing.
  // 3. At a mismatch, go back to the last '*' and let it stand for one character more. Earlier ones
  //    need not be tried again: whatever they could reach, the last one reaches too.
  //
  // Nothing but an empty pattern and a lone '*' matches an empty text, as in Redis.
  if (text.empty()) return pattern.empty() || pattern == "*";
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    size_t length = 0;
    if (p < pattern.size() && MatchOne(pattern.substr(p), text[t], sensitivity, &length)) {
      p += length;
      ++t;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string GlobLiteralPrefix(std::string_view pattern, bool* is_whole_pattern) {
  std::string prefix;
  size_t i = 0;
  while (i < pattern.size() && pattern[i] != '*' && pattern[i] != '?' && pattern[i] != '[') {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    prefix += pattern[i++];
  }
  *is_whole_pattern = i == pattern.size();
  return prefix;
}

}  // namespace redis
