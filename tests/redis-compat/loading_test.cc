// SPDX-License-Identifier: BSD-3-Clause
// Clients that come while the database is being opened.

#include <doctest/doctest.h>

#include <string>

#include "tests/support/test_server.h"

namespace redis {
namespace {

using test_support::TestServer;

constexpr char kRefusal[] = "(error) LOADING Redis is loading the dataset in memory";

TEST_CASE("while the database is being opened what needs data is refused, and the rest is served") {
  TestServer server("enable-debug-command yes\n", TestServer::Engine::kLsm);
  CHECK(server.Call("SET a 1") == "OK");
  server.RestartLoading();
  for (const char* command :
       {"PING", "GET a", "SET a 2", "DBSIZE", "SCAN 0", "SAVE", "BGSAVE", "WATCH a", "TTL a",
        "FLUSHALL", "DEBUG RELOAD", "DEBUG DIGEST", "KEYS *"}) {
    CAPTURE(command);
    CHECK(server.Call(command) == kRefusal);
  }
  CHECK(server.Call("SELECT 3") == "OK");
  CHECK(server.Call("ECHO hello") == "\"hello\"");
  for (const char* command :
       {"CONFIG GET port", "CLIENT ID", "COMMAND COUNT", "LASTSAVE", "SLOWLOG LEN"}) {
    CAPTURE(command);
    CHECK_FALSE(server.Call(command).starts_with("(error)"));
  }
  const std::string info = server.Call("INFO all");
  for (const char* field :
       {"loading:1\\r", "loading_start_time:", "loading_total_bytes:0", "loading_loaded_bytes:0",
        "loading_loaded_perc:0.00", "loading_eta_seconds:1"}) {
    CAPTURE(field);
    CHECK(info.find(field) != std::string::npos);
  }
  server.Sleep(2000);

  server.FinishLoading();
  CHECK(server.Call("SELECT 0") == "OK");
  CHECK(server.Call("GET a") == "\"1\"");
  CHECK(server.Call("SET a 2") == "OK");
  CHECK(server.Call("SAVE") == "OK");
  CHECK(server.Call("INFO persistence").find("loading:0\\r") != std::string::npos);
  CHECK(server.Call("INFO persistence").find("loading_eta") == std::string::npos);
  server.Restart();
  CHECK(server.Call("GET a") == "\"2\"");
}

TEST_CASE("a transaction that was begun while loading fails with the command that was refused") {
  TestServer server("", TestServer::Engine::kLsm);
  server.RestartLoading();
  CHECK(server.Call("MULTI") == "OK");
  CHECK(server.Call("SET a 1") == kRefusal);
  server.FinishLoading();
  CHECK(server.Call("EXEC").starts_with("(error) EXECABORT"));
  CHECK(server.Call("GET a") == "(nil)");
}

TEST_CASE("a server that has not finished loading stops when it is told to, and loses nothing") {
  TestServer server("", TestServer::Engine::kLsm);
  CHECK(server.Call("SET a 1") == "OK");
  server.RestartLoading();
  CHECK(server.Call("SHUTDOWN SAVE") == "(no reply)");
  CHECK(server.host().stopped);
  server.Restart();
  CHECK(server.Call("GET a") == "\"1\"");
}

}  // namespace
}  // namespace redis
