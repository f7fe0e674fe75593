// SPDX-License-Identifier: BSD-3-Clause
// CLIENT: looks at and manages connections.

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "redis-compat/client_text.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/help_text.h"
#include "redis-compat/instance.h"
#include "resp/integer.h"

namespace redis::client_commands {
namespace {

// CLIENT's types. There are only normal clients so far.
enum class ClientType { kNormal, kReplica, kPubsub, kMaster };

std::optional<ClientType> ParseType(std::string_view name) {
  if (EqualsIgnoringCase(name, "normal")) return ClientType::kNormal;
  if (EqualsIgnoringCase(name, "replica")) return ClientType::kReplica;
  if (EqualsIgnoringCase(name, "slave")) return ClientType::kReplica;
  if (EqualsIgnoringCase(name, "pubsub")) return ClientType::kPubsub;
  if (EqualsIgnoringCase(name, "master")) return ClientType::kMaster;
  return std::nullopt;
}

std::string UnknownType(std::string_view name) {
  return fmt::format("ERR Unknown client type '{}'", UpToNul(name));
}

struct KillFilter {
  std::optional<int64_t> id;
  std::optional<ClientType> type;
  std::optional<std::string_view> address;
  std::optional<std::string_view> local_address;
  bool skips_caller = true;

  bool Matches(const Session& session, const Session& caller) const {
    if (id && static_cast<ClientId>(*id) != session.id()) return false;
    if (type && *type != ClientType::kNormal) return false;
    if (address && *address != session.peer().address) return false;
    if (local_address && *local_address != session.peer().local_address) return false;
    return !(skips_caller && &session == &caller);
  }
};

// One option and its value. Sets `error` to what to reply if they are wrong.
void ParseKillOption(std::string_view option, std::string_view value, KillFilter* filter,
                     std::string* error) {
  if (EqualsIgnoringCase(option, "id")) {
    int64_t id = 0;
    if (!resp::ParseInteger(value, &id) || id < 1) {
      *error = "ERR client-id should be greater than 0";
    }
    filter->id = id;
  } else if (EqualsIgnoringCase(option, "type")) {
    filter->type = ParseType(value);
    if (!filter->type) *error = UnknownType(value);
  } else if (EqualsIgnoringCase(option, "addr")) {
    filter->address = value;
  } else if (EqualsIgnoringCase(option, "laddr")) {
    filter->local_address = value;
  } else if (EqualsIgnoringCase(option, "user")) {
    // Everybody is the user "default".
    if (value != "default") *error = fmt::format("ERR No such user '{}'", UpToNul(value));
  } else if (EqualsIgnoringCase(option, "skipme") && EqualsIgnoringCase(value, "yes")) {
    filter->skips_caller = true;
  } else if (EqualsIgnoringCase(option, "skipme") && EqualsIgnoringCase(value, "no")) {
    filter->skips_caller = false;
  } else {
    *error = errors::kSyntax;
  }
}

int64_t KillMatching(CommandContext& context, const KillFilter& filter) {
  std::vector<Session*> victims;
  for (const auto& [id, session] : context.instance.sessions()) {
    if (session->state().close_after_reply) continue;  // on its way out already
    if (filter.Matches(*session, context.session)) victims.push_back(session.get());
  }
  for (Session* victim : victims) {
    if (victim == &context.session) {
      victim->state().close_after_reply = true;  // it gets its reply first
    } else {
      context.instance.CloseSession(victim);
    }
  }
  return static_cast<int64_t>(victims.size());
}

}  // namespace

lsm::Status GetName(CommandContext& context) {
  const std::string& name = context.session.state().name;
  if (name.empty()) {
    context.reply.Null();
  } else {
    context.reply.Bulk(name);
  }
  return {};
}

lsm::Status Help(CommandContext& context) {
  ReplyHelp(&context.reply, "CLIENT",
            {"CACHING (YES|NO)",
             "Track the keys of the next command, or do not.",  //
             "GETNAME",
             "Answer the connection's name.",  //
             "GETREDIR",
             "Answer the connection that invalidations are redirected to.",
             "ID",
             "Answer the connection's number.",  //
             "INFO",
             "Answer the connection's line of CLIENT LIST.",
             "KILL <ip:port>",
             "Close the connection that comes from there.",
             "KILL <option> <value> [<option> <value> [...]]",
             "Close those that match all of ID, TYPE, USER, ADDR and LADDR. SKIPME (YES|NO).",
             "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> ...]",
             "Answer a line for each connection.",
             "NO-EVICT (ON|OFF)",
             "Do not close the connection to save memory.",
             "NO-TOUCH (ON|OFF)",
             "Reads do not count as uses of their keys.",
             "PAUSE <timeout> [WRITE|ALL]",
             "Have commands wait for so many milliseconds.",
             "REPLY (ON|OFF|SKIP)",
             "Answer commands, or do not, or not the next one.",
             "SETINFO (LIB-NAME|LIB-VER) <value>",
             "Tell which library the client uses.",
             "SETNAME <name>",
             "Name the connection.",
             "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] "
             "[NOLOOP]",
             "Turn client-side caching on or off.",
             "TRACKINGINFO",
             "Answer what is tracked for the connection.",
             "UNBLOCK <client-id> [TIMEOUT|ERROR]",
             "End the wait of a command that blocks.",
             "UNPAUSE",
             "End the pause."});
  return {};
}

lsm::Status Id(CommandContext& context) {
  context.reply.Integer(static_cast<int64_t>(context.session.id()));
  return {};
}

lsm::Status Info(CommandContext& context) {
  context.reply.Verbatim("txt", DescribeClient(context.session, context.now_ms) + "\n");
  return {};
}

lsm::Status Kill(CommandContext& context) {
  KillFilter filter;
  const bool by_address_only = context.args.size() == 3;
  if (by_address_only) {
    filter.address = context.args[2];
    filter.skips_caller = false;
  } else if (context.args.size() % 2 != 0) {
    context.reply.Error(errors::kSyntax);
    return {};
  } else {
    for (size_t i = 2; i < context.args.size(); i += 2) {
      std::string error;
      ParseKillOption(context.args[i], context.args[i + 1], &filter, &error);
      if (error.empty()) continue;
      context.reply.Error(error);
      return {};
    }
  }
  const int64_t killed = KillMatching(context, filter);
  if (!by_address_only) {
    context.reply.Integer(killed);
  } else if (killed == 0) {
    context.reply.Error("ERR No such client");
  } else {
    context.reply.Ok();
  }
  return {};
}

lsm::Status List(CommandContext& context) {
  const auto& args = context.args;
  const auto& sessions = context.instance.sessions();
  std::string lines;
  const auto add = [&](const Session& session) {
    lines += DescribeClient(session, context.now_ms) + "\n";
  };
  if (args.size() == 2) {
    for (const auto& [id, session] : sessions) add(*session);
  } else if (args.size() == 4 && EqualsIgnoringCase(args[2], "type")) {
    const std::optional<ClientType> type = ParseType(args[3]);
    if (!type) {
      context.reply.Error(UnknownType(args[3]));
      return {};
    }
    if (*type == ClientType::kNormal) {
      for (const auto& [id, session] : sessions) add(*session);
    }
  } else if (args.size() > 3 && EqualsIgnoringCase(args[2], "id")) {
    for (const std::string_view text : args.subspan(3)) {
      int64_t id = 0;
      if (!resp::ParseInteger(text, &id)) {
        context.reply.Error("ERR Invalid client ID");
        return {};
      }
      const auto found = sessions.find(static_cast<ClientId>(id));
      if (found != sessions.end()) add(*found->second);
    }
  } else {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  context.reply.Verbatim("txt", lines);
  return {};
}

lsm::Status SetInfo(CommandContext& context) {
  const std::string_view attribute = context.args[2];
  ClientState& state = context.session.state();
  std::string* target = nullptr;
  if (EqualsIgnoringCase(attribute, "lib-name")) target = &state.lib_name;
  if (EqualsIgnoringCase(attribute, "lib-ver")) target = &state.lib_version;
  if (target == nullptr) {
    context.reply.Error(fmt::format("ERR Unrecognized option '{}'", UpToNul(attribute)));
  } else if (!IsPrintableWord(context.args[3])) {
    context.reply.Error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.", attribute));
  } else {
    *target = context.args[3];
    context.reply.Ok();
  }
  return {};
}

lsm::Status SetName(CommandContext& context) {
  if (IsPrintableWord(context.args[2])) {
    context.session.state().name = context.args[2];
    context.reply.Ok();
  } else {
    context.reply.Error("ERR Client names cannot contain spaces, newlines or special characters.");
  }
  return {};
}

}  // namespace redis::client_commands
