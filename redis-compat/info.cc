// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/info.h"

#include <algorithm>

#include "redis-compat/info_fields.h"
#include "redis-compat/letters.h"

namespace redis {
namespace {

lsm::Status AddNothing(CommandContext& /*context*/, std::string* /*out*/) { return {}; }

lsm::Status AddCluster(CommandContext& /*context*/, std::string* out) {
  InfoFields(out).Add("cluster_enabled", 0);
  return {};
}

struct Section {
  std::string_view name;
  std::string_view heading;
  enum { kDefault, kAll } least;  // the smaller group of sections that has it
  info::AddSection* add;
};

// In the order in which they are printed.
constexpr Section kSections[] = {
    {"server", "Server", Section::kDefault, info::AddServer},
    {"clients", "Clients", Section::kDefault, info::AddClients},
    {"memory", "Memory", Section::kDefault, info::AddMemory},
    {"persistence", "Persistence", Section::kDefault, info::AddPersistence},
    {"stats", "Stats", Section::kDefault, info::AddStats},
    {"replication", "Replication", Section::kDefault, info::AddReplication},
    {"cpu", "CPU", Section::kDefault, info::AddCpu},
    {"modules", "Modules", Section::kDefault, AddNothing},
    {"commandstats", "Commandstats", Section::kAll, info::AddCommandStats},
    {"errorstats", "Errorstats", Section::kDefault, info::AddErrorStats},
    {"latencystats", "Latencystats", Section::kAll, info::AddLatencyStats},
    {"engine", "Engine", Section::kDefault, info::AddEngine},
    {"cluster", "Cluster", Section::kDefault, AddCluster},
    {"keyspace", "Keyspace", Section::kDefault, info::AddKeyspace},
};

bool IsAskedFor(const Section& section, const std::vector<std::string_view>& names) {
  if (names.empty()) return section.least == Section::kDefault;
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    if (EqualsIgnoringCase(name, "all") || EqualsIgnoringCase(name, "everything")) return true;
    if (EqualsIgnoringCase(name, "default")) return section.least == Section::kDefault;
    return EqualsIgnoringCase(name, section.name);
  });
}

}  // namespace

std::string HumanSize(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double size = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", size, kUnits[unit]);
}

lsm::Result<std::string> BuildInfo(CommandContext& context,
                                   const std::vector<std::string_view>& sections) {
  std::string text;
  for (const Section& section : kSections) {
    if (!IsAskedFor(section, sections)) continue;
    if (!text.empty()) text += "\r\n";
    text += fmt::format("# {}\r\n", section.heading);
    RETURN_IF_ERROR(section.add(context, &text));
  }
  return text;
}

}  // namespace redis
