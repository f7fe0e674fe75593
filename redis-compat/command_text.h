// SPDX-License-Identifier: BSD-3-Clause
// The names that COMMAND gives to flags, categories and groups.
//
// Thread safety: pure functions.

#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "redis-compat/command.h"

namespace redis {

std::vector<std::string_view> CommandFlagNames(uint32_t flags);
std::vector<std::string_view> KeyFlagNames(uint32_t flags);
// With the "@" in front.
std::vector<std::string_view> AclCategoryNames(uint32_t categories);
// Without the "@", in any case.
std::optional<AclCategory> ParseAclCategory(std::string_view name);
std::string_view ToString(CommandGroup group);

// Positions of the keys among a whole command's arguments. Empty if it has none.
// REQUIRES: the row accepts that many arguments
std::vector<size_t> KeyPositions(const CommandSpec& spec, size_t argument_count);

}  // namespace redis
