// SPDX-License-Identifier: BSD-3-Clause
// MULTI, EXEC, DISCARD, WATCH and UNWATCH. How they work together: transaction.h, watch.h.

#include "redis-compat/transaction.h"

#include "redis-compat/commands/handlers.h"
#include "redis-compat/dispatcher.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/watch.h"

namespace redis::transaction_commands {

namespace {

bool IsOpen(const CommandContext& context) {
  const Transaction* transaction = context.session.transaction();
  return transaction != nullptr && transaction->is_open();
}

}  // namespace

lsm::Status Multi(CommandContext& context) {
  if (IsOpen(context)) {
    context.reply.Error("ERR MULTI calls can not be nested");
    return {};
  }
  context.session.EnsureTransaction().Open();
  context.reply.Ok();
  return {};
}

lsm::Status Exec(CommandContext& context) {
  if (!IsOpen(context)) {
    context.reply.Error("ERR EXEC without MULTI");
    return {};
  }
  Transaction& transaction = *context.session.transaction();
  WatchRegistry& watches = context.instance.watches();
  if (watches.HasExpired(context.session, context.now_ms)) transaction.MarkDirty(0);
  watches.Unwatch(&context.session);  // nobody need mark a transaction that is being decided
  lsm::Status status;
  if (transaction.is_aborted()) {
    context.reply.Error("EXECABORT Transaction discarded because of previous errors.");
  } else if (transaction.is_dirty()) {
    context.unit.Reflect(transaction.dirtied_by());
    context.reply.NullArray();
  } else {
    status = context.instance.dispatcher().RunQueued(context, transaction);
  }
  context.instance.EndTransaction(&context.session);
  return status;
}

lsm::Status Discard(CommandContext& context) {
  if (!IsOpen(context)) {
    context.reply.Error("ERR DISCARD without MULTI");
    return {};
  }
  context.instance.EndTransaction(&context.session);
  context.reply.Ok();
  return {};
}

lsm::Status Watch(CommandContext& context) {
  if (IsOpen(context)) {
    context.reply.Error("ERR WATCH inside MULTI is not allowed");
    return {};
  }
  Transaction& transaction = context.session.EnsureTransaction();
  for (const std::string_view key : context.args.subspan(1)) {
    if (transaction.is_dirty()) break;  // it is decided already
    const lsm::Result<KeySlot> slot = context.keys.Find(key);
    if (!slot.ok()) return slot.status();
    context.instance.watches().Watch(&context.session, context.keys.database(), slot.value());
  }
  context.reply.Ok();
  return {};
}

lsm::Status Unwatch(CommandContext& context) {
  // EXEC has done it before it runs anything.
  if (!context.in_transaction) context.instance.EndTransaction(&context.session);
  context.reply.Ok();
  return {};
}

}  // namespace redis::transaction_commands
