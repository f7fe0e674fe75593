// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/dispatcher.h"

#include <doctest/doctest.h>

#include <string>

#include "redis-compat/command_table.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

TEST_CASE("command names are found in any case, and only whole names") {
  REQUIRE(redis::FindCommand("get") != nullptr);
  CHECK(redis::FindCommand("GeT") == redis::FindCommand("get"));
  CHECK(redis::FindCommand("ge") == nullptr);
  CHECK(redis::FindCommand("gett") == nullptr);
  CHECK(redis::FindCommand("") == nullptr);
  for (const redis::CommandSpec& spec : redis::AllCommands()) {
    CAPTURE(spec.name);
    if (!spec.is_subcommand()) CHECK(redis::FindCommand(spec.name) == &spec);
  }
}

TEST_CASE("unknown commands and wrong arities answer with Redis's words") {
  TestServer server;
  CHECK(server.Call("nosuch a b") ==
        "(error) ERR unknown command 'nosuch', with args beginning with: 'a' 'b' ");
  CHECK(server.Call("NOSUCH") ==
        "(error) ERR unknown command 'NOSUCH', with args beginning with: ");
  CHECK(server.Call("get") == "(error) ERR wrong number of arguments for 'get' command");
  CHECK(server.Call("GET a b") == "(error) ERR wrong number of arguments for 'get' command");
  CHECK(server.Call("\"a\\nb\"") ==
        "(error) ERR unknown command 'a b', with args beginning with: ");
}

TEST_CASE("quoted arguments of an unknown command are cut after 128 characters") {
  TestServer server;
  const std::string argument(200, 'x');
  CHECK(server.Call("nosuch " + argument + " more") ==
        "(error) ERR unknown command 'nosuch', with args beginning with: '" +
            std::string(128, 'x') + "' ");
  CHECK(server.Call(std::string(200, 'y')) ==
        "(error) ERR unknown command '" + std::string(128, 'y') + "', with args beginning with: ");
}

TEST_CASE("a client that has not authenticated is refused everything that needs it") {
  TestServer server("requirepass secret\n");
  CHECK(server.Call("GET a") == "(error) NOAUTH Authentication required.");
  CHECK(server.Call("SET a 1") == "(error) NOAUTH Authentication required.");
  CHECK(server.Call("GET") == "(error) ERR wrong number of arguments for 'get' command");
  CHECK(server.instance().statistics().errors_by_code.at("NOAUTH") == 2);
}

TEST_CASE("whoever has not authenticated may go on once there is no password any more") {
  TestServer server("requirepass secret\n");
  const auto late = server.Connect();
  const auto owner = server.Connect();
  CHECK(server.Exchange(late, "GET a\r\n") == "-NOAUTH Authentication required.\r\n");
  server.Exchange(owner, "AUTH secret\r\n");
  CHECK(server.Exchange(owner, "CONFIG SET requirepass \"\"\r\n") == "+OK\r\n");
  CHECK(server.Exchange(late, "GET a\r\n") == "$-1\r\n");
  CHECK(server.Exchange(owner, "CONFIG SET requirepass other\r\n") == "+OK\r\n");
  CHECK(server.Exchange(late, "GET a\r\n") == "-NOAUTH Authentication required.\r\n");
  CHECK(server.Exchange(owner, "GET a\r\n") == "$-1\r\n");
}

TEST_CASE("before authentication little output is kept, and time is short") {
  TestServer server("requirepass secret\n");
  const auto flooder = server.Connect();
  const auto owner = server.Connect();
  server.Exchange(owner, "AUTH secret\r\n");
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "GET a\r\n";
  redis::Session* const session = server.instance().Find(flooder);
  session->input() = flood;
  server.instance().BeginTick();
  CHECK(server.instance().Run(session) == redis::Instance::RunResult::kClose);
  server.instance().EndTick();
  CHECK(session->output_bytes() < 17'000);
  session->ConsumeOutput(session->output_bytes());

  const auto silent = server.Connect();
  server.Sleep(31'000);
  CHECK(server.instance().Find(silent) == nullptr);
  CHECK(server.instance().Find(owner) != nullptr);
}

TEST_CASE("a client counts as active when it sends anything, also what is refused") {
  TestServer server("timeout 2\n");
  const auto busy = server.Connect();
  const auto idle = server.Connect();
  for (int i = 0; i < 4; ++i) {
    server.Exchange(busy, "NOSUCH\r\n");
    server.Sleep(1000);
  }
  CHECK(server.instance().Find(idle) == nullptr);
  CHECK(server.instance().Find(busy) != nullptr);
}

TEST_CASE("a client that is killed goes at once, whatever it has not read") {
  TestServer server;
  const auto victim = server.Connect();
  redis::Session* const killer = server.instance().Find(server.Connect());
  killer->input() = "CLIENT KILL ID " + std::to_string(victim) + "\r\n";
  server.instance().BeginTick();
  server.instance().Run(killer);
  server.instance().EndTick();
  CHECK(server.host().closing.contains(victim));
}

TEST_CASE("what a browser sends ends the connection without a reply") {
  TestServer server;
  const auto browser = server.Connect();
  CHECK(server.Exchange(browser, "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n").empty());
  CHECK(server.Exchange(server.Connect(), "hOST: x\r\nSET a 1\r\n").empty());
  CHECK(server.Call("EXISTS a") == "(integer) 0");
}

TEST_CASE("calls, rejections and failures are counted for each command") {
  TestServer server;
  server.Call("SET a x");
  server.Call("SET a");
  server.Call("INCR a");
  server.Call("INCR b");
  const redis::Statistics& statistics = server.instance().statistics();
  const auto& set = statistics.commands[redis::CommandIndex(*redis::FindCommand("set"))];
  const auto& incr = statistics.commands[redis::CommandIndex(*redis::FindCommand("incr"))];
  CHECK(set.calls == 1);
  CHECK(set.rejected == 1);
  CHECK(set.failed == 0);
  CHECK(incr.calls == 2);
  CHECK(incr.failed == 1);
  CHECK(statistics.commands_processed == 3);
  CHECK(statistics.errors_by_code.at("ERR") == 2);
}

TEST_CASE("a broken stream is answered with an error, and nothing behind it is executed") {
  TestServer server;
  const auto client = server.Connect();
  CHECK(server.Exchange(client, "*1\r\n!4\r\nPING\r\n") ==
        "-ERR Protocol error: expected '$', got '!'\r\n");
  CHECK(server.instance().Find(client) == nullptr);
  CHECK(server.Exchange(client, "SET a 1\r\n").empty());
  CHECK(server.Call("EXISTS a") == "(integer) 0");
}

TEST_CASE("pipelined commands are answered in order, in one tick") {
  TestServer server;
  const auto client = server.Connect();
  server.Feed(client, "SET a 1\r\nINCR a\r\nGET a\r\n*1\r\n$6\r\nDBSIZE\r\nGET");
  server.Tick();
  CHECK(server.TakeOutput(client) == "+OK\r\n:2\r\n$1\r\n2\r\n:1\r\n");
  CHECK(server.Exchange(client, " a\r\n") == "$1\r\n2\r\n");
}

TEST_CASE("a client that does not read its replies is paused, and goes on when it reads") {
  TestServer server;
  const auto client = server.Connect();
  server.Call(client, {"SET", "a", std::string(1 << 20, 'v')});
  std::string pipeline;
  for (int i = 0; i < 20; ++i) pipeline += "GET a\r\n";
  redis::Instance& instance = server.instance();
  redis::Session* session = instance.Find(client);
  session->input().append(pipeline);
  instance.BeginTick();
  CHECK(instance.Run(session) == redis::Instance::RunResult::kPaused);
  instance.EndTick();
  CHECK(session->output_bytes() > size_t{8} << 20);
  CHECK(session->output_bytes() < size_t{10} << 20);
  session->ConsumeOutput(session->releasable_output().size());
  CHECK(session->output_bytes() == 0);
  instance.BeginTick();
  CHECK(instance.Run(session) == redis::Instance::RunResult::kPaused);
  instance.EndTick();
  session->ConsumeOutput(session->releasable_output().size());
  instance.BeginTick();
  CHECK(instance.Run(session) == redis::Instance::RunResult::kIdle);
  instance.EndTick();
  CHECK(session->input_bytes() == 0);
}

TEST_CASE("output is consumed in pieces without being lost or repeated") {
  TestServer server;
  const auto client = server.Connect();
  std::string value;
  for (int i = 0; i < 400'000; ++i) value.push_back(static_cast<char>('a' + i % 23));
  server.Call(client, {"SET", "a", value});
  redis::Session* session = server.instance().Find(client);
  session->input().append("GET a\r\nGET a\r\n");
  server.instance().BeginTick();
  server.instance().Run(session);
  server.instance().EndTick();
  std::string received;
  while (session->output_bytes() > 0) {
    const std::string_view piece = session->releasable_output().substr(0, 1777);
    received.append(piece);
    session->ConsumeOutput(piece.size());
  }
  const std::string once = "$400000\r\n" + value + "\r\n";
  CHECK(received == once + once);
}

TEST_CASE("a write waits while the engine has stopped writes, and reads go on") {
  TestServer server;
  const auto writer = server.Connect();
  server.Call("SET a 1");
  server.disk().stall = {lsm::WriteStall::State::kStop, lsm::WriteStall::Reason::kMemtables, 0};
  CHECK(server.Exchange(writer, "GET a\r\nSET a 2\r\nGET a\r\n") == "$1\r\n1\r\n");
  CHECK(server.Call("GET a") == "\"1\"");
  CHECK(server.Exchange(writer, "").empty());
  server.disk().stall = {};
  server.instance().engine_listener().OnStallRelieved();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(writer) == "+OK\r\n$1\r\n2\r\n");
  CHECK(server.instance().statistics().write_pauses > 0);
}

TEST_CASE("a write that waits is refused when it turns out that the stop does not end") {
  TestServer server;
  const auto writer = server.Connect();
  server.disk().stall = {lsm::WriteStall::State::kStop, lsm::WriteStall::Reason::kMemtables, 0};
  CHECK(server.Exchange(writer, "SET a 1\r\n").empty());
  server.disk().stall.reason = lsm::WriteStall::Reason::kBackgroundError;
  server.instance().engine_listener().OnBackgroundError(lsm::Status::IoError("no luck"));
  server.RunUntilIdle();
  CHECK(server.TakeOutput(writer).starts_with("-MISCONF Errors writing to the AOF file: "));
}

TEST_CASE("while the disk is full writes are refused, not delayed, but for what frees space") {
  TestServer server;
  server.Call("MSET a 1 b 2 c 3");
  server.disk().stall = {lsm::WriteStall::State::kStop, lsm::WriteStall::Reason::kDiskFull, 0};
  CHECK(server.Call("SET a 2").starts_with("(error) MISCONF Errors writing to the AOF file: "));
  CHECK(server.Call("GET a") == "\"1\"");
  CHECK(server.Call("DEL b") == "(integer) 1");
  CHECK(server.Call("GETDEL c") == "\"3\"");
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  CHECK(server.Call("FLUSHALL") == "OK");
  server.disk().stall = {};
  CHECK(server.Call("SET a 2") == "OK");
}

TEST_CASE("a slowed write waits for as long as the engine says, and asks again") {
  TestServer server;
  const auto client = server.Connect();
  server.disk().stall = {lsm::WriteStall::State::kSlowdown, lsm::WriteStall::Reason::kL0Files, 0};
  CHECK(server.Exchange(client, "INCR a\r\nINCR a\r\n") == ":1\r\n:2\r\n");
  server.disk().stall.delay_micros = 700;
  CHECK(server.Exchange(client, "INCR a\r\nGET a\r\n").empty());
  CHECK(server.host().delayed.at(client) == 700);
  server.host().Wake(client);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client).empty());
  server.disk().stall.delay_micros = 0;
  server.host().Wake(client);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == ":3\r\n$1\r\n3\r\n");
}

TEST_CASE("the engine is told how old an unsynced unit may be, which CONFIG SET may change") {
  TestServer server("appendfsync everysec\n");
  server.Call("PING");
  CHECK(server.disk().max_unsynced_age_us == 2'000'000);
  server.Call("CONFIG SET appendfsync no");
  server.Call("PING");
  CHECK(server.disk().max_unsynced_age_us == 0);
}

TEST_CASE("under everysec a write waits while the oldest unsynced unit is two seconds old") {
  TestServer server("appendfsync everysec\n");
  const auto client = server.Connect();
  server.disk().unsynced_age_us = 2'000'001;
  CHECK(server.Exchange(client, "SET a 1\r\n").empty());
  server.disk().unsynced_age_us = 0;
  server.instance().engine_listener().OnSynced(1);
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == "+OK\r\n");
}

TEST_CASE("a long pipeline is taken in turns, and every command of it is executed once") {
  // A clock that moves with every look at it ends turns early.
  TestServer server;
  const auto client = server.Connect();
  std::string pipeline;
  const std::string padding(1000, 'p');
  for (int i = 0; i < 3000; ++i) pipeline += "SET k" + std::to_string(i) + " " + padding + "\r\n";
  pipeline += "DBSIZE\r\n";
  redis::Session* session = server.instance().Find(client);
  session->input().append(pipeline);
  int turns = 0;
  using RunResult = redis::Instance::RunResult;
  RunResult result = RunResult::kYield;
  server.clock().set_step(10);
  while (result == RunResult::kYield) {
    server.instance().BeginTick();
    result = server.instance().Run(session);
    server.instance().EndTick();
    ++turns;
  }
  server.clock().set_step(0);
  CHECK(result == RunResult::kIdle);
  CHECK(turns > 10);
  CHECK(session->input_bytes() == 0);
  CHECK(session->releasable_output().ends_with("+OK\r\n:3000\r\n"));
}

TEST_CASE("a flood of empty lines does not keep the turn") {
  TestServer server;
  const auto client = server.Connect();
  redis::Session* session = server.instance().Find(client);
  for (int i = 0; i < 100'000; ++i) session->input().append("\r\n");
  server.clock().set_step(1);
  server.instance().BeginTick();
  CHECK(server.instance().Run(session) == redis::Instance::RunResult::kYield);
  server.instance().EndTick();
  server.clock().set_step(0);
  CHECK(session->input_bytes() > 0);
}
