// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/transaction.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "redis-compat/command_table.h"
#include "redis-compat/dispatcher.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

uint64_t Calls(TestServer& server, std::string_view name) {
  const size_t row = redis::CommandIndex(*redis::FindCommand(name));
  return server.instance().statistics().commands[row].calls;
}

}  // namespace

TEST_CASE("a client without MULTI and WATCH has no transaction, before and after one") {
  TestServer server;
  const auto client = server.Connect();
  const redis::Session* session = server.instance().Find(client);
  server.Exchange(client, "SET a 1\r\nGET a\r\nEXEC\r\nDISCARD\r\nUNWATCH\r\nNOSUCH\r\n");
  CHECK(session->transaction() == nullptr);
  server.Exchange(client, "MULTI\r\n");
  CHECK(session->transaction() != nullptr);
  server.Exchange(client, "EXEC\r\n");
  CHECK(session->transaction() == nullptr);
  server.Exchange(client, "MULTI\r\nDISCARD\r\n");
  CHECK(session->transaction() == nullptr);
  server.Exchange(client, "WATCH a\r\n");
  CHECK(session->transaction() != nullptr);
  server.Exchange(client, "UNWATCH\r\n");
  CHECK(session->transaction() == nullptr);
  server.Exchange(client, "WATCH a\r\nMULTI\r\nRESET\r\n");
  CHECK(session->transaction() == nullptr);
}

TEST_CASE("EXEC is one unit, however many commands and databases it has") {
  TestServer server;
  server.Call("SET before 1");
  const auto client = server.Connect();
  server.Exchange(client, "MULTI\r\n");
  const lsm::SequenceNumber before = server.instance().db().visible_sequence();
  std::string commands;
  for (int i = 0; i < 100; ++i) {
    commands += "SELECT " + std::to_string(i % 5) + "\r\nINCR n\r\nSET k" + std::to_string(i) +
                " v PX 100000\r\n";
  }
  server.Exchange(client, commands);
  CHECK(server.instance().db().visible_sequence() == before);
  const std::string reply = server.Exchange(client, "EXEC\r\n");
  CHECK(reply.starts_with("*300\r\n"));
  CHECK(server.instance().db().visible_sequence() == before + 1);
}

TEST_CASE("nobody sees a part of a transaction in the tick that executes it") {
  TestServer server;
  const auto writer = server.Connect();
  const auto reader = server.Connect();
  server.Feed(writer, "MULTI\r\nSET a 1\r\nSET b 1\r\n");
  server.Feed(reader, "MGET a b\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(reader) == "*2\r\n$-1\r\n$-1\r\n");
  server.Feed(writer, "EXEC\r\n");
  server.Feed(reader, "MGET a b\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(reader) == "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
}

TEST_CASE("the write gate is asked once, by EXEC, and only if something is to be written") {
  TestServer server;
  const auto client = server.Connect();
  server.disk().stall = {lsm::WriteStall::State::kStop, lsm::WriteStall::Reason::kMemtables, 0};
  const std::string queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n";
  CHECK(server.Exchange(client, "MULTI\r\nSET a 1\r\nSET b 1\r\nEXEC\r\nPING\r\n") == queued);
  const uint64_t pauses = server.instance().statistics().write_pauses;
  CHECK(pauses > 0);
  const auto reader = server.Connect();
  CHECK(server.Exchange(reader, "MULTI\r\nGET a\r\nPING\r\nEXEC\r\n") ==
        queued + "*2\r\n$-1\r\n+PONG\r\n");
  CHECK(server.Exchange(reader, "MULTI\r\nSET a 1\r\nNOSUCH\r\nEXEC\r\n").find("-EXECABORT") !=
        std::string::npos);
  CHECK(server.instance().statistics().write_pauses == pauses);
  server.disk().stall = {};
  server.instance().engine_listener().OnStallRelieved();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == "*2\r\n+OK\r\n+OK\r\n+PONG\r\n");
}

TEST_CASE("if the engine refuses the unit nothing of it happened, and EXEC is one error") {
  TestServer server;
  const auto client = server.Connect();
  server.Call("SET a old");
  server.disk().stall = {lsm::WriteStall::State::kStop, lsm::WriteStall::Reason::kDiskFull, 0};
  const std::string reply = server.Exchange(
      client, "MULTI\r\nSELECT 3\r\nSET c 1\r\nSELECT 0\r\nSET a new\r\nSELECT 3\r\nEXEC\r\n");
  CHECK(reply.find("-EXECABORT Transaction discarded because of: MISCONF ") != std::string::npos);
  CHECK(reply.find('*') == std::string::npos);
  server.disk().stall = {};
  // The client is in the database where it was.
  CHECK(server.Exchange(client, "GET a\r\n") == "$3\r\nold\r\n");
  CHECK(server.Exchange(client, "EXEC\r\n") == "-ERR EXEC without MULTI\r\n");
  CHECK(server.Exchange(client, "SELECT 3\r\nDBSIZE\r\n") == "+OK\r\n:0\r\n");
  CHECK(server.Exchange(client, "SCAN 0\r\nSET d 1\r\nDBSIZE\r\n") ==
        "*2\r\n$1\r\n0\r\n*0\r\n+OK\r\n:1\r\n");
}

TEST_CASE("if the group is lost the reply of EXEC is one error, and others' keep their place") {
  TestServer server;
  const auto client = server.Connect();
  server.disk().append_failure = lsm::Status::IoError("no luck");
  CHECK(server.Exchange(client, "MULTI\r\nSET a 1\r\nGET a\r\nPING\r\nEXEC\r\nPING\r\n") ==
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
        "-MISCONF Errors writing to the AOF file: no luck\r\n+PONG\r\n");
  server.disk().append_failure = {};
  CHECK(server.Exchange(client, "DBSIZE\r\n") == ":0\r\n");
}

TEST_CASE("under always the reply of EXEC waits for what its commands wrote and read") {
  TestServer server("appendfsync always\n");
  server.disk().syncs_end = false;
  const auto writer = server.Connect();
  const auto reader = server.Connect();
  const auto other = server.Connect();
  CHECK(server.Exchange(writer, "MULTI\r\nPING\r\nSET a 1\r\nEXEC\r\n") ==
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  CHECK(server.Exchange(reader, "MULTI\r\nPING\r\nGET a\r\nEXEC\r\n") ==
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  CHECK(server.Exchange(other, "MULTI\r\nPING\r\nEXEC\r\n") == "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(writer) == "*2\r\n+PONG\r\n+OK\r\n");
  CHECK(server.TakeOutput(reader) == "*2\r\n+PONG\r\n$1\r\n1\r\n");
}

TEST_CASE("commands are counted when they are executed, not when they are queued") {
  TestServer server;
  const auto client = server.Connect();
  server.Exchange(client, "MULTI\r\nINCR a\r\nINCR a\r\n");
  CHECK(Calls(server, "incr") == 0);
  server.Exchange(client, "DISCARD\r\n");
  CHECK(Calls(server, "incr") == 0);
  server.Exchange(client, "MULTI\r\nINCR a\r\nINCR a\r\nEXEC\r\n");
  CHECK(Calls(server, "incr") == 2);
  CHECK(Calls(server, "multi") == 2);
  CHECK(Calls(server, "exec") == 1);
}

TEST_CASE("a client that queues more than client-query-buffer-limit is closed") {
  TestServer server("client-query-buffer-limit 1mb\n");
  const auto client = server.Connect();
  const std::string command =
      "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n" + std::string(100'000, 'x') + "\r\n";
  CHECK(server.Exchange(client, "MULTI\r\n") == "+OK\r\n");
  for (int i = 0; i < 10; ++i) {
    CHECK(server.Exchange(client, command) == "+QUEUED\r\n");
    REQUIRE(server.instance().Find(client) != nullptr);
  }
  CHECK(server.instance().Find(client)->transaction_bytes() > 1'000'000);
  server.Exchange(client, command);
  CHECK(server.instance().Find(client) == nullptr);
}

TEST_CASE("small commands count with what they cost, and watched keys count too") {
  TestServer server("client-query-buffer-limit 1mb\n");
  const auto client = server.Connect();
  server.Exchange(client, "MULTI\r\n");
  std::string pings;
  for (int i = 0; i < 100'000; ++i) pings += "PING\r\n";
  server.Exchange(client, pings);
  CHECK(server.instance().Find(client) == nullptr);

  const auto watcher = server.Connect();
  for (int i = 0; i < 20'000 && server.instance().Find(watcher) != nullptr; ++i) {
    server.Exchange(watcher, "WATCH key:" + std::to_string(i) + "\r\n");
  }
  CHECK(server.instance().Find(watcher) == nullptr);
}

TEST_CASE("an EXEC that would write without end is one error, and nothing of it happened") {
  TestServer server("client-query-buffer-limit 1mb\nproto-max-bulk-len 1mb\n");
  const auto client = server.Connect();
  server.Exchange(client, "SETRANGE big 299999 x\r\n");
  const auto copies = [](int count) {
    std::string commands = "MULTI\r\n";
    for (int i = 0; i < count; ++i) commands += "COPY big k" + std::to_string(i) + "\r\n";
    return commands + "EXEC\r\nDBSIZE\r\n";
  };
  const std::string refused = server.Exchange(client, copies(100));
  CHECK(
      refused.ends_with("-EXECABORT Transaction discarded because of: Aborted: it writes too much "
                        "at once\r\n:1\r\n"));
  // Two of the largest strings may always be written, however little a client may queue.
  CHECK(server.Exchange(client, copies(6)).ends_with(":1\r\n:1\r\n:1\r\n:7\r\n"));
}

TEST_CASE("of EXEC's reply nothing is kept once it is too large, and what was written stays") {
  TestServer server("client-output-buffer-limit normal 1mb 0 0\n");
  std::string mixed;
  for (int i = 0; i < 2000; ++i) mixed += "ab";
  server.Call("MSET a " + mixed + " b " + std::string(2000, 'a'));
  const auto client = server.Connect();
  std::string commands = "MULTI\r\nSET before 1\r\n";
  // 100 KB of numbers each.
  for (int i = 0; i < 100; ++i) commands += "LCS a b IDX\r\n";
  server.Exchange(client, commands);
  CHECK(server.Exchange(client, "SET behind 1\r\n") == "+QUEUED\r\n");
  CHECK(server.Exchange(client, "EXEC\r\n") == "");
  CHECK(server.instance().Find(client) == nullptr);
  CHECK(server.Call("MGET before behind") == "[\"1\", \"1\"]");
  const auto log = server.host().log();
  REQUIRE(!log.empty());
  const std::string& line = log.back();
  const size_t capacity = line.find(" rbs=");
  REQUIRE(capacity != std::string::npos);
  CHECK(std::stoul(line.substr(capacity + 5)) < 3'000'000);
}

TEST_CASE("an aborted transaction keeps nothing of what comes after") {
  TestServer server;
  const auto client = server.Connect();
  server.Exchange(client, "MULTI\r\nSET a 1\r\nNOSUCH\r\n");
  const size_t before = server.instance().Find(client)->transaction_bytes();
  CHECK(server.Exchange(client, "SET b " + std::string(1000, 'x') + "\r\n") == "+QUEUED\r\n");
  CHECK(server.instance().Find(client)->transaction_bytes() == before);
}

TEST_CASE("DEBUG RELOAD is refused inside a transaction, and the rest is executed") {
  TestServer server("enable-debug-command yes\n");
  const auto client = server.Connect();
  CHECK(server.Exchange(client, "MULTI\r\nSET a 1\r\nDEBUG RELOAD\r\nSET b 1\r\nEXEC\r\n") ==
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n"
        "-ERR DEBUG RELOAD is not possible inside a transaction\r\n+OK\r\n");
  CHECK(server.Exchange(client, "MGET a b\r\n") == "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
}

TEST_CASE("arguments come back as they were queued") {
  redis::Transaction transaction;
  transaction.Open();
  const redis::CommandSpec& set = *redis::FindCommand("set");
  const std::vector<std::vector<std::string_view>> commands = {
      {"SET", "", std::string_view("a\0b", 3)},
      {"GET"},
      {"MSET", "long key of many bytes", "", ""}};
  for (const auto& command : commands) transaction.Queue(set, command);
  REQUIRE(transaction.size() == commands.size());
  for (size_t i = 0; i < commands.size(); ++i) {
    std::vector<std::string_view> args = {"left over"};
    transaction.Arguments(i, &args);
    CHECK(args == commands[i]);
  }
  CHECK(transaction.WillWrite());
  transaction.MarkDirty(7);
  CHECK(!transaction.WillWrite());
  CHECK(transaction.dirtied_by() == 7);
}
