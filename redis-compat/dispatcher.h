// SPDX-License-Identifier: BSD-3-Clause
// Dispatcher takes a session's commands out of its input and executes them:
// find the row > arity > protection > authentication > write gate > handler > commit > count.
//
// Between MULTI and EXEC a command ends its way before the write gate: it is queued. EXEC takes the
// way of a command, and its handler has the queued ones run against its unit (transaction.h).
//
// Invariant: a command that is not executed to its end leaves no trace in data and output, but for
// the error that says so.
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "redis-compat/command.h"
#include "redis-compat/instance.h"
#include "redis-compat/lookahead.h"
#include "redis-compat/write_unit.h"

namespace redis {

class CommandNames;
class Transaction;

class Dispatcher {
 public:
  explicit Dispatcher(Instance* instance);

  Instance::RunResult Run(Session* session);
  // See Instance::Prefetch.
  void Prefetch(std::span<Session* const> sessions) { ahead_.Prefetch(sessions); }

  // When the last command ended, and so the next one begins: commands follow each other at once,
  // and one look at the clock serves both. Whoever takes time between them calls ForgetTime.
  int64_t now_us() {
    if (last_us_ == kUnknown) last_us_ = instance_->clock().MonotonicMicros();
    return last_us_;
  }
  void ForgetTime() { last_us_ = kUnknown; }

  // For EXEC: runs what was queued and replies with the array of replies. After an error the reply
  // is unfinished, as is the unit; both are to be dropped.
  lsm::Status RunQueued(CommandContext& exec, const Transaction& transaction);
  // Whether a call of the command may write: it is a write command, or EXEC of some.
  static bool MayWrite(const Session& session, const CommandSpec& spec) {
    return spec.Is(kWrite) || (session.transaction_ != nullptr && WritesByExec(session, spec));
  }

 private:
  using Arguments = std::span<const std::string_view>;
  enum class Done { kExecuted, kMustWait };

  Done Execute(Session* session, Arguments args);
  // Null after an error was replied.
  const CommandSpec* Find(Session* session, Arguments args);
  bool IsAllowed(Session* session, const CommandSpec& spec);
  Done Call(Session* session, const CommandSpec& spec, Arguments args);
  // A monitor may look at what others do and not at keys. True if the command was refused.
  bool IsRefusedToMonitor(Session* session, const CommandSpec& spec);
  // CLIENT PAUSE stops the command: it waits.
  bool IsPostponed(Session* session, const CommandSpec& spec);
  // The front of the input waits: how large it is.
  void NoteWaiting(Session* session) const;
  // Executes a command that has waited.
  lsm::Status Resume(CommandContext& context);
  // Takes back what was replied from there on.
  static void DropReply(Session* session, uint64_t begin);
  // After a command of a session that is marked as waiting: whether it waits (again).
  bool StillWaits(const CommandContext& context, bool is_resumed);
  void Reject(Session* session, const CommandSpec* spec, std::string_view error);
  // Queues or refuses what must not be executed now. REQUIRES: the session has a transaction
  bool IsForTransaction(Session* session, const CommandSpec& spec, Arguments args);
  static bool IsExec(const CommandSpec* spec);
  static bool WritesByExec(const Session& session, const CommandSpec& spec);
  // A command was refused: what becomes of the transaction, and the error to reply.
  std::string RejectInTransaction(Session* session, const CommandSpec* spec,
                                  std::string_view error);
  // What EXEC replies when it cannot be executed for the reason of `error`.
  static std::string TransactionDiscarded(std::string_view error);
  // The call is over: counts it, and its time since the last one.
  void CountCall(Session* session, const CommandSpec& spec, Arguments args);
  // Counts the reply that begins there, if it is an error.
  void CountError(Session* session, const CommandSpec* spec, uint64_t begin);
  void FinishReply(Session* session, const CommandSpec* spec, uint64_t begin);
  void ApplyParserLimits(Session* session);

  static constexpr int64_t kUnknown = -1;

  Instance* const instance_;
  const CommandNames* names_ = nullptr;  // null unless commands were renamed
  Lookahead ahead_;
  WriteUnit unit_;              // of the command being executed; kept for its buffers
  int64_t last_us_ = kUnknown;  // monotonic, when the last command ended
};

}  // namespace redis
