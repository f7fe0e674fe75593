// SPDX-License-Identifier: BSD-3-Clause
// The dispatcher's part in transactions: queueing commands, and running them for EXEC.

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "redis-compat/access_tracker.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/dispatcher.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/monitors.h"
#include "redis-compat/transaction.h"

namespace redis {

namespace {

// What is executed at once between MULTI and EXEC.
bool RunsAtOnce(const CommandSpec& spec) {
  constexpr Handler* kHandlers[] = {transaction_commands::Exec,  transaction_commands::Discard,
                                    transaction_commands::Multi, transaction_commands::Watch,
                                    connection_commands::Quit,   connection_commands::Reset};
  return std::find(std::begin(kHandlers), std::end(kHandlers), spec.handler) != std::end(kHandlers);
}

}  // namespace

bool Dispatcher::IsExec(const CommandSpec* spec) {
  return spec != nullptr && spec->handler == transaction_commands::Exec;
}

bool Dispatcher::WritesByExec(const Session& session, const CommandSpec& spec) {
  return IsExec(&spec) && session.transaction_->WillWrite();
}

bool Dispatcher::IsForTransaction(Session* session, const CommandSpec& spec, Arguments args) {
  Transaction& transaction = *session->transaction_;
  if (!transaction.is_open()) return false;
  if (spec.Is(kNoMulti)) {
    Reject(session, &spec, "ERR Command not allowed inside a transaction");
    return true;
  }
  if (RunsAtOnce(spec)) return false;
  session->state().last_command = &spec;
  unit_.Clear();
  transaction.Queue(spec, args);
  const uint64_t begin = session->output_end();
  resp::ReplyWriter(&session->output_, session->state().protocol).Simple("QUEUED");
  last_us_ = instance_->clock().MonotonicMicros();
  FinishReply(session, nullptr, begin);
  return true;
}

std::string Dispatcher::RejectInTransaction(Session* session, const CommandSpec* spec,
                                            std::string_view error) {
  if (!IsExec(spec)) {
    if (session->transaction_ != nullptr) session->transaction_->Abort();
    return std::string(error);
  }
  instance_->EndTransaction(session);
  return TransactionDiscarded(error);
}

std::string Dispatcher::TransactionDiscarded(std::string_view error) {
  constexpr std::string_view kGeneralCode = "ERR ";
  if (error.starts_with(kGeneralCode)) error.remove_prefix(kGeneralCode.size());
  return "EXECABORT Transaction discarded because of: " + std::string(error);
}

void Dispatcher::DropReply(Session* session, uint64_t begin) {
  session->output_.resize(session->output_.size() -
                          static_cast<size_t>(session->output_end() - begin));
}

lsm::Status Dispatcher::RunQueued(CommandContext& exec, const Transaction& transaction) {
  Session* session = &exec.session;
  const int64_t started_us = last_us_;
  const uint64_t reply_begin = session->output_end();
  // A few bytes of commands can ask for any number of bytes to be written.
  const uint64_t max_bytes = std::max<uint64_t>(instance_->settings().client_query_buffer_limit,
                                                2 * instance_->max_string_size());
  std::vector<std::string_view> args;
  exec.reply.Array(transaction.size());
  lsm::Status status;
  for (size_t i = 0; i < transaction.size() && status.ok(); ++i) {
    const CommandSpec& spec = transaction.spec(i);
    transaction.Arguments(i, &args);
    const uint64_t begin = session->output_end();
    Keyspace keys(instance_, &exec.unit, session->state().database, exec.now_ms);
    CommandContext context{*instance_, *session,    spec,
                           args,       exec.reply,  exec.unit,
                           keys,       exec.now_ms, /*in_transaction=*/true};
    status = spec.handler(context);
    if (instance_->access_tracker() != nullptr) [[unlikely]] {
      instance_->access_tracker()->Note(context);
    }
    if (status.ok()) CountError(session, &spec, begin);
    if (exec.reply.CheckOverflow()) DropReply(session, reply_begin);
    CountCall(session, spec, args);
    if (instance_->monitors_->any()) {
      instance_->monitors_->Feed(*session, spec, args, Monitors::Call::kQueued);
    }
    if (status.ok() && exec.unit.bytes() > max_bytes) {
      status = lsm::Status::Aborted("it writes too much at once");
    }
  }
  last_us_ = started_us;  // EXEC's own time is that of all
  return status;
}

}  // namespace redis
