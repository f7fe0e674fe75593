// SPDX-License-Identifier: BSD-3-Clause
// redis-compat/COMMANDS.md is made from the command table by this test: VARVE_UPDATE_GOLDEN=1
// writes it, otherwise it has to be what would be written.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "redis-compat/command_docs.h"
#include "redis-compat/command_table.h"
#include "redis-compat/command_text.h"
#include "redis-compat/letters.h"
#include "redis-compat/version.h"

namespace redis {
namespace {

constexpr const char* kPath = VARVE_SOURCE_DIR "/redis-compat/COMMANDS.md";

std::string DisplayName(const CommandSpec& spec) {
  std::string name = ToUpper(spec.name);
  std::replace(name.begin(), name.end(), '|', ' ');
  return name;
}

std::string Row(const CommandSpec& spec) {
  const CommandDoc* const doc = FindCommandDoc(spec.name);
  REQUIRE(doc != nullptr);
  std::string summary(doc->summary);
  if (!doc->replaced_by.empty()) {
    summary +=
        fmt::format(" Deprecated since {}: use {}.", doc->deprecated_since, doc->replaced_by);
  }
  return fmt::format("| {} | {} | {} | {} | {} | {} |\n", DisplayName(spec), spec.arity,
                     fmt::join(CommandFlagNames(spec.flags), " "), doc->since, doc->complexity,
                     summary);
}

std::string MakeMarkdown() {
  std::string text = fmt::format(
      "# Commands\n\n"
      "Made from the command table; `./dev docs` writes it anew. Commands answer as Redis "
      "{} does; a negative arity is the least number of arguments, the name included.\n",
      kRedisVersion.substr(0, 3));
  std::vector<std::string_view> groups;
  for (const CommandSpec& spec : AllCommands()) {
    const std::string_view group = ToString(spec.family.group);
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  for (const std::string_view group : groups) {
    text += fmt::format(
        "\n## {}{}\n\n| command | arity | flags | since | complexity | what it does |\n"
        "|---|---|---|---|---|---|\n",
        ToUpper(group.substr(0, 1)), group.substr(1));
    std::vector<const CommandSpec*> rows;
    for (const CommandSpec& spec : AllCommands()) {
      if (ToString(spec.family.group) == group) rows.push_back(&spec);
    }
    std::sort(rows.begin(), rows.end(),
              [](const CommandSpec* a, const CommandSpec* b) { return a->name < b->name; });
    for (const CommandSpec* spec : rows) text += Row(*spec);
  }
  return text;
}

TEST_CASE("COMMANDS.md says what the command table says; ./dev docs writes it") {
  const std::string wanted = MakeMarkdown();
  if (getenv("VARVE_UPDATE_GOLDEN") != nullptr) std::ofstream(kPath) << wanted;
  std::ifstream file(kPath);
  const std::string found{std::istreambuf_iterator<char>(file), {}};
  CHECK(found == wanted);
}

}  // namespace
}  // namespace redis
