// SPDX-License-Identifier: BSD-3-Clause
// CommandNames says under which names the rows of the command table may be called, after the
// `rename-command` lines of the configuration. What is shown of a command - COMMAND, statistics,
// errors about its arguments - keeps the name of its row, as in Redis.
//
// Thread safety: none; unchanged after the configuration is loaded.

#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "redis-compat/command.h"

namespace redis {

class CommandNames {
 public:
  // The command that is called `name` is called `new_name` from now on; if that is empty, it cannot
  // be called. The error's message is Redis's.
  lsm::Status Rename(std::string_view name, std::string_view new_name);

  // The row of a command, not of a subcommand, by the name that it has now; null if there is none.
  const CommandSpec* Find(std::string_view name) const;
  // The same for "container|sub" too.
  const CommandSpec* FindByFullName(std::string_view name) const;
  // Whether the command, or the one whose subcommand it is, can be called.
  bool CanCall(const CommandSpec& spec) const;
  // Nothing was renamed.
  bool empty() const { return gone_.empty(); }

 private:
  std::map<std::string, const CommandSpec*, std::less<>> added_;  // in lower case
  std::set<const CommandSpec*> gone_;  // not to be called by the name of the row
};

}  // namespace redis
