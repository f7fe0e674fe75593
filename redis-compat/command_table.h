// SPDX-License-Identifier: BSD-3-Clause
// The table of all commands, one row each, and its lookup.
// Thread safety: constants.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "redis-compat/command.h"

namespace redis {

// Grouped by family; subcommands stand behind their container.
std::span<const CommandSpec> AllCommands();

// The row of a name in any case, null if there is none. Does not allocate.
const CommandSpec* FindCommand(std::string_view name);
// The row of "container|sub".
const CommandSpec* FindSubcommand(std::string_view container, std::string_view sub);
// Whether rows named "name|..." exist.
bool HasSubcommands(const CommandSpec& spec);

// The row's place in AllCommands(), for tables kept beside it.
size_t CommandIndex(const CommandSpec& spec);

}  // namespace redis
