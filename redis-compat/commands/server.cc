// SPDX-License-Identifier: BSD-3-Clause
// CONFIG and INFO.

#include <string>
#include <utility>
#include <vector>

#include "redis-compat/client_text.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/glob.h"
#include "redis-compat/help_text.h"
#include "redis-compat/info.h"
#include "redis-compat/instance.h"
#include "redis-compat/observer.h"

namespace redis::server_commands {

lsm::Status ConfigGet(CommandContext& context) {
  const std::vector<std::string_view> patterns(context.args.begin() + 2, context.args.end());
  constexpr size_t kMaxPatterns = 1000;
  if (patterns.size() > kMaxPatterns) {
    context.reply.Error("ERR too many patterns, the maximum is 1000");
    return {};
  }
  for (const std::string_view pattern : patterns) {
    if (pattern.size() <= kMaxPatternSize) continue;
    context.reply.Error(errors::kPatternTooLong);
    return {};
  }
  const auto found = context.instance.config().Get(patterns);
  context.reply.Map(found.size());
  for (const auto& [name, value] : found) {
    context.reply.Bulk(name);
    context.reply.Bulk(value);
  }
  return {};
}

lsm::Status ConfigHelp(CommandContext& context) {
  ReplyHelp(
      &context.reply, "CONFIG",
      {"GET <pattern> [<pattern> ...]", "Answer the directives that match, with their values.",
       "SET <directive> <value> [<directive> <value> ...]", "Change directives, all or none.",
       "RESETSTAT", "Set the counters of INFO to zero.",  //
       "REWRITE", "Write what was set into the configuration file."});
  return {};
}

lsm::Status ConfigResetStat(CommandContext& context) {
  context.instance.statistics().Reset();
  context.instance.observer().latencies().Reset();
  context.reply.Ok();
  return {};
}

lsm::Status ConfigRewrite(CommandContext& context) {
  const Config& config = context.instance.config();
  if (config.file().empty()) {
    context.reply.Error("ERR The server is running without a config file");
    return {};
  }
  const lsm::Status status = config.Rewrite();
  if (!status.ok()) {
    const std::string why = "Rewriting config file: " + std::string(status.message());
    context.instance.host().Log(lsm::LogLevel::kWarning, why);
    context.reply.Error("ERR " + why);
    return {};
  }
  context.instance.host().Log(lsm::LogLevel::kNotice, "CONFIG REWRITE wrote " + config.file());
  context.reply.Ok();
  return {};
}

lsm::Status ConfigSet(CommandContext& context) {
  if (context.args.size() % 2 != 0) {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  std::vector<std::pair<std::string, std::string>> values;
  for (size_t i = 2; i < context.args.size(); i += 2) {
    values.emplace_back(context.args[i], context.args[i + 1]);
  }
  Config& config = context.instance.config();
  config.ClearWarnings();
  const Session::Peer& peer = context.session.peer();
  const lsm::Status status = config.Set(values, peer.is_unix || peer.is_loopback);
  if (!status.ok()) {
    context.reply.Error("ERR " + std::string(status.message()));
    return {};
  }
  for (const std::string& warning : config.warnings()) {
    context.instance.host().Log(lsm::LogLevel::kWarning, warning);
  }
  context.instance.FollowSettings();
  context.instance.FollowAccessTracking();
  context.reply.Ok();
  return {};
}

lsm::Status Info(CommandContext& context) {
  const std::vector<std::string_view> sections(context.args.begin() + 1, context.args.end());
  const lsm::Result<std::string> text = BuildInfo(context, sections);
  if (!text.ok()) return text.status();
  context.reply.Verbatim("txt", text.value());
  return {};
}

}  // namespace redis::server_commands
