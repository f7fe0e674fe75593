// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/command_names.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "redis-compat/command_table.h"
#include "redis-compat/seeded_hash.h"
#include "tests/support/test_server.h"

namespace redis {
namespace {

using test_support::TestServer;

std::string RenameError(std::string_view lines) {
  const lsm::Status status = Config().LoadText(lines);
  if (status.ok()) return "";
  std::string text(status.message());
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST_CASE("a renamed command answers to its new name only") {
  TestServer server("rename-command SET Put\nrename-command CONFIG adm\n");
  CHECK(server.Call("put a 1") == "OK");
  CHECK(server.Call("PUT a 1") == "OK");
  CHECK(server.Call("set a 1") ==
        "(error) ERR unknown command 'set', with args beginning with: 'a' '1' ");
  CHECK(server.Call("ADM GET port") == "[\"port\", \"6379\"]");
  CHECK(server.Call("adm nosuch") == "(error) ERR unknown subcommand 'nosuch'. Try ADM HELP.");
  CHECK(server.Call("CONFIG GET port") ==
        "(error) ERR unknown command 'CONFIG', with args beginning with: 'GET' 'port' ");
  CHECK(server.Call("put") == "(error) ERR wrong number of arguments for 'set' command");
}

TEST_CASE("a command that is renamed to nothing cannot be called, in a transaction neither") {
  TestServer server("rename-command FLUSHALL \"\"\nrename-command DEBUG \"\"\n");
  CHECK(server.Call("FLUSHALL") ==
        "(error) ERR unknown command 'FLUSHALL', with args beginning with: ");
  CHECK(server.Call("MULTI") == "OK");
  CHECK(server.Call("flushall").find("unknown command") != std::string::npos);
  CHECK(server.Call("EXEC").find("EXECABORT") != std::string::npos);
  CHECK(server.Call("DEBUG SLEEP 0").find("unknown command") != std::string::npos);
}

TEST_CASE("COMMAND tells of commands by the names they have") {
  TestServer plain;
  TestServer server(
      "rename-command GET \"\"\nrename-command SET put\nrename-command CLIENT \"\"\n");
  const auto count = [](TestServer* s) {
    return std::stoi(s->Call("COMMAND COUNT").substr(std::string("(integer) ").size()));
  };
  CHECK(count(&server) == count(&plain) - 2);
  CHECK(server.Call("COMMAND INFO get") == plain.Call("COMMAND INFO nosuch"));
  CHECK(server.Call("COMMAND INFO set") == plain.Call("COMMAND INFO nosuch"));
  CHECK(server.Call("COMMAND INFO put") == plain.Call("COMMAND INFO set"));
  CHECK(server.Call("COMMAND INFO client|list") == plain.Call("COMMAND INFO nosuch"));
  CHECK(server.Call("COMMAND LIST FILTERBY PATTERN get") == "[]");
  CHECK(server.Call("COMMAND LIST FILTERBY PATTERN client*") == "[]");
  CHECK(server.Call("COMMAND LIST FILTERBY PATTERN set") == "[\"set\"]");
  CHECK(server.Call("COMMAND GETKEYS put a b") == "[\"a\"]");
  CHECK(server.Call("COMMAND GETKEYS set a b") == "(error) ERR Invalid command specified");
}

TEST_CASE("rename-command refuses what it cannot do, in Redis's words") {
  CHECK(RenameError("rename-command nosuch x") == "No such command in rename-command");
  CHECK(RenameError("rename-command config|get x") == "No such command in rename-command");
  CHECK(RenameError("rename-command get set") == "Target command name already exists");
  CHECK(RenameError("rename-command get") == "Bad directive or wrong number of arguments");
  CHECK(RenameError("rename-command get Get") == "");
  CHECK(RenameError("rename-command get a\nrename-command get b") ==
        "No such command in rename-command");
  CHECK(RenameError("rename-command get a\nrename-command a get\nrename-command set a") == "");
  CHECK(RenameError("rename-command get \"\"\nrename-command set get") == "");
}

TEST_CASE("rename-command cannot be set while the server runs") {
  TestServer server;
  CHECK(server.Call("CONFIG SET rename-command get") ==
        "(error) ERR Unknown option or number of arguments for CONFIG SET - 'rename-command'");
  CHECK(server.Call("CONFIG GET rename-command") == "[]");
}

TEST_CASE("hashes of clients' bytes depend on all of them and on a key") {
  const HashKey key = {1, 2};
  std::set<uint64_t> seen;
  std::string text;
  for (int length = 0; length < 70; ++length) {
    seen.insert(SipHash(key, text));
    seen.insert(SipHash({1, 3}, text));
    for (size_t i = 0; i < text.size(); ++i) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      seen.insert(SipHash(key, changed));
    }
    text += 'x';
  }
  CHECK(seen.size() == 140 + 69 * 70 / 2);
  CHECK(SeededHash()("a") == SeededHash()("a"));
  CHECK(SipHash(key, "a") == SipHash(key, "a"));
}

}  // namespace
}  // namespace redis
