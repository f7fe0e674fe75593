// SPDX-License-Identifier: BSD-3-Clause
// Commands that wait: for the end of CLIENT PAUSE, or for what their handlers wait for.

#include <cassert>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/dispatcher.h"
#include "redis-compat/monitors.h"

namespace redis {

bool Dispatcher::IsRefusedToMonitor(Session* session, const CommandSpec& spec) {
  if (!spec.Is(kWrite | kReadonly | kMayReplicate)) return false;
  Reject(session, &spec, "ERR Replica can't interact with the keyspace");
  return true;
}

bool Dispatcher::IsPostponed(Session* session, const CommandSpec& spec) {
  // A command that was begun before the pause is brought to its end.
  if (session->blocked_ || session->is_monitor_) return false;
  instance_->EndPauseIfOver();
  if (!instance_->pause_.StopsCommand(spec.Is(kMayReplicate) || MayWrite(*session, spec))) {
    return false;
  }
  session->state().last_command = &spec;
  instance_->blocked_clients_->Postpone(session, instance_->pause_.end_us());
  return true;
}

void Dispatcher::NoteWaiting(Session* session) const {
  session->waiting_input_bytes_ = ahead_.front_size();
  session->waiting_argument_bytes_ = 0;
  for (const std::string_view argument : ahead_.arguments()) {
    session->waiting_argument_bytes_ += argument.size();
  }
}

lsm::Status Dispatcher::Resume(CommandContext& context) {
  // CLIENT UNBLOCK ERROR ends every command in the same way.
  const BlockedClients& blocked = *instance_->blocked_clients_;
  if (blocked.outcome(context.session) != BlockedClients::Outcome::kUnblocked) {
    return context.spec.handler(context);
  }
  context.reply.Error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
  return {};
}

bool Dispatcher::StillWaits(const CommandContext& context, bool is_resumed) {
  Session& session = context.session;
  if (!instance_->blocked_clients_->IsWaiting(session)) {
    instance_->blocked_clients_->Finish(&session);
    return false;
  }
  assert(unit_.empty());
  // It is counted when it is answered, but shown when it begins to wait.
  --session.state().commands_processed;
  if (!is_resumed) {
    instance_->monitors_->Feed(session, context.spec, context.args, Monitors::Call::kWhole);
  }
  return true;
}

}  // namespace redis
