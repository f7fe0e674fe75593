// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/command_names.h"

#include <algorithm>

#include "redis-compat/command_table.h"
#include "redis-compat/letters.h"

namespace redis {

lsm::Status CommandNames::Rename(std::string_view name, std::string_view new_name) {
  const CommandSpec* const spec = Find(name);
  if (spec == nullptr) {
    return lsm::Status::InvalidArgument("No such command in rename-command");
  }
  if (added_.erase(ToLower(name)) == 0) gone_.insert(spec);
  if (new_name.empty()) return {};
  if (Find(new_name) != nullptr) {
    return lsm::Status::InvalidArgument("Target command name already exists");
  }
  if (EqualsIgnoringCase(new_name, spec->name)) {
    gone_.erase(spec);
  } else {
    added_.emplace(ToLower(new_name), spec);
  }
  return {};
}

const CommandSpec* CommandNames::Find(std::string_view name) const {
  if (const auto added = added_.find(ToLower(name)); added != added_.end()) return added->second;
  const CommandSpec* const spec = FindCommand(name);
  if (spec == nullptr || spec->is_subcommand() || gone_.contains(spec)) return nullptr;
  return spec;
}

const CommandSpec* CommandNames::FindByFullName(std::string_view name) const {
  const size_t bar = name.find('|');
  const CommandSpec* const spec = Find(name.substr(0, bar));
  if (spec == nullptr || bar == std::string_view::npos) return spec;
  return FindSubcommand(spec->name, name.substr(bar + 1));
}

bool CommandNames::CanCall(const CommandSpec& spec) const {
  if (gone_.empty()) return true;
  const CommandSpec* const command = FindCommand(spec.name.substr(0, spec.name.find('|')));
  if (!gone_.contains(command)) return true;
  return std::any_of(added_.begin(), added_.end(),
                     [&](const auto& entry) { return entry.second == command; });
}

}  // namespace redis
