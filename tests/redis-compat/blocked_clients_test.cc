// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/blocked_clients.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "redis-compat/command_table.h"
#include "tests/support/test_server.h"

using redis::ClientId;
using test_support::TestServer;

namespace {

size_t Blocked(TestServer& server) { return server.instance().blocked_clients().count(); }

uint64_t Calls(TestServer& server, std::string_view command) {
  const size_t row = redis::CommandIndex(*redis::FindCommand(command));
  return server.instance().statistics().commands[row].calls;
}

std::string Unblock(ClientId client, const std::string& how) {
  return "CLIENT UNBLOCK " + std::to_string(client) + " " + how;
}

}  // namespace

TEST_CASE(
    "a command that waits is answered when its time is over, and what follows it after that") {
  TestServer server;
  const ClientId client = server.Connect();
  CHECK(server.Exchange(client, "PING\r\nWAIT 1 250\r\nPING\r\nSET a 1\r\n") == "+PONG\r\n");
  CHECK(Blocked(server) == 1);
  CHECK(server.Call("EXISTS a") == "(integer) 0");
  server.Sleep(200);
  CHECK(server.TakeOutput(client).empty());
  server.Sleep(100);
  CHECK(server.TakeOutput(client) == ":0\r\n+PONG\r\n+OK\r\n");
  CHECK(Blocked(server) == 0);
  CHECK(server.instance().blocked_clients().count_with_timeout() == 0);
}

TEST_CASE("a command that waits is counted once, when it is answered") {
  TestServer server;
  const ClientId client = server.Connect();
  const uint64_t before = server.instance().statistics().commands_processed;
  server.Exchange(client, "WAIT 1 100\r\n");
  CHECK(Calls(server, "wait") == 0);
  CHECK(server.instance().statistics().commands_processed == before);
  server.Sleep(200);
  CHECK(server.TakeOutput(client) == ":0\r\n");
  CHECK(Calls(server, "wait") == 1);
  CHECK(server.instance().statistics().commands_processed == before + 1);
  CHECK(server.instance().Find(client)->state().commands_processed == 1);
}

TEST_CASE("the host is asked for an alarm only when a deadline is near") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, "WAIT 1 10050\r\n");
  CHECK(server.host().delayed.empty());
  server.Sleep(9'800);
  CHECK(server.host().delayed.empty());
  server.Sleep(200);
  REQUIRE(server.host().delayed.count(client) == 1);
  CHECK(server.host().delayed.at(client) >= 50'000);
  CHECK(server.host().delayed.at(client) <= 250'000);
  CHECK(server.TakeOutput(client).empty());

  // An alarm that rings early is set again; in time it ends the wait without any cron.
  server.host().delayed.clear();
  server.clock().Advance(40'000);
  server.host().Wake(client);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client).empty());
  REQUIRE(server.host().delayed.count(client) == 1);
  CHECK(server.host().delayed.at(client) == 10'000);
  server.clock().Advance(10'000);
  server.host().Wake(client);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == ":0\r\n");
}

TEST_CASE("without a timeout a client waits until somebody unblocks it") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, "WAIT 1 0\r\nPING\r\n");
  server.Sleep(3'600'000);
  CHECK(server.TakeOutput(client).empty());
  CHECK(server.Call(Unblock(client, "TIMEOUT")) == "(integer) 1");
  CHECK(server.TakeOutput(client) == ":0\r\n+PONG\r\n");
  server.Exchange(client, "WAIT 1 1000\r\nPING\r\n");
  CHECK(server.Call(Unblock(client, "ERROR")) == "(integer) 1");
  CHECK(server.TakeOutput(client) == "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n");
  CHECK(server.Call(Unblock(client, "ERROR")) == "(integer) 0");
  CHECK(server.instance().statistics().errors_by_code.at("UNBLOCKED") == 1);
  CHECK(server.instance().blocked_clients().count_with_timeout() == 0);
}

TEST_CASE("a client that disconnects while it waits is forgotten") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, "SET a 1\r\n");
  server.Exchange(client, "WAIT 1 1000\r\n");
  const ClientId writer = server.Connect();
  server.disk().syncs_end = false;
  CHECK(server.Exchange(writer, "SET b 1\r\nWAITAOF 1 0 2000\r\n") == "+OK\r\n");
  CHECK(Blocked(server) == 2);
  server.Disconnect(client);
  server.Disconnect(writer);
  CHECK(Blocked(server) == 0);
  CHECK(server.instance().blocked_clients().count_with_timeout() == 0);
  CHECK_FALSE(server.instance().blocked_clients().WantSync());
  CHECK(server.Call(Unblock(client, "TIMEOUT")) == "(integer) 0");
  server.Sleep(3000);
  CHECK(server.Call("GET b") == "\"1\"");
}

TEST_CASE("a client that is killed while it waits goes at once") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, "WAIT 1 0\r\n");
  CHECK(server.Call("CLIENT KILL ID " + std::to_string(client)) == "(integer) 1");
  CHECK(server.instance().Find(client) == nullptr);
  CHECK(Blocked(server) == 0);
}

TEST_CASE("ten thousand clients wait, each for its own time") {
  TestServer server("maxclients 20000\n");
  std::vector<ClientId> clients;
  constexpr int kClients = 10'000;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(server.Connect());
    // 100 ms to 10 s, in no order.
    const int timeout_ms = 100 * (1 + i * 37 % 100);
    server.Feed(clients.back(), "WAIT 1 " + std::to_string(timeout_ms) + "\r\n");
  }
  server.RunUntilIdle();
  CHECK(Blocked(server) == kClients);
  for (int step = 1; step <= 100; ++step) {
    server.Sleep(100);
    CAPTURE(step);
    CHECK(Blocked(server) == static_cast<size_t>(kClients - step * 100));
  }
  for (const ClientId client : clients) REQUIRE(server.TakeOutput(client) == ":0\r\n");
}

TEST_CASE("clients are not idle while they wait") {
  TestServer server("timeout 2\n");
  const ClientId client = server.Connect();
  server.Exchange(client, "WAIT 1 10000\r\n");
  server.Sleep(5000);
  CHECK(server.instance().Find(client) != nullptr);
  server.Sleep(5100);
  CHECK(server.TakeOutput(client) == ":0\r\n");
}

TEST_CASE("WAITAOF asks for a sync and is answered when the client's own writes are on disk") {
  TestServer server("appendfsync no\n");
  const ClientId client = server.Connect();
  CHECK(server.Exchange(client, "WAITAOF 1 0 0\r\n") == "*2\r\n:1\r\n:0\r\n");
  CHECK(server.Exchange(client, "SET a 1\r\n") == "+OK\r\n");
  CHECK(server.disk().synced < server.disk().visible);
  CHECK(server.Exchange(client, "WAITAOF 0 0 0\r\n") == "*2\r\n:0\r\n:0\r\n");
  // In the same turn as the write, and in a later one.
  CHECK(server.Exchange(client, "WAITAOF 1 0 0\r\n") == "*2\r\n:1\r\n:0\r\n");
  CHECK(server.disk().synced == server.disk().visible);
  CHECK(server.Exchange(client, "SET a 2\r\nWAITAOF 1 0 0\r\n") == "+OK\r\n*2\r\n:1\r\n:0\r\n");
  CHECK(server.disk().synced == server.disk().visible);

  server.disk().syncs_end = false;
  CHECK(server.Exchange(client, "SET a 3\r\nWAITAOF 1 0 0\r\n") == "+OK\r\n");
  const auto written = server.disk().visible;
  server.Call("SET b 1");
  server.Sleep(1000);
  CHECK(server.TakeOutput(client).empty());
  // What others wrote later need not be synced.
  server.disk().synced = written - 1;
  server.instance().engine_listener().OnSynced(written - 1);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client).empty());
  server.disk().synced = written;
  server.instance().engine_listener().OnSynced(written);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == "*2\r\n:1\r\n:0\r\n");
}

TEST_CASE("WAITAOF says what is not on disk when its time is over") {
  TestServer server("appendfsync no\n");
  const ClientId client = server.Connect();
  server.disk().syncs_end = false;
  CHECK(server.Exchange(client, "SET a 1\r\nWAITAOF 1 0 100\r\n") == "+OK\r\n");
  server.Sleep(200);
  CHECK(server.TakeOutput(client) == "*2\r\n:0\r\n:0\r\n");
  // Synced in time, but there is no replica.
  server.disk().syncs_end = true;
  CHECK(server.Exchange(client, "SET a 2\r\nWAITAOF 1 1 500\r\n") == "+OK\r\n");
  server.Sleep(400);
  CHECK(server.TakeOutput(client).empty());
  server.Sleep(200);
  CHECK(server.TakeOutput(client) == "*2\r\n:1\r\n:0\r\n");
}

TEST_CASE("WAITAOF does not wait for a write that was lost with its group") {
  TestServer server("appendfsync no\n");
  const ClientId client = server.Connect();
  server.disk().append_failure = lsm::Status::IoError("no luck");
  const std::string replies = server.Exchange(client, "SET a 1\r\nWAITAOF 1 0 0\r\n");
  server.disk().append_failure = {};
  CHECK(replies.starts_with("-"));
  CHECK(replies.ends_with("\r\n*2\r\n:1\r\n:0\r\n"));
  CHECK(Blocked(server) == 0);
}

TEST_CASE("a wrong password is answered after a tenth of a second, while others are served") {
  TestServer server("requirepass secret\n");
  const ClientId guesser = server.Connect();
  const ClientId owner = server.Connect();
  CHECK(server.Exchange(guesser, "AUTH wrong\r\nHELLO 3 AUTH default bad\r\nAUTH secret\r\n")
            .empty());
  CHECK(server.Exchange(owner, "AUTH secret\r\n") == "+OK\r\n");
  CHECK(Blocked(server) == 0);  // it waits, but not for anything it asked for
  CHECK(server.Exchange(owner, Unblock(guesser, "ERROR") + "\r\n") == ":0\r\n");
  server.Sleep(90);
  CHECK(server.TakeOutput(guesser).empty());
  server.Sleep(20);
  const std::string wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  CHECK(server.TakeOutput(guesser) == wrong);
  server.Sleep(110);
  CHECK(server.TakeOutput(guesser) == wrong + "+OK\r\n");
  CHECK(server.instance().statistics().errors_by_code.at("WRONGPASS") == 2);
}

TEST_CASE("while writes are paused nothing is written, not even what expires") {
  TestServer server;
  server.Call("SET a 1 PX 100");
  server.Call("SET b 1");
  server.Sleep(50);
  CHECK(server.Call("CLIENT PAUSE 5000 WRITE") == "OK");
  const auto visible = server.disk().visible;
  const ClientId first = server.Connect();
  const ClientId second = server.Connect();
  CHECK(server.Exchange(first, "APPEND b 2\r\nGET b\r\n").empty());
  CHECK(server.Exchange(second, "GET b\r\nAPPEND b 3\r\n") == "$1\r\n1\r\n");
  CHECK(Blocked(server) == 2);
  server.Sleep(3000);
  CHECK(server.Call("GET a") == "(nil)");
  CHECK(server.Call("DBSIZE") == "(integer) 2");
  CHECK(server.disk().visible == visible);
  CHECK(server.TakeOutput(first).empty());
  server.Sleep(2100);
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  CHECK(server.TakeOutput(first) == ":2\r\n$2\r\n12\r\n");
  CHECK(server.TakeOutput(second) == ":3\r\n");
  CHECK(Blocked(server) == 0);
}

TEST_CASE("a pause that is made longer keeps its clients, and UNPAUSE lets them go in order") {
  TestServer server;
  CHECK(server.Call("CLIENT PAUSE 1000 WRITE") == "OK");
  std::vector<ClientId> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(server.Connect());
    CHECK(
        server.Exchange(clients.back(), "APPEND order " + std::to_string(i % 10) + "\r\n").empty());
  }
  CHECK(server.Call("CLIENT PAUSE 100000 WRITE") == "OK");
  server.Sleep(50'000);
  CHECK(Blocked(server) == clients.size());
  CHECK(server.Call("EXISTS order") == "(integer) 0");
  CHECK(server.Call("CLIENT UNPAUSE") == "OK");
  CHECK(Blocked(server) == 0);
  std::string expected;
  for (int i = 0; i < 50; ++i) expected += std::to_string(i % 10);
  CHECK(server.Call("GET order") == "\"" + expected + "\"");
}

TEST_CASE("a pause of everything stops commands but not the end of a wait that was begun before") {
  TestServer server;
  const ClientId waiter = server.Connect();
  const ClientId other = server.Connect();
  server.Exchange(waiter, "WAIT 1 300\r\nPING\r\n");
  CHECK(server.Call("CLIENT PAUSE 1000") == "OK");
  CHECK(server.Exchange(other, "PING\r\n").empty());
  server.Sleep(500);
  CHECK(server.TakeOutput(waiter) == ":0\r\n");
  CHECK(server.TakeOutput(other).empty());
  server.Sleep(600);
  CHECK(server.TakeOutput(waiter) == "+PONG\r\n");
  CHECK(server.TakeOutput(other) == "+PONG\r\n");
}
