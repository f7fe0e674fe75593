// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/command_docs.h"

#include <doctest/doctest.h>

#include <set>

#include "redis-compat/argument_docs.h"
#include "redis-compat/command_table.h"
#include "redis-compat/command_text.h"

namespace redis {
namespace {

// The least number of arguments that the docs promise.
int LeastArguments(const std::vector<ArgumentDoc>& arguments) {
  int least = 0;
  for (const ArgumentDoc& argument : arguments) {
    if (argument.optional) continue;
    if (argument.type == "block") {
      least += LeastArguments(argument.arguments);
    } else if (argument.type == "oneof") {
      int smallest = 1000;
      for (const ArgumentDoc& choice : argument.arguments) {
        smallest = std::min(smallest, LeastArguments({choice}));
      }
      least += smallest;
    } else {
      least += argument.type == "pure-token" || argument.token.empty() ? 1 : 2;
    }
  }
  return least;
}

bool CanBeLonger(const std::vector<ArgumentDoc>& arguments) {
  for (const ArgumentDoc& argument : arguments) {
    if (argument.optional || argument.multiple || CanBeLonger(argument.arguments)) return true;
  }
  return false;
}

TEST_CASE("every command has a doc, and every doc a command") {
  for (const CommandSpec& spec : AllCommands()) {
    CAPTURE(spec.name);
    const CommandDoc* const doc = FindCommandDoc(spec.name);
    REQUIRE(doc != nullptr);
    CHECK_FALSE(doc->since.empty());
    CHECK(doc->summary.ends_with('.'));
    CHECK_FALSE(doc->complexity.empty());
  }
  CHECK(AllCommandDocs().size() == AllCommands().size());
}

TEST_CASE("documented arguments parse and agree with the arity") {
  for (const CommandSpec& spec : AllCommands()) {
    CAPTURE(spec.name);
    const CommandDoc* const doc = FindCommandDoc(spec.name);
    REQUIRE(doc != nullptr);
    std::vector<ArgumentDoc> arguments;
    REQUIRE(ParseArgumentDocs(doc->arguments, &arguments));
    // "debug" and containers leave their arguments to their subcommands; QUIT takes any and uses
    // none.
    if (HasSubcommands(spec) || spec.name == "debug" || spec.name == "quit") continue;
    const int names = spec.is_subcommand() ? 2 : 1;
    CHECK(LeastArguments(arguments) + names == std::abs(spec.arity));
    CHECK(CanBeLonger(arguments) == (spec.arity < 0));
  }
}

TEST_CASE("an argument's text becomes its parts") {
  std::vector<ArgumentDoc> arguments;
  REQUIRE(ParseArgumentDocs(
      "key:key [condition(nx!NX|xx!XX@2.6.12)] [EX=seconds:integer] data{a:key b:string}...",
      &arguments));
  REQUIRE(arguments.size() == 4);
  CHECK(arguments[0].name == "key");
  CHECK(arguments[0].type == "key");
  CHECK(arguments[1].type == "oneof");
  CHECK(arguments[1].optional);
  REQUIRE(arguments[1].arguments.size() == 2);
  CHECK(arguments[1].arguments[0].token == "NX");
  CHECK(arguments[1].arguments[1].since == "2.6.12");
  CHECK(arguments[2].token == "EX");
  CHECK(arguments[2].name == "seconds");
  CHECK(arguments[2].type == "integer");
  CHECK(arguments[3].type == "block");
  CHECK(arguments[3].multiple);
  CHECK(arguments[3].arguments.size() == 2);
}

TEST_CASE("texts that are not arguments are refused") {
  for (const char* text : {"key", "[key:key", "key:key]", "a(b!B", "a(b!B}", ":key", "a!", "a:b@x",
                           "a:b  c:d", " ", "[[a:b]]", "a{}"}) {
    CAPTURE(text);
    std::vector<ArgumentDoc> arguments;
    const bool parsed = ParseArgumentDocs(text, &arguments);
    CHECK_FALSE(parsed);
  }
}

TEST_CASE("key positions follow the row, and negative ones count from the end") {
  CHECK(KeyPositions(*FindCommand("get"), 2) == std::vector<size_t>{1});
  CHECK(KeyPositions(*FindCommand("mset"), 5) == std::vector<size_t>{1, 3});
  CHECK(KeyPositions(*FindCommand("mset"), 4) == std::vector<size_t>{1, 3});
  CHECK(KeyPositions(*FindCommand("del"), 4) == std::vector<size_t>{1, 2, 3});
  CHECK(KeyPositions(*FindCommand("ping"), 1).empty());
}

TEST_CASE("categories and flags have Redis's names") {
  using Names = std::vector<std::string_view>;
  CHECK(AclCategoryNames(AclCategories(*FindCommand("get"))) == Names{"@read", "@string", "@fast"});
  CHECK(AclCategoryNames(AclCategories(*FindSubcommand("client", "kill"))) ==
        Names{"@admin", "@slow", "@dangerous", "@connection"});
  CHECK(CommandFlagNames(FindCommand("auth")->flags) ==
        Names{"noscript", "loading", "stale", "fast", "no_auth", "allow_busy"});
  // What Redis does not show is not shown.
  CHECK(CommandFlagNames(FindCommand("debug")->flags) ==
        Names{"admin", "noscript", "loading", "stale"});
  CHECK(KeyFlagNames(kKeyRw | kKeyVariableFlags) == Names{"RW", "variable_flags"});
  CHECK(ParseAclCategory("CONNECTION") == kAclConnection);
  CHECK_FALSE(ParseAclCategory("@read").has_value());
}

}  // namespace
}  // namespace redis
