// SPDX-License-Identifier: BSD-3-Clause
// Monitors are the clients that MONITOR shows every executed command to, as a line each:
//
//   +1700000000.123456 [0 127.0.0.1:51234] "set" "key" "value"
//
// A line follows the command's execution, so that SELECT's names the new database; a command that
// waits is shown when it begins to wait. Administrators' commands are not shown, secrets are
// replaced. A line says what was asked and nothing about what is stored: it waits for no sync.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redis-compat/command.h"
#include "redis-compat/host.h"

namespace redis {

// The line for a command. `now_us` is the time since 1970.
std::string MonitorLine(const Session& session, const CommandSpec& spec,
                        std::span<const std::string_view> args, int64_t now_us);

class Monitors {
 public:
  explicit Monitors(Instance* instance) : instance_(instance) {}

  bool any() const { return !clients_.empty(); }
  void Add(Session* session);
  // No-op if it is none.
  void Remove(Session* session);
  enum class Call {
    kWhole,   // the command's reply is finished
    kQueued,  // by EXEC, whose reply is not: lines to the caller itself come when it is
  };
  // `session` has executed a command, or begins to wait with one.
  void Feed(const Session& session, const CommandSpec& spec, std::span<const std::string_view> args,
            Call call);

 private:
  Instance* const instance_;
  std::vector<ClientId> clients_;  // in the order they came
  std::string own_lines_;          // of the EXEC that a monitor itself runs
};

}  // namespace redis
