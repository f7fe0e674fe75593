// SPDX-License-Identifier: BSD-3-Clause
// What transcripts cannot ask: other configurations, what the host is told, failures.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/test_server.h"

namespace redis {
namespace {

bool Logged(test_support::TestServer* server, const std::string& line) {
  const std::vector<std::string> log = server->host().log();
  return std::find(log.begin(), log.end(), line) != log.end();
}

TEST_CASE("INFO keyspace counts keys and estimates what they have left") {
  test_support::TestServer server;
  CHECK(server.Call("INFO keyspace") == "\"# Keyspace\\r\\n\"");
  server.Call("SET a 1 PX 5000");
  server.Call("SET b 1 PX 5000");
  CHECK(server.Call("INFO keyspace") ==
        "\"# Keyspace\\r\\ndb0:keys=2,expires=2,avg_ttl=5000\\r\\n\"");
}

TEST_CASE("INFO's rate is measured") {
  test_support::TestServer server;
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 20; ++j) CHECK(server.Call("PING") == "PONG");
    server.Sleep(100);
  }
  CHECK(server.Call("INFO stats").find("instantaneous_ops_per_sec:200\\r") != std::string::npos);
}

TEST_CASE("a RELOAD that cannot open the database stops the server and answers an error") {
  test_support::TestServer server("enable-debug-command yes\n");
  CHECK(server.Call("SET a 1") == "OK");
  server.instance().set_opener([]() -> lsm::Result<std::unique_ptr<lsm::DB>> {
    return lsm::Status::IoError("the disk is gone");
  });
  CHECK(server.Call("DEBUG RELOAD").starts_with("(error) "));
  CHECK(server.host().stopped);
}

TEST_CASE("SHUTDOWN stops the host and answers nothing") {
  test_support::TestServer server;
  CHECK(server.Call("SHUTDOWN NOSAVE") == "(no reply)");
  CHECK(server.host().stopped);
}

TEST_CASE("DEBUG is refused unless the configuration allows it") {
  const std::string refusal =
      "(error) ERR DEBUG command not allowed. If the enable-debug-command option is set to "
      "\"local\", you can run it from a local connection, otherwise you need to set this option in "
      "the configuration file, and then restart the server.";
  test_support::TestServer closed;
  CHECK(closed.Call("DEBUG SLEEP 0") == refusal);
  CHECK(closed.Call("DEBUG NOSUCH") == refusal);
  CHECK(closed.Call("CONFIG SET enable-debug-command yes") ==
        "(error) ERR CONFIG SET failed (possibly related to argument 'enable-debug-command') - "
        "can't set immutable config");
  test_support::TestServer local("enable-debug-command local\n");
  CHECK(local.Call("DEBUG SLEEP 0") == "OK");
}

TEST_CASE("setting a directive without effect is logged, not silent") {
  test_support::TestServer server;
  CHECK(server.Call("CONFIG SET maxmemory-samples 7 timeout 5") == "OK");
  CHECK(Logged(&server, "The directive 'maxmemory-samples' has no effect in Varve"));
  CHECK_FALSE(Logged(&server, "The directive 'timeout' has no effect in Varve"));
  CHECK(server.Call("CONFIG GET maxmemory-samples") == "[\"maxmemory-samples\", \"7\"]");
}

TEST_CASE("CONFIG REWRITE says that it cannot") {
  test_support::TestServer server;
  CHECK(server.Call("CONFIG REWRITE") == "(error) ERR The server is running without a config file");
}

TEST_CASE("a killed client is closed by the host, and the killer is answered") {
  test_support::TestServer server;
  const ClientId victim = server.Connect();
  CHECK(server.Call(victim, {"PING"}) == "PONG");
  CHECK(server.Call("CLIENT KILL ID " + std::to_string(victim)) == "(integer) 1");
  CHECK(server.instance().Find(victim) == nullptr);
  CHECK(server.Call("CLIENT KILL ID " + std::to_string(victim)) == "(integer) 0");
}

TEST_CASE("a client that kills itself gets its reply first") {
  test_support::TestServer server;
  const ClientId client = server.Connect();
  CHECK(server.Call(client, {"CLIENT", "KILL", "ID", std::to_string(client), "SKIPME", "no"}) ==
        "(integer) 1");
  CHECK(server.instance().Find(client) == nullptr);
}

TEST_CASE("database numbers follow the configuration") {
  test_support::TestServer server("databases 2\n");
  CHECK(server.Call("SELECT 1") == "OK");
  CHECK(server.Call("SELECT 2") == "(error) ERR DB index is out of range");
}

}  // namespace
}  // namespace redis
