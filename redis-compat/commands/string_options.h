// SPDX-License-Identifier: BSD-3-Clause
// The options that SET and GETEX share.
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "redis-compat/command.h"

namespace redis {

struct ExpiryArgument {
  enum class Unit { kSeconds, kMilliseconds };
  std::string_view text;
  Unit unit;
  bool is_absolute;
};

struct StringOptions {
  enum class For { kSet, kGetEx };
  std::optional<ExpiryArgument> expiry;
  bool only_if_absent = false;   // NX
  bool only_if_present = false;  // XX
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
};

// Reads the options from args[first] on. False after a syntax error was replied.
bool ParseStringOptions(CommandContext& c, StringOptions::For command, size_t first,
                        StringOptions* options);

// The time that an expiry argument means. False after an error was replied.
bool ResolveExpiry(CommandContext& c, const ExpiryArgument& argument,
                   std::optional<int64_t>* expiry_ms);

// "ERR invalid expire time in 'set' command"
void ReplyInvalidExpireTime(CommandContext& c);

}  // namespace redis
