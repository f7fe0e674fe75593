// SPDX-License-Identifier: BSD-3-Clause
// WAIT and WAITAOF: a client waits until what it wrote is safe. There are no replicas to wait for.

#include <algorithm>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/timeout_argument.h"
#include "resp/integer.h"

namespace redis::waiting_commands {

namespace {

constexpr int64_t kReplicas = 0;

bool IsOver(const CommandContext& context) {
  return context.instance.blocked_clients().outcome(context.session) ==
         BlockedClients::Outcome::kTimedOut;
}

// Whether everything that the client wrote is on disk. What was lost with its group counts: nothing
// of it is left.
bool IsSynced(CommandContext& context) {
  lsm::DB& db = context.instance.db();
  const bool was_woken = context.session.blocked();
  const lsm::SequenceNumber written =
      was_woken ? std::min(context.session.last_write(), db.visible_sequence())
                : context.session.last_write();
  return written <= db.synced_through();
}

}  // namespace

lsm::Status Wait(CommandContext& context) {
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!resp::ParseInteger(context.args[1], &replicas)) {
    context.reply.Error(errors::kNotInteger);
    return {};
  }
  if (!ParseTimeout(context.args[2], context.now_ms, &context.reply, &timeout_ms)) return {};
  const bool waits = replicas > kReplicas && !IsOver(context);
  BlockedClients& blocked = context.instance.blocked_clients();
  if (waits && blocked.Park(context, BlockedClients::Reason::kReplicas, timeout_ms)) return {};
  context.reply.Integer(kReplicas);
  return {};
}

lsm::Status WaitAof(CommandContext& context) {
  int64_t local = 0;
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!resp::ParseInteger(context.args[1], &local)) {
    context.reply.Error(errors::kNotInteger);
    return {};
  }
  if (local < 0 || local > 1) {
    context.reply.Error("ERR value is out of range, value must between 0 and 1");
    return {};
  }
  if (!resp::ParseInteger(context.args[2], &replicas) || replicas < 0) {
    context.reply.Error(errors::kNotPositive);
    return {};
  }
  if (!ParseTimeout(context.args[3], context.now_ms, &context.reply, &timeout_ms)) return {};
  const bool is_synced = IsSynced(context);
  BlockedClients& blocked = context.instance.blocked_clients();
  if (!IsOver(context)) {
    if (local > 0 && !is_synced &&
        blocked.ParkUntilSynced(context, context.session.last_write(), timeout_ms)) {
      return {};
    }
    if (replicas > kReplicas && blocked.Park(context, BlockedClients::Reason::kSync, timeout_ms)) {
      return {};
    }
  }
  context.reply.Array(2);
  context.reply.Integer(is_synced ? 1 : 0);
  context.reply.Integer(kReplicas);
  return {};
}

}  // namespace redis::waiting_commands
