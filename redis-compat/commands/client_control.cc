// SPDX-License-Identifier: BSD-3-Clause
// CLIENT's subcommands that change how the server treats the caller or others.

#include <fmt/format.h>

#include <optional>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/letters.h"
#include "redis-compat/timeout_argument.h"
#include "resp/integer.h"

namespace redis::client_commands {
namespace {

// ON or OFF; anything else is an error, which was replied.
std::optional<bool> ParseSwitch(CommandContext& context) {
  if (EqualsIgnoringCase(context.args[2], "on")) return true;
  if (EqualsIgnoringCase(context.args[2], "off")) return false;
  context.reply.Error(errors::kSyntax);
  return std::nullopt;
}

lsm::Status SetSwitch(CommandContext& context, bool ClientState::*option) {
  const std::optional<bool> on = ParseSwitch(context);
  if (!on) return {};
  context.session.state().*option = *on;
  context.reply.Ok();
  return {};
}

// Redis says this where the arity of the row allows more than the subcommand.
lsm::Status WrongCount(CommandContext& context) {
  context.reply.Error(
      fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try CLIENT HELP.",
                  UpToNul(context.args[1]).substr(0, 128)));
  return {};
}

}  // namespace

lsm::Status Caching(CommandContext& context) {
  // Nobody is in tracking mode.
  context.reply.Error(
      "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
      "OPTOUT mode enabled");
  return {};
}

lsm::Status GetRedir(CommandContext& context) {
  context.reply.Integer(-1);  // tracking is off
  return {};
}

lsm::Status NoEvict(CommandContext& context) { return SetSwitch(context, &ClientState::no_evict); }

lsm::Status NoTouch(CommandContext& context) { return SetSwitch(context, &ClientState::no_touch); }

lsm::Status Pause(CommandContext& context) {
  if (context.args.size() > 4) return WrongCount(context);
  ClientPause::Mode mode = ClientPause::Mode::kAll;
  if (context.args.size() == 4) {
    if (EqualsIgnoringCase(context.args[3], "write")) {
      mode = ClientPause::Mode::kWrites;
    } else if (!EqualsIgnoringCase(context.args[3], "all")) {
      context.reply.Error("ERR CLIENT PAUSE mode must be WRITE or ALL");
      return {};
    }
  }
  int64_t timeout_ms = 0;
  if (!ParseTimeout(context.args[2], context.now_ms, &context.reply, &timeout_ms)) return {};
  context.instance.PauseClients(mode, timeout_ms);
  context.reply.Ok();
  return {};
}

lsm::Status Reply(CommandContext& context) {
  using Mode = ClientState::ReplyMode;
  Mode& mode = context.session.state().reply_mode;
  if (EqualsIgnoringCase(context.args[2], "on")) {
    mode = Mode::kOn;
  } else if (EqualsIgnoringCase(context.args[2], "off")) {
    mode = Mode::kOff;
  } else if (EqualsIgnoringCase(context.args[2], "skip")) {
    if (mode != Mode::kOff) mode = Mode::kSkipNext;
  } else {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  context.reply.Ok();  // dropped unless replies are on
  return {};
}

lsm::Status Tracking(CommandContext& context) {
  for (size_t i = 3; i < context.args.size(); ++i) {
    const std::string_view option = context.args[i];
    const bool takes_value =
        EqualsIgnoringCase(option, "redirect") || EqualsIgnoringCase(option, "prefix");
    if (takes_value && i + 1 < context.args.size()) {
      ++i;
    } else if (!EqualsIgnoringCase(option, "bcast") && !EqualsIgnoringCase(option, "optin") &&
               !EqualsIgnoringCase(option, "optout") && !EqualsIgnoringCase(option, "noloop")) {
      context.reply.Error(errors::kSyntax);
      return {};
    }
  }
  const std::optional<bool> on = ParseSwitch(context);
  if (!on) return {};
  if (*on) {
    context.reply.Error("ERR client side caching is not supported yet");
  } else {
    context.reply.Ok();
  }
  return {};
}

lsm::Status TrackingInfo(CommandContext& context) {
  resp::ReplyWriter& reply = context.reply;
  reply.Map(3);
  reply.Bulk("flags");
  reply.Set(1);
  reply.Bulk("off");
  reply.Bulk("redirect");
  reply.Integer(-1);
  reply.Bulk("prefixes");
  reply.Array(0);
  return {};
}

lsm::Status Unblock(CommandContext& context) {
  if (context.args.size() > 4) return WrongCount(context);
  BlockedClients::Outcome outcome = BlockedClients::Outcome::kTimedOut;
  if (context.args.size() == 4) {
    if (EqualsIgnoringCase(context.args[3], "error")) {
      outcome = BlockedClients::Outcome::kUnblocked;
    } else if (!EqualsIgnoringCase(context.args[3], "timeout")) {
      context.reply.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
      return {};
    }
  }
  int64_t id = 0;
  if (!resp::ParseInteger(context.args[2], &id)) {
    context.reply.Error(errors::kNotInteger);
    return {};
  }
  const bool done = context.instance.blocked_clients().Unblock(static_cast<ClientId>(id), outcome);
  context.reply.Integer(done ? 1 : 0);
  return {};
}

lsm::Status Unpause(CommandContext& context) {
  context.instance.UnpauseClients();
  context.reply.Ok();
  return {};
}

}  // namespace redis::client_commands
