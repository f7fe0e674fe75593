// SPDX-License-Identifier: BSD-3-Clause
// Dispatcher takes a session's commands out of its input and executes them:
// find the row > arity > protection > authentication > write gate > handler > commit > count.
//
// Invariant: a command that is not executed to its end leaves no trace in data and output, but for
// the error that says so.
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "redis-compat/command.h"
#include "redis-compat/instance.h"
#include "redis-compat/write_unit.h"

namespace redis {

class Dispatcher {
 public:
  explicit Dispatcher(Instance* instance) : instance_(instance), unit_(instance) {}

  Instance::RunResult Run(Session* session);

 private:
  using Arguments = std::span<const std::string_view>;
  enum class Done { kExecuted, kMustWait };

  Done Execute(Session* session, Arguments args);
  // Null after an error was replied.
  const CommandSpec* Find(Session* session, Arguments args);
  bool IsAllowed(Session* session, const CommandSpec& spec);
  Done Call(Session* session, const CommandSpec& spec, Arguments args);
  // CLIENT PAUSE stops the command: it waits.
  bool IsPostponed(Session* session, const CommandSpec& spec);
  // Executes a command that has waited.
  lsm::Status Resume(CommandContext& context);
  // After a command of a session that is marked as waiting: whether it waits (again).
  bool StillWaits(Session* session);
  void Reject(Session* session, const CommandSpec* spec, std::string_view error);
  void FinishReply(Session* session, const CommandSpec* spec, uint64_t begin);
  void ApplyParserLimits(Session* session);

  Instance* const instance_;
  WriteUnit unit_;       // of the command being executed; kept for its buffers
  int64_t last_us_ = 0;  // monotonic, when the last command ended
};

}  // namespace redis
