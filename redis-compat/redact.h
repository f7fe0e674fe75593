// SPDX-License-Identifier: BSD-3-Clause
// What of a command may be shown to somebody else than its client: everything but passwords.
//
// Thread safety: pure functions.

#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "redis-compat/command.h"

namespace redis {

inline constexpr std::string_view kRedacted = "(redacted)";

// The arguments, secrets replaced by kRedacted. Views of `args`, or constants.
std::vector<std::string_view> ShownArguments(const CommandSpec& spec,
                                             std::span<const std::string_view> args);

}  // namespace redis
