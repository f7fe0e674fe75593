// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/reply_gate.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

constexpr const char* kAlways = "appendfsync always\n";
const std::string kLost = "-MISCONF Errors writing to the AOF file: no luck\r\n";

}  // namespace

TEST_CASE("under always a reply leaves only when what it wrote is synced") {
  TestServer server(kAlways);
  const auto client = server.Connect();
  server.disk().syncs_end = false;
  CHECK(server.Exchange(client, "SET a 1\r\n").empty());
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == "+OK\r\n");
}

TEST_CASE("under always a reader of unsynced keys waits, a reader of synced ones does not") {
  TestServer server(kAlways);
  server.Call("SET synced 1");
  server.disk().syncs_end = false;
  const auto writer = server.Connect();
  const auto reader = server.Connect();
  CHECK(server.Exchange(writer, "SET fresh 1\r\nDEL synced2\r\n").empty());
  CHECK(server.Exchange(reader, "GET synced\r\nGET nothing\r\n") == "$1\r\n1\r\n$-1\r\n");
  CHECK(server.Exchange(reader, "GET fresh\r\nGET synced\r\n").empty());
  // What counts everything shows everything.
  const auto counter = server.Connect();
  CHECK(server.Exchange(counter, "DBSIZE\r\n").empty());
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(writer) == "+OK\r\n:0\r\n");
  CHECK(server.TakeOutput(reader) == "$1\r\n1\r\n$1\r\n1\r\n");
  CHECK(server.TakeOutput(counter) == ":2\r\n");
}

TEST_CASE("under always a reader is not shown an unsynced FLUSHDB") {
  TestServer server(kAlways);
  server.Call("SET a 1");
  server.disk().syncs_end = false;
  const auto writer = server.Connect();
  const auto reader = server.Connect();
  CHECK(server.Exchange(writer, "FLUSHDB\r\n").empty());
  CHECK(server.Exchange(reader, "GET a\r\n").empty());
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(writer) == "+OK\r\n");
  CHECK(server.TakeOutput(reader) == "$-1\r\n");
}

TEST_CASE("FLUSHALL shows that what is empty already was emptied") {
  TestServer server(kAlways);
  server.Call("SET a 1");
  const auto one = server.Connect();
  const auto two = server.Connect();
  server.disk().syncs_end = false;
  CHECK(server.Exchange(one, "FLUSHDB\r\n").empty());
  CHECK(server.Exchange(two, "FLUSHALL\r\n").empty());
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(two) == "+OK\r\n");

  server.TakeOutput(one);
  server.Call("SET a 1");
  server.disk().append_failure = lsm::Status::IoError("no luck");
  server.Feed(one, "FLUSHDB\r\n");
  server.Feed(two, "FLUSHALL\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(one) == kLost);
  CHECK(server.TakeOutput(two) == kLost);
  server.disk().append_failure = {};
  CHECK(server.Call("GET a") == "\"1\"");
}

TEST_CASE("when the group cannot be appended, replies that show it become errors") {
  TestServer server;
  server.Call("SET a before");
  const auto one = server.Connect();
  const auto two = server.Connect();
  server.disk().append_failure = lsm::Status::IoError("no luck");
  server.Feed(one, "GET a\r\nSET a after\r\nGET other\r\nGET a\r\nnosuch\r\n");
  server.Feed(two, "GET a\r\nGET other\r\nDBSIZE\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(one) ==
        "$6\r\nbefore\r\n" + kLost + "$-1\r\n" + kLost +
            "-ERR unknown command 'nosuch', with args beginning with: \r\n");
  CHECK(server.TakeOutput(two) == kLost + "$-1\r\n" + kLost);

  server.disk().append_failure = {};
  CHECK(server.Call("GET a") == "\"before\"");
  CHECK(server.Call("SET a after") == "OK");
  CHECK(server.Call("GET a") == "\"after\"");
}

TEST_CASE("a database that a lost unit created does not exist, and can be created again") {
  TestServer server;
  server.disk().append_failure = lsm::Status::IoError("no luck");
  CHECK(server.Call("SET a 1").starts_with("(error) MISCONF"));
  CHECK(server.Call("FLUSHALL") == "OK");  // nothing there to drop: nothing is written
  server.disk().append_failure = {};
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  CHECK(server.Call("SET a 1") == "OK");
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  server.Restart();
  CHECK(server.Call("GET a") == "\"1\"");
}

TEST_CASE("a group that was closed before the failure keeps its replies and its effects") {
  TestServer server;
  const auto client = server.Connect();
  const std::string big(700'000, 'v');
  const auto set = [&](const std::string& key) {
    return "*3\r\n$3\r\nSET\r\n$1\r\n" + key + "\r\n$700000\r\n" + big + "\r\n";
  };
  // The second value does not fit in the group of the first, which is closed before it.
  redis::Session* session = server.instance().Find(client);
  session->input().append(set("a"));
  server.instance().BeginTick();
  server.instance().Run(session);
  session->input().append(set("b"));
  server.instance().Run(session);
  server.disk().append_failure = lsm::Status::IoError("no luck");
  server.instance().EndTick();
  server.Tick();
  CHECK(server.TakeOutput(client) == "+OK\r\n" + kLost);
  server.disk().append_failure = {};
  CHECK(server.Call("EXISTS a b") == "(integer) 1");
}
