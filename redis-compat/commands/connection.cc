// SPDX-License-Identifier: BSD-3-Clause
// Commands about the connection that sends them.

#include <fmt/format.h>

#include <string>

#include "redis-compat/blocked_clients.h"
#include "redis-compat/client_text.h"
#include "redis-compat/command_table.h"
#include "redis-compat/commands/database_argument.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/monitors.h"
#include "redis-compat/version.h"
#include "resp/integer.h"

namespace redis::connection_commands {
namespace {

constexpr std::string_view kWrongPass =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kInvalidName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// So long it takes until a client that said a wrong password may say another.
constexpr int64_t kWrongPassDelayMs = 100;

std::string WrongArity(const CommandSpec& spec) {
  return fmt::format("ERR wrong number of arguments for '{}' command", spec.name);
}

// Takes the same time wherever the first difference is. The length is no secret.
bool SameSecret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

// There is one user, "default". Without a password any password is right, as for Redis's "nopass".
bool Authenticate(CommandContext& context, std::string_view user, std::string_view password) {
  const std::string& expected = context.instance.settings().requirepass;
  if (user != "default") return false;
  if (!expected.empty() && !SameSecret(password, expected)) return false;
  context.session.state().authenticated = true;
  return true;
}

// Replies that the password is wrong, later: nothing is replied if the client is parked.
void RejectPassword(CommandContext& context) {
  BlockedClients& blocked = context.instance.blocked_clients();
  using Outcome = BlockedClients::Outcome;
  const bool has_waited = blocked.outcome(context.session) != Outcome::kNone;
  const auto reason = BlockedClients::Reason::kDelay;
  if (!has_waited && blocked.Park(context, reason, kWrongPassDelayMs)) return;
  context.reply.Error(kWrongPass);
}

struct HelloOptions {
  std::string_view user;
  std::string_view password;
  std::string_view name;
  bool authenticates = false;
  bool names = false;
};

// False after an error was replied.
bool ParseHelloOptions(CommandContext& context, HelloOptions* options) {
  for (size_t i = 2; i < context.args.size(); ++i) {
    const size_t more = context.args.size() - i - 1;
    if (EqualsIgnoringCase(context.args[i], "auth") && more >= 2) {
      options->authenticates = true;
      options->user = context.args[++i];
      options->password = context.args[++i];
    } else if (EqualsIgnoringCase(context.args[i], "setname") && more >= 1) {
      options->names = true;
      options->name = context.args[++i];
      if (!IsPrintableWord(options->name)) {
        context.reply.Error(kInvalidName);
        return false;
      }
    } else {
      context.reply.Error(
          fmt::format("ERR Syntax error in HELLO option '{}'", UpToNul(context.args[i])));
      return false;
    }
  }
  return true;
}

void ReplyHello(CommandContext& context) {
  resp::ReplyWriter& reply = context.reply;
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk("redis");
  reply.Bulk("version");
  reply.Bulk(kRedisVersion);
  reply.Bulk("proto");
  reply.Integer(reply.version() == resp::Version::kResp3 ? 3 : 2);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(context.session.id()));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk("master");
  reply.Bulk("modules");
  reply.Array(0);
}

}  // namespace

lsm::Status Auth(CommandContext& context) {
  if (context.args.size() > 3) {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  const bool names_user = context.args.size() == 3;
  if (!names_user && context.instance.settings().requirepass.empty()) {
    context.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
    return {};
  }
  const std::string_view user = names_user ? context.args[1] : "default";
  if (Authenticate(context, user, context.args.back())) {
    context.reply.Ok();
  } else {
    RejectPassword(context);
  }
  return {};
}

lsm::Status Echo(CommandContext& context) {
  context.reply.Bulk(context.args[1]);
  return {};
}

lsm::Status Hello(CommandContext& context) {
  ClientState& state = context.session.state();
  int64_t version = 0;
  if (context.args.size() > 1) {
    if (!resp::ParseInteger(context.args[1], &version)) {
      context.reply.Error("ERR Protocol version is not an integer or out of range");
      return {};
    }
    if (version < 2 || version > 3) {
      context.reply.Error("NOPROTO unsupported protocol version");
      return {};
    }
  }
  HelloOptions options;
  if (!ParseHelloOptions(context, &options)) return {};
  if (options.authenticates && !Authenticate(context, options.user, options.password)) {
    RejectPassword(context);
    return {};
  }
  if (context.instance.MustAuthenticate(context.session)) {
    context.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
    return {};
  }
  if (options.names) state.name = options.name;
  if (version != 0) {
    state.protocol = version == 3 ? resp::Version::kResp3 : resp::Version::kResp2;
    context.reply.set_version(state.protocol);
  }
  ReplyHello(context);
  return {};
}

lsm::Status Ping(CommandContext& context) {
  if (context.args.size() > 2) {
    context.reply.Error(WrongArity(context.spec));
  } else if (context.args.size() == 2) {
    context.reply.Bulk(context.args[1]);
  } else {
    context.reply.Simple("PONG");
  }
  return {};
}

lsm::Status Quit(CommandContext& context) {
  context.reply.Ok();
  context.session.state().close_after_reply = true;
  return {};
}

lsm::Status Reset(CommandContext& context) {
  context.instance.EndTransaction(&context.session);
  context.instance.monitors().Remove(&context.session);
  ClientState& state = context.session.state();
  state.database = 0;
  if (state.authenticated) state.unauthenticated_since_ms = context.now_ms;
  state.authenticated = context.instance.settings().requirepass.empty();
  state.protocol = resp::Version::kResp2;
  state.name.clear();
  state.no_evict = false;
  state.no_touch = false;
  state.reply_mode = ClientState::ReplyMode::kOn;
  context.reply.set_version(state.protocol);
  context.reply.Simple("RESET");
  return {};
}

lsm::Status Select(CommandContext& context) {
  const std::optional<int> database = ParseDatabase(context, context.args[1]);
  if (!database) return {};
  context.session.state().database = *database;
  context.reply.Ok();
  return {};
}

}  // namespace redis::connection_commands
