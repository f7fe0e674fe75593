// SPDX-License-Identifier: BSD-3-Clause
// A database's number among a command's arguments.
// Thread safety: pure functions on the command's own state.

#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "redis-compat/command.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "resp/integer.h"

namespace redis {

inline bool IsDatabase(const CommandContext& c, int64_t number) {
  return number >= 0 && number < c.instance.settings().databases;
}

// Absent if it is none; the error is replied.
inline std::optional<int> ParseDatabase(CommandContext& c, std::string_view text) {
  using Limits = std::numeric_limits<int32_t>;
  int64_t number = 0;
  if (!resp::ParseInteger(text, &number)) {
    c.reply.Error(errors::kNotInteger);
  } else if (number < Limits::min() || number > Limits::max()) {
    c.reply.Error("ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (!IsDatabase(c, number)) {
    c.reply.Error(errors::kNoSuchDatabase);
  } else {
    return static_cast<int>(number);
  }
  return std::nullopt;
}

}  // namespace redis
