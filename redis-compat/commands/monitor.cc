// SPDX-License-Identifier: BSD-3-Clause
// MONITOR.

#include "redis-compat/commands/handlers.h"
#include "redis-compat/instance.h"
#include "redis-compat/monitors.h"

namespace redis::monitor_commands {

lsm::Status Monitor(CommandContext& context) {
  if (context.in_transaction) {
    context.reply.Error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    return {};
  }
  // Whoever is a monitor already is not answered.
  if (context.session.is_monitor()) return {};
  context.instance.monitors().Add(&context.session);
  context.reply.Ok();
  return {};
}

}  // namespace redis::monitor_commands
