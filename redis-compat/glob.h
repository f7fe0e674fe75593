// SPDX-License-Identifier: BSD-3-Clause
// Glob patterns as KEYS, SCAN MATCH and CONFIG GET read them: * ? [a-z] [^a-z] and \ before a
// character that stands for itself. An unclosed [ is closed by the pattern's end.
//
// Time is at most pattern times text, whatever the pattern.
//
// Thread safety: pure functions.

#pragma once

#include <string>
#include <string_view>

namespace redis {

// Commands refuse longer patterns, so that a client cannot ask for the product of two large sizes.
inline constexpr size_t kMaxPatternSize = size_t{16} << 10;

enum class GlobCase { kExact, kIgnore };

bool GlobMatch(std::string_view pattern, std::string_view text,
               GlobCase sensitivity = GlobCase::kExact);

// The bytes that every match begins with: up to the first wildcard. `is_whole_pattern` is set if
// the pattern has no wildcard, so that only this text itself matches.
std::string GlobLiteralPrefix(std::string_view pattern, bool* is_whole_pattern);

}  // namespace redis
