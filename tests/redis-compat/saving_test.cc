// SPDX-License-Identifier: BSD-3-Clause
// SAVE, BGSAVE and SHUTDOWN SAVE: who waits, what fails, what is kept.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "redis-compat/checkpoints.h"
#include "tests/support/test_server.h"

namespace redis {
namespace {

using test_support::TestServer;

bool Logged(TestServer* server, const std::string& beginning) {
  const std::vector<std::string> log = server->host().log();
  return std::any_of(log.begin(), log.end(),
                     [&](const std::string& line) { return line.starts_with(beginning); });
}

std::string Field(TestServer* server, const std::string& name) {
  const std::string info = server->Call("INFO persistence");
  const size_t at = info.find("\\n" + name + ":");
  if (at == std::string::npos) return "(no such field)";
  const size_t begin = at + name.size() + 3;
  return info.substr(begin, info.find("\\r", begin) - begin);
}

constexpr char kSave[] = "SAVE\r\n";

TEST_CASE("SAVE makes its client wait, and nobody else") {
  TestServer server;
  server.disk().checkpoints_end = false;
  const ClientId saver = server.Connect();
  CHECK(server.Exchange(saver, "SAVE\r\nPING\r\n").empty());
  CHECK(server.Call("SET a 1") == "OK");
  CHECK(server.Call("SAVE") == "(error) ERR Background save already in progress");
  CHECK(server.Call("BGSAVE") == "(error) ERR Background save already in progress");
  CHECK(server.Call("BGSAVE SCHEDULE") == "(error) ERR Background save already in progress");
  CHECK(Field(&server, "rdb_bgsave_in_progress") == "1");
  CHECK(Field(&server, "rdb_current_bgsave_time_sec") == "0");
  server.Sleep(3000);
  CHECK(Field(&server, "rdb_current_bgsave_time_sec") == "3");
  server.instance().engine_listener().OnCheckpoint({}, {});
  server.RunUntilIdle();
  CHECK(server.TakeOutput(saver) == "+OK\r\n+PONG\r\n");
  CHECK(Field(&server, "rdb_bgsave_in_progress") == "0");
  CHECK(Field(&server, "rdb_last_bgsave_time_sec") == "3");
  CHECK(Field(&server, "rdb_current_bgsave_time_sec") == "-1");
}

TEST_CASE("A client that goes away while it waits for SAVE does no harm") {
  TestServer server;
  server.disk().checkpoints_end = false;
  const ClientId saver = server.Connect();
  CHECK(server.Exchange(saver, kSave).empty());
  server.Disconnect(saver);
  server.instance().engine_listener().OnCheckpoint({}, {});
  server.RunUntilIdle();
  server.disk().checkpoints_end = true;
  CHECK(server.Call("SAVE") == "OK");
}

TEST_CASE("A checkpoint that fails is told to who waits, to INFO and to the log; writes go on") {
  TestServer server;
  CHECK(server.Call("SET a 1") == "OK");
  server.disk().checkpoint_failure = lsm::Status::NoSpace("the disk is full");
  CHECK(server.Call("SAVE") == "(error) ERR");
  CHECK(Field(&server, "rdb_last_bgsave_status") == "err");
  CHECK(Field(&server, "rdb_changes_since_last_save") == "1");
  CHECK(Logged(&server, "Background saving error: "));
  CHECK(server.Call("SET a 2") == "OK");
  server.disk().checkpoint_failure = {};
  CHECK(server.Call("SAVE") == "OK");
  CHECK(Field(&server, "rdb_last_bgsave_status") == "ok");
}

TEST_CASE("LASTSAVE is the time of the start, and then of the last checkpoint that succeeded") {
  TestServer server;
  const std::string start = server.Call("LASTSAVE");
  server.Sleep(5000);
  CHECK(server.Call("LASTSAVE") == start);
  server.disk().checkpoint_failure = lsm::Status::NoSpace("the disk is full");
  CHECK(server.Call("SAVE") == "(error) ERR");
  CHECK(server.Call("LASTSAVE") == start);
  server.disk().checkpoint_failure = {};
  CHECK(server.Call("SAVE") == "OK");
  const auto seconds = [](const std::string& reply) { return std::stoll(reply.substr(10)); };
  CHECK(seconds(server.Call("LASTSAVE")) == seconds(start) + 5);
}

TEST_CASE("The save directive makes checkpoints when both time and changes are reached") {
  TestServer server("save 10 3\nsave 60 1\n");
  server.Sleep(61'000);
  CHECK(Field(&server, "rdb_saves") == "0");
  CHECK(server.Call("SET a 1") == "OK");
  server.Sleep(100);
  CHECK(Field(&server, "rdb_saves") == "1");
  CHECK(Logged(&server, "1 changes in 60 seconds. Saving..."));
  for (int i = 0; i < 3; ++i) CHECK(server.Call("INCR a") != "");
  server.Sleep(5000);
  CHECK(Field(&server, "rdb_saves") == "1");
  server.Sleep(6100);
  CHECK(Field(&server, "rdb_saves") == "2");
  CHECK(Field(&server, "rdb_changes_since_last_save") == "0");
  // After a failure it is not tried again at once.
  server.disk().checkpoint_failure = lsm::Status::NoSpace("the disk is full");
  for (int i = 0; i < 3; ++i) CHECK(server.Call("INCR a") != "");
  server.Sleep(12'000);
  const auto errors = [&] {
    const std::vector<std::string> log = server.host().log();
    return std::count_if(log.begin(), log.end(), [](const std::string& line) {
      return line.starts_with("Background saving error");
    });
  };
  CHECK(errors() == 1);
  server.Sleep(5000);
  CHECK(errors() == 2);
}

TEST_CASE("SHUTDOWN SAVE stops when its checkpoint is whole, and not if it fails") {
  TestServer server;
  server.disk().checkpoint_failure = lsm::Status::NoSpace("the disk is full");
  CHECK(server.Call("SHUTDOWN SAVE") == "(error) ERR Errors trying to SHUTDOWN. Check logs.");
  CHECK_FALSE(server.host().stopped);
  CHECK(Logged(&server, "Error trying to save the DB, can't exit."));
  server.disk().checkpoint_failure = {};
  server.disk().checkpoints_end = false;
  const ClientId client = server.Connect();
  CHECK(server.Exchange(client, "SHUTDOWN SAVE\r\n").empty());
  CHECK_FALSE(server.host().stopped);
  CHECK(server.Call("PING") == "PONG");
  server.instance().engine_listener().OnCheckpoint({}, {});
  server.RunUntilIdle();
  CHECK(server.host().stopped);
}

TEST_CASE("SHUTDOWN SAVE FORCE stops also when its checkpoint fails") {
  TestServer server;
  server.disk().checkpoint_failure = lsm::Status::NoSpace("the disk is full");
  CHECK(server.Call("SHUTDOWN SAVE FORCE") == "(no reply)");
  CHECK(server.host().stopped);
}

TEST_CASE("SHUTDOWN SAVE waits for a checkpoint that was begun after it") {
  TestServer server;
  server.disk().checkpoints_end = false;
  CHECK(server.Call("BGSAVE") == "Background saving started");
  const ClientId client = server.Connect();
  CHECK(server.Exchange(client, "SHUTDOWN SAVE\r\n").empty());
  server.instance().engine_listener().OnCheckpoint({}, {});
  server.RunUntilIdle();
  CHECK_FALSE(server.host().stopped);
  CHECK(server.instance().checkpoints().begun() == 2);
  server.instance().engine_listener().OnCheckpoint({}, {});
  server.RunUntilIdle();
  CHECK(server.host().stopped);
}

TEST_CASE("SHUTDOWN ABORT ends the wait of SHUTDOWN SAVE") {
  TestServer server;
  server.disk().checkpoints_end = false;
  const ClientId client = server.Connect();
  CHECK(server.Exchange(client, "SHUTDOWN SAVE\r\nPING\r\n").empty());
  CHECK(server.Call("SHUTDOWN ABORT") == "OK");
  CHECK(server.TakeOutput(client) == "-ERR Errors trying to SHUTDOWN. Check logs.\r\n+PONG\r\n");
  CHECK(server.Call("SHUTDOWN ABORT") == "(error) ERR No shutdown in progress.");
  server.instance().engine_listener().OnCheckpoint({}, {});
  server.RunUntilIdle();
  CHECK_FALSE(server.host().stopped);
}

TEST_CASE("A checkpoint holds what was executed before it, also in the same tick") {
  TestServer server("checkpoints-kept 2\n", TestServer::Engine::kLsm);
  const ClientId client = server.Connect();
  const std::string replies = server.Exchange(client, "SET a 1\r\nSET b 2\r\nSAVE\r\nSET c 3\r\n");
  CHECK(replies == "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  const std::string path = server.instance().checkpoints().newest();
  REQUIRE_FALSE(path.empty());
  TestServer copy(&server, path + "/varve");
  CHECK(copy.Call("MGET a b c") == "[\"1\", \"2\", (nil)]");
  CHECK(copy.Call("DBSIZE") == "(integer) 2");
}

TEST_CASE("As many checkpoints are kept as asked for, over restarts too") {
  TestServer server("checkpoints-kept 2\n", TestServer::Engine::kLsm);
  std::vector<std::string> made;
  const auto exists = [&](const std::string& path) {
    const lsm::Result<bool> found = server.files().Exists(path + "/varve");
    return found.ok() && *found;
  };
  for (int i = 0; i < 5; ++i) {
    CHECK(server.Call("INCR n") != "");
    if (i == 3) server.Restart();
    CHECK(server.Call("SAVE") == "OK");
    made.push_back(server.instance().checkpoints().newest());
    CHECK(exists(made.back()));
    if (i >= 1) CHECK(exists(made[made.size() - 2]));
    if (i >= 2) {
      const lsm::Result<bool> outer = server.files().Exists(made[made.size() - 3]);
      CHECK((outer.ok() && !*outer));
    }
  }
  CHECK(server.Call("CONFIG SET checkpoints-kept 1") == "OK");
  CHECK(server.Call("SAVE") == "OK");
  CHECK_FALSE(exists(made.back()));
}

TEST_CASE("What a crash left of a checkpoint is removed at the next start; other names stay") {
  TestServer server("", TestServer::Engine::kLsm);
  CHECK(server.Call("SAVE") == "OK");
  const std::string newest = server.instance().checkpoints().newest();
  const std::string directory = newest.substr(0, newest.rfind('/'));
  const std::string left = directory + "/20010101-000000.000";
  REQUIRE(server.files().CreateDirectory(left).ok());
  REQUIRE(server.files().CreateDirectory(left + "/varve.tmp").ok());
  server.files().SetContents(left + "/varve.tmp/000001.sst", "half");
  REQUIRE(server.files().CreateDirectory(directory + "/mine").ok());
  server.Restart();
  const auto exists = [&](const std::string& path) {
    const lsm::Result<bool> found = server.files().Exists(path);
    return found.ok() && *found;
  };
  CHECK_FALSE(exists(left));
  CHECK(exists(directory + "/mine"));
  CHECK(exists(newest + "/varve/CURRENT"));
}

}  // namespace
}  // namespace redis
