// SPDX-License-Identifier: BSD-3-Clause
// COMMAND: what is known about commands, all of it from the command table and its docs.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "redis-compat/argument_docs.h"
#include "redis-compat/client_text.h"
#include "redis-compat/command_docs.h"
#include "redis-compat/command_names.h"
#include "redis-compat/command_table.h"
#include "redis-compat/command_text.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/glob.h"
#include "redis-compat/help_text.h"
#include "redis-compat/instance.h"

namespace redis::introspection_commands {
namespace {

const CommandNames& NamesOf(const CommandContext& context) {
  return context.instance.config().command_names();
}

std::vector<const CommandSpec*> TopLevelCommands(const CommandContext& context) {
  std::vector<const CommandSpec*> rows;
  for (const CommandSpec& spec : AllCommands()) {
    if (!spec.is_subcommand() && NamesOf(context).CanCall(spec)) rows.push_back(&spec);
  }
  return rows;
}

std::vector<const CommandSpec*> SubcommandsOf(const CommandSpec& container) {
  std::vector<const CommandSpec*> rows;
  if (container.is_subcommand()) return rows;
  const auto all = AllCommands();
  for (size_t i = CommandIndex(container) + 1; i < all.size() && all[i].is_subcommand(); ++i) {
    rows.push_back(&all[i]);
  }
  return rows;
}

void ReplyStatusSet(resp::ReplyWriter* reply, const std::vector<std::string_view>& names) {
  reply->Set(names.size());
  for (const std::string_view name : names) reply->Simple(name);
}

void ReplyTips(resp::ReplyWriter* reply, const CommandSpec& spec) {
  std::vector<std::string_view> tips;
  const CommandDoc* const doc = FindCommandDoc(spec.name);
  std::string_view text = doc == nullptr ? "" : doc->tips;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    tips.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  reply->Set(tips.size());
  for (const std::string_view tip : tips) reply->Bulk(tip);
}

std::string_view KeySpecNotes(const CommandSpec& spec) {
  if (spec.name == "set") return "RW and ACCESS due to the optional `GET` argument";
  if (spec.name == "getex") return "RW and UPDATE because it changes the TTL";
  return "";
}

void ReplyKeySpec(resp::ReplyWriter* reply, const KeySpec& keys, std::string_view notes) {
  reply->Map(notes.empty() ? 3 : 4);
  if (!notes.empty()) {
    reply->Bulk("notes");
    reply->Bulk(notes);
  }
  reply->Bulk("flags");
  ReplyStatusSet(reply, KeyFlagNames(keys.flags));
  reply->Bulk("begin_search");
  reply->Map(2);
  reply->Bulk("type");
  reply->Bulk("index");
  reply->Bulk("spec");
  reply->Map(1);
  reply->Bulk("index");
  reply->Integer(keys.first);
  reply->Bulk("find_keys");
  reply->Map(2);
  reply->Bulk("type");
  reply->Bulk("range");
  reply->Bulk("spec");
  reply->Map(3);
  // Relative to the first key, unless it counts from the end.
  reply->Bulk("lastkey");
  reply->Integer(keys.last < 0 ? keys.last : keys.last - keys.first);
  reply->Bulk("keystep");
  reply->Integer(keys.step);
  reply->Bulk("limit");
  reply->Integer(0);
}

void ReplyKeySpecs(resp::ReplyWriter* reply, const CommandSpec& spec) {
  const bool has_keys = spec.keys.first != 0;
  const bool has_second = spec.second_key.first != 0;
  reply->Set(size_t{has_keys} + size_t{has_second});
  if (has_keys) ReplyKeySpec(reply, spec.keys, KeySpecNotes(spec));
  if (has_second) ReplyKeySpec(reply, spec.second_key, "");
}

void ReplyInfo(resp::ReplyWriter* reply, const CommandSpec& spec) {
  reply->Array(10);
  reply->Bulk(spec.name);
  reply->Integer(spec.arity);
  ReplyStatusSet(reply, CommandFlagNames(spec.flags));
  reply->Integer(spec.keys.first);
  reply->Integer(spec.second_key.first != 0 ? spec.second_key.last : spec.keys.last);
  reply->Integer(spec.keys.step);
  ReplyStatusSet(reply, AclCategoryNames(AclCategories(spec)));
  ReplyTips(reply, spec);
  ReplyKeySpecs(reply, spec);
  const std::vector<const CommandSpec*> subcommands = SubcommandsOf(spec);
  reply->Set(subcommands.size());
  for (const CommandSpec* subcommand : subcommands) ReplyInfo(reply, *subcommand);
}

void ReplyArguments(resp::ReplyWriter* reply, const std::vector<ArgumentDoc>& arguments,
                    const CommandSpec& spec);

void ReplyArgument(resp::ReplyWriter* reply, const ArgumentDoc& argument, const CommandSpec& spec,
                   int64_t key_spec) {
  const bool has_value = argument.arguments.empty() && argument.type != "pure-token";
  const bool is_key = argument.type == "key";
  const size_t flags =
      size_t{argument.optional} + size_t{argument.multiple} + size_t{argument.multiple_token};
  reply->Map(2 + size_t{has_value} + size_t{is_key} + size_t{!argument.token.empty()} +
             size_t{!argument.since.empty()} + size_t{!argument.deprecated_since.empty()} +
             size_t{flags > 0} + size_t{!argument.arguments.empty()});
  const auto field = [&](std::string_view name, std::string_view value) {
    reply->Bulk(name);
    reply->Bulk(value);
  };
  field("name", argument.name);
  field("type", argument.type);
  if (has_value) field("display_text", argument.name);
  if (is_key) {
    reply->Bulk("key_spec_index");
    reply->Integer(key_spec);
  }
  if (!argument.token.empty()) field("token", argument.token);
  if (!argument.since.empty()) field("since", argument.since);
  if (!argument.deprecated_since.empty()) field("deprecated_since", argument.deprecated_since);
  if (flags > 0) {
    reply->Bulk("flags");
    reply->Set(flags);
    if (argument.optional) reply->Simple("optional");
    if (argument.multiple) reply->Simple("multiple");
    if (argument.multiple_token) reply->Simple("multiple_token");
  }
  if (!argument.arguments.empty()) {
    reply->Bulk("arguments");
    ReplyArguments(reply, argument.arguments, spec);
  }
}

void ReplyArguments(resp::ReplyWriter* reply, const std::vector<ArgumentDoc>& arguments,
                    const CommandSpec& spec) {
  reply->Array(arguments.size());
  int64_t key_spec = 0;
  for (const ArgumentDoc& argument : arguments) {
    ReplyArgument(reply, argument, spec, key_spec);
    // A key behind the first one has a specification of its own where the row has two.
    if (argument.type == "key" && spec.second_key.first != 0) ++key_spec;
  }
}

void ReplyDoc(resp::ReplyWriter* reply, const CommandSpec& spec) {
  static constexpr CommandDoc kNone{};
  const CommandDoc* const found = FindCommandDoc(spec.name);
  const CommandDoc& doc = found == nullptr ? kNone : *found;
  std::vector<ArgumentDoc> arguments;
  ParseArgumentDocs(doc.arguments, &arguments);
  const std::vector<const CommandSpec*> subcommands = SubcommandsOf(spec);
  const bool deprecated = !doc.deprecated_since.empty();

  reply->Bulk(spec.name);
  reply->Map(4 + size_t{deprecated || doc.system_command} + (deprecated ? size_t{2} : size_t{0}) +
             size_t{!arguments.empty()} + size_t{!subcommands.empty()});
  const auto field = [&](std::string_view name, std::string_view value) {
    reply->Bulk(name);
    reply->Bulk(value);
  };
  field("summary", doc.summary);
  field("since", doc.since);
  field("group", ToString(spec.family.group));
  field("complexity", doc.complexity);
  if (deprecated || doc.system_command) {
    reply->Bulk("doc_flags");
    ReplyStatusSet(reply, {deprecated ? "deprecated" : "syscmd"});
  }
  if (deprecated) {
    field("deprecated_since", doc.deprecated_since);
    field("replaced_by", doc.replaced_by);
  }
  if (!arguments.empty()) {
    reply->Bulk("arguments");
    ReplyArguments(reply, arguments, spec);
  }
  if (!subcommands.empty()) {
    reply->Bulk("subcommands");
    reply->Map(subcommands.size());
    for (const CommandSpec* subcommand : subcommands) ReplyDoc(reply, *subcommand);
  }
}

// What SET does with its key depends on its arguments.
uint32_t ActualKeyFlags(const CommandSpec& spec, std::span<const std::string_view> command) {
  if (!(spec.keys.flags & kKeyVariableFlags)) return spec.keys.flags;
  for (size_t i = 3; i < command.size(); ++i) {
    if (EqualsIgnoringCase(command[i], "get")) return kKeyRw | kKeyAccess | kKeyUpdate;
  }
  return kKeyOw | kKeyUpdate;
}

lsm::Status ReplyKeys(CommandContext& context, bool with_flags) {
  const auto command = context.args.subspan(2);
  const CommandSpec* spec = NamesOf(context).Find(command[0]);
  if (spec != nullptr && HasSubcommands(*spec) && command.size() > 1) {
    const CommandSpec* const subcommand = FindSubcommand(spec->name, command[1]);
    if (subcommand != nullptr || spec->handler == nullptr) spec = subcommand;
  }
  if (spec == nullptr) {
    context.reply.Error("ERR Invalid command specified");
    return {};
  }
  if (spec->keys.first == 0) {
    context.reply.Error("ERR The command has no key arguments");
    return {};
  }
  if (!spec->AcceptsArgumentCount(command.size())) {
    context.reply.Error("ERR Invalid number of arguments specified for command");
    return {};
  }
  const std::vector<size_t> positions = KeyPositions(*spec, command.size());
  context.reply.Array(positions.size());
  for (const size_t position : positions) {
    if (with_flags) context.reply.Array(2);
    context.reply.Bulk(command[position]);
    if (!with_flags) continue;
    const bool is_second = spec->second_key.first != 0 && position != positions.front();
    const uint32_t flags = is_second ? spec->second_key.flags : ActualKeyFlags(*spec, command);
    ReplyStatusSet(&context.reply, KeyFlagNames(flags));
  }
  return {};
}

}  // namespace

lsm::Status Command(CommandContext& context) {
  const std::vector<const CommandSpec*> rows = TopLevelCommands(context);
  context.reply.Array(rows.size());
  for (const CommandSpec* row : rows) ReplyInfo(&context.reply, *row);
  return {};
}

lsm::Status CommandCount(CommandContext& context) {
  context.reply.Integer(static_cast<int64_t>(TopLevelCommands(context).size()));
  return {};
}

lsm::Status CommandDocs(CommandContext& context) {
  std::vector<const CommandSpec*> rows;
  if (context.args.size() == 2) rows = TopLevelCommands(context);
  for (const std::string_view name : context.args.subspan(2)) {
    const CommandSpec* const row = NamesOf(context).FindByFullName(name);
    if (row != nullptr) rows.push_back(row);
  }
  context.reply.Map(rows.size());
  for (const CommandSpec* row : rows) ReplyDoc(&context.reply, *row);
  return {};
}

lsm::Status CommandGetKeys(CommandContext& context) { return ReplyKeys(context, false); }

lsm::Status CommandGetKeysAndFlags(CommandContext& context) { return ReplyKeys(context, true); }

lsm::Status CommandHelp(CommandContext& context) {
  ReplyHelp(&context.reply, "COMMAND",
            {"(no subcommand)", "Answer what is known about all commands.", "COUNT",
             "Answer the number of commands.", "DOCS [<command-name> ...]",
             "Answer the documentation of the named commands, or all.", "GETKEYS <full-command>",
             "Answer which arguments are keys.", "GETKEYSANDFLAGS <full-command>",
             "Answer the keys and what the command does to them.", "INFO [<command-name> ...]",
             "Answer what is known about the named commands, or all.",
             "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]", "Answer the names of commands."});
  return {};
}

lsm::Status CommandInfo(CommandContext& context) {
  if (context.args.size() == 2) {
    const std::vector<const CommandSpec*> rows = TopLevelCommands(context);
    context.reply.Array(rows.size());
    for (const CommandSpec* row : rows) ReplyInfo(&context.reply, *row);
    return {};
  }
  const auto names = context.args.subspan(2);
  context.reply.Array(names.size());
  for (const std::string_view name : names) {
    const CommandSpec* const row = NamesOf(context).FindByFullName(name);
    if (row == nullptr) {
      context.reply.NullArray();
    } else {
      ReplyInfo(&context.reply, *row);
    }
  }
  return {};
}

lsm::Status CommandList(CommandContext& context) {
  const auto& args = context.args;
  std::vector<std::string_view> names;
  const auto add = [&](const CommandSpec& row) {
    if (NamesOf(context).CanCall(row)) names.push_back(row.name);
  };
  if (args.size() == 2) {
    for (const CommandSpec& row : AllCommands()) add(row);
  } else if (args.size() != 5 || !EqualsIgnoringCase(args[2], "filterby")) {
    context.reply.Error(errors::kSyntax);
    return {};
  } else if (EqualsIgnoringCase(args[3], "module")) {
    // There are no modules, so none has commands.
  } else if (EqualsIgnoringCase(args[3], "aclcat")) {
    const std::optional<AclCategory> category = ParseAclCategory(args[4]);
    for (const CommandSpec& row : AllCommands()) {
      if (category && (AclCategories(row) & *category)) add(row);
    }
  } else if (EqualsIgnoringCase(args[3], "pattern") && args[4].size() > kMaxPatternSize) {
    context.reply.Error(errors::kPatternTooLong);
    return {};
  } else if (EqualsIgnoringCase(args[3], "pattern")) {
    for (const CommandSpec& row : AllCommands()) {
      if (GlobMatch(args[4], row.name, GlobCase::kIgnore)) add(row);
    }
  } else {
    context.reply.Error(errors::kSyntax);
    return {};
  }
  context.reply.Array(names.size());
  for (const std::string_view name : names) context.reply.Bulk(name);
  return {};
}

}  // namespace redis::introspection_commands
