// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/command_text.h"

#include <array>

#include "redis-compat/client_text.h"

namespace redis {
namespace {

// At the place of its bit. Names that Redis does not print are empty.
constexpr std::array<std::string_view, 23> kFlagNames = {"write",
                                                         "readonly",
                                                         "denyoom",
                                                         "admin",
                                                         "pubsub",
                                                         "noscript",
                                                         "blocking",
                                                         "loading",
                                                         "stale",
                                                         "skip_monitor",
                                                         "skip_slowlog",
                                                         "asking",
                                                         "fast",
                                                         "no_auth",
                                                         "may_replicate",
                                                         "",
                                                         "",
                                                         "no_mandatory_keys",
                                                         "",
                                                         "no_async_loading",
                                                         "no_multi",
                                                         "movablekeys",
                                                         "allow_busy"};

constexpr std::array<std::string_view, 11> kKeyFlagNames = {
    "RO",     "RW",     "OW",      "RM",         "access",        "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags"};

constexpr std::array<std::string_view, 21> kCategoryNames = {
    "@keyspace",   "@read",        "@write",    "@set",         "@sortedset", "@list",
    "@hash",       "@string",      "@bitmap",   "@hyperloglog", "@geo",       "@stream",
    "@pubsub",     "@admin",       "@fast",     "@slow",        "@blocking",  "@dangerous",
    "@connection", "@transaction", "@scripting"};

template <size_t N>
std::vector<std::string_view> NamesOf(uint32_t bits, const std::array<std::string_view, N>& names) {
  std::vector<std::string_view> found;
  for (size_t i = 0; i < N; ++i) {
    if ((bits >> i & 1) != 0 && !names[i].empty()) found.push_back(names[i]);
  }
  return found;
}

}  // namespace

std::vector<std::string_view> CommandFlagNames(uint32_t flags) {
  return NamesOf(flags, kFlagNames);
}

std::vector<std::string_view> KeyFlagNames(uint32_t flags) { return NamesOf(flags, kKeyFlagNames); }

std::vector<std::string_view> AclCategoryNames(uint32_t categories) {
  return NamesOf(categories, kCategoryNames);
}

std::optional<AclCategory> ParseAclCategory(std::string_view name) {
  for (size_t i = 0; i < kCategoryNames.size(); ++i) {
    if (EqualsIgnoringCase(name, kCategoryNames[i].substr(1))) {
      return static_cast<AclCategory>(1u << i);
    }
  }
  return std::nullopt;
}

std::string_view ToString(CommandGroup group) {
  switch (group) {
    case CommandGroup::kString:
      return "string";
    case CommandGroup::kGeneric:
      return "generic";
    case CommandGroup::kConnection:
      return "connection";
    case CommandGroup::kServer:
      return "server";
    case CommandGroup::kTransactions:
      return "transactions";
  }
  return "";
}

std::vector<size_t> KeyPositions(const CommandSpec& spec, size_t argument_count) {
  std::vector<size_t> positions;
  const KeySpec& keys = spec.keys;
  if (keys.first == 0) return positions;
  const auto count = static_cast<int64_t>(argument_count);
  const int64_t last = keys.last >= 0 ? keys.last : count + keys.last;
  for (int64_t i = keys.first; i <= last && i < count; i += keys.step) {
    positions.push_back(static_cast<size_t>(i));
  }
  if (spec.second_key.first != 0) positions.push_back(static_cast<size_t>(spec.second_key.first));
  return positions;
}

}  // namespace redis
