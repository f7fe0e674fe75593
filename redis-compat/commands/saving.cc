// SPDX-License-Identifier: BSD-3-Clause
// SAVE, BGSAVE, LASTSAVE and SHUTDOWN.

#include <algorithm>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/checkpoints.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/letters.h"

namespace redis::saving_commands {

namespace {

using Reason = BlockedClients::Reason;
using Outcome = BlockedClients::Outcome;

constexpr std::string_view kInProgress = "ERR Background save already in progress";
constexpr std::string_view kFailed = "ERR";  // the log says why, as with redis-server

void Log(const CommandContext& context, std::string_view message) {
  context.instance.host().Log(lsm::LogLevel::kWarning, message);
}

struct ShutdownOptions {
  bool save = false;
  bool nosave = false;
  bool now = false;
  bool force = false;
  bool abort = false;
};

// False if there is an error of syntax.
bool ParseShutdown(std::span<const std::string_view> words, ShutdownOptions* options) {
  for (const std::string_view word : words) {
    if (EqualsIgnoringCase(word, "save")) {
      options->save = true;
    } else if (EqualsIgnoringCase(word, "nosave")) {
      options->nosave = true;
    } else if (EqualsIgnoringCase(word, "now")) {
      options->now = true;
    } else if (EqualsIgnoringCase(word, "force")) {
      options->force = true;
    } else if (EqualsIgnoringCase(word, "abort")) {
      options->abort = true;
    } else {
      return false;
    }
  }
  const bool others = options->save || options->nosave || options->now || options->force;
  return !(options->save && options->nosave) && !(options->abort && others);
}

void AbortShutdown(CommandContext& context) {
  BlockedClients& blocked = context.instance.blocked_clients();
  if (!blocked.AnyWaits(Reason::kShutdown)) {
    context.reply.Error("ERR No shutdown in progress.");
    return;
  }
  Log(context, "Shutdown manually aborted.");
  blocked.WakeAll(Reason::kShutdown, Outcome::kTimedOut);
  context.reply.Ok();
}

// Its reply is the end of the connection; the host says the rest.
void Stop(CommandContext& context) {
  context.session.state().close_after_reply = true;
  context.instance.host().Stop();
}

// 1. Wait for a checkpoint that was begun after the command came. 2. Stop, if it succeeded or that
// does not matter.
lsm::Status SaveAndStop(CommandContext& context, bool force) {
  Checkpoints& checkpoints = context.instance.checkpoints();
  const bool is_new = !context.session.blocked();
  if (is_new) {
    Log(context, "Saving a checkpoint before exiting.");
    checkpoints.set_shutdown_target(checkpoints.begun() + 1);
  } else if (context.instance.blocked_clients().outcome(context.session) == Outcome::kTimedOut) {
    context.reply.Error("ERR Errors trying to SHUTDOWN. Check logs.");
    return {};
  }
  bool is_saved = checkpoints.last_result().ok();
  if (!checkpoints.running() && checkpoints.begun() < checkpoints.shutdown_target()) {
    is_saved = checkpoints.Start().ok();
  }
  if (checkpoints.running() &&
      context.instance.blocked_clients().Park(context, Reason::kShutdown, 0)) {
    return {};
  }
  if (is_saved || force) {
    Stop(context);
    return {};
  }
  Log(context, "Error trying to save the DB, can't exit.");
  context.reply.Error("ERR Errors trying to SHUTDOWN. Check logs.");
  return {};
}

}  // namespace

lsm::Status BgSave(CommandContext& context) {
  const bool schedule = context.args.size() == 2 && EqualsIgnoringCase(context.args[1], "schedule");
  if (context.args.size() > 1 && !schedule) {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  Checkpoints& checkpoints = context.instance.checkpoints();
  if (checkpoints.running()) {
    context.reply.Error(kInProgress);
  } else if (context.in_transaction) {
    checkpoints.Schedule();  // when the transaction's writes can be seen
    context.reply.Simple("Background saving scheduled");
  } else if (checkpoints.Start().ok()) {
    context.reply.Simple("Background saving started");
  } else {
    context.reply.Error(kFailed);
  }
  return {};
}

lsm::Status LastSave(CommandContext& context) {
  context.reply.Integer(context.instance.checkpoints().last_save_s());
  return {};
}

lsm::Status Save(CommandContext& context) {
  Checkpoints& checkpoints = context.instance.checkpoints();
  bool is_saved = checkpoints.last_result().ok();
  if (!context.session.blocked()) {
    if (checkpoints.running()) {
      context.reply.Error(kInProgress);
      return {};
    }
    is_saved = checkpoints.Start().ok();
    if (is_saved && context.instance.blocked_clients().Park(context, Reason::kSave, 0)) return {};
  }
  if (is_saved) {
    context.reply.Ok();
  } else {
    context.reply.Error(kFailed);
  }
  return {};
}

// Everything acknowledged is in the log, so that nothing needs to be saved; NOW and FORCE ask for
// nothing that would differ otherwise.
lsm::Status Shutdown(CommandContext& context) {
  ShutdownOptions options;
  if (!ParseShutdown(context.args.subspan(1), &options)) {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  if (options.abort) {
    AbortShutdown(context);
    return {};
  }
  if (!context.session.blocked()) Log(context, "User requested shutdown...");
  if (options.save && !context.instance.loading()) return SaveAndStop(context, options.force);
  Stop(context);
  return {};
}

}  // namespace redis::saving_commands
