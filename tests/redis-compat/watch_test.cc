// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/watch.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

constexpr const char* kDone = "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n";
constexpr const char* kNothing = "+OK\r\n+QUEUED\r\n*-1\r\n";
constexpr const char* kTransaction = "MULTI\r\nPING\r\nEXEC\r\n";

}  // namespace

TEST_CASE("nothing is registered once nobody watches any more, however it ended") {
  TestServer server;
  redis::WatchRegistry& watches = server.instance().watches();
  CHECK(watches.empty());
  const auto watch = [&] {
    const auto client = server.Connect();
    server.Exchange(client, "WATCH a b a\r\nSELECT 1\r\nWATCH a\r\n");
    CHECK(!watches.empty());
    return client;
  };
  for (const char* end : {"UNWATCH\r\n", "MULTI\r\nEXEC\r\n", "MULTI\r\nDISCARD\r\n", "RESET\r\n",
                          "QUIT\r\n", "SET a 1\r\n", "EXEC x\r\n"}) {
    CAPTURE(end);
    server.Exchange(watch(), end);
    CHECK(watches.empty());
  }
  server.Disconnect(watch());
  CHECK(watches.empty());
  const auto killed = watch();
  server.Call("CLIENT KILL ID " + std::to_string(killed));
  server.RunUntilIdle();
  CHECK(watches.empty());
}

TEST_CASE("active expiry of a watched key makes EXEC do nothing") {
  TestServer server;
  const auto client = server.Connect();
  server.Call("SET a 1 PX 100");
  server.Exchange(client, "WATCH a\r\n");
  server.Sleep(300);
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  CHECK(server.Exchange(client, kTransaction) == kNothing);
}

TEST_CASE("a key that had expired when it was watched may be removed by active expiry") {
  TestServer server;
  server.config().set_active_expire(false);
  const auto client = server.Connect();
  server.Call("SET a 1 PX 100");
  server.Sleep(200);
  server.Exchange(client, "WATCH a\r\n");
  server.config().set_active_expire(true);
  server.Sleep(300);
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  CHECK(server.Exchange(client, kTransaction) == kDone);
}

TEST_CASE("time stands still within EXEC: a key expires before it or after it") {
  TestServer server;
  const auto client = server.Connect();
  server.Call("SET a 1 PX 100");
  server.Exchange(client, "WATCH a\r\n");
  server.clock().Advance(99'000);
  CHECK(server.Exchange(client, kTransaction) == kDone);
  server.Exchange(client, "WATCH a\r\n");
  server.clock().Advance(1'000);
  CHECK(server.Exchange(client, kTransaction) == kNothing);
}

TEST_CASE("a lost group marks everybody who watches") {
  TestServer server;
  server.Call("SET a 1");
  const auto writer = server.Connect();
  const auto watcher = server.Connect();
  const auto bystander = server.Connect();
  server.Exchange(bystander, "WATCH other\r\n");
  server.disk().append_failure = lsm::Status::IoError("no luck");
  // The watcher finds no key in the group that is lost, and there is one.
  server.Feed(writer, "DEL a\r\n");
  server.Feed(watcher, "WATCH a\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(watcher).starts_with("-MISCONF "));
  server.disk().append_failure = {};
  CHECK(server.Call("GET a") == "\"1\"");
  CHECK(server.Exchange(watcher, kTransaction) == kNothing);
  CHECK(server.Exchange(bystander, kTransaction) == kNothing);
  CHECK(server.Exchange(bystander, kTransaction) == kDone);
}

TEST_CASE("under always nobody is told of a change that is not synced") {
  TestServer server("appendfsync always\n");
  const auto watcher = server.Connect();
  server.Exchange(watcher, "WATCH a\r\n");
  server.disk().syncs_end = false;
  server.Exchange(server.Connect(), "SET a 1\r\n");
  CHECK(server.Exchange(watcher, "MULTI\r\nEXEC\r\n") == "+OK\r\n");
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(watcher) == "*-1\r\n");
}

TEST_CASE("a restart of the database keeps what is watched") {
  TestServer server("enable-debug-command yes\n");
  server.Call("SET a 1");
  const auto watcher = server.Connect();
  server.Exchange(watcher, "WATCH a\r\n");
  server.Call("DEBUG RELOAD");
  CHECK(server.Exchange(watcher, kTransaction) == kDone);
  server.Exchange(watcher, "WATCH a\r\n");
  server.Call("DEBUG RELOAD");
  server.Call("SET a 2");
  CHECK(server.Exchange(watcher, kTransaction) == kNothing);
}

// Whatever is written: if a key's value, as GET and EXPIRETIME tell it, differs between WATCH and
// EXEC, nothing is executed; and reading and failing writes alone never prevent it.
TEST_CASE("random writes are noticed by whoever watches") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    lsm::Random random(seed);
    TestServer server("", seed % 2 == 0 ? TestServer::Engine::kMapDb : TestServer::Engine::kLsm);
    server.config().set_active_expire(random.OneIn(2));
    const auto watcher = server.Connect();
    const auto writer = server.Connect();
    const auto look = [&](int database, const std::string& key) {
      server.Exchange(writer, "SELECT " + std::to_string(database) + "\r\n");
      return server.Exchange(writer, "GET " + key + "\r\nPEXPIRETIME " + key + "\r\n");
    };
    for (int round = 0; round < 60; ++round) {
      const auto pick = [&] { return "k" + std::to_string(random.Uniform(4)); };
      const auto database = [&] { return std::to_string(random.Uniform(3)); };
      std::map<std::string, std::string> watched;
      const int where = static_cast<int>(random.Uniform(3));
      server.Exchange(watcher, "SELECT " + std::to_string(where) + "\r\n");
      for (int i = 0; i < 2; ++i) {
        const std::string key = pick();
        watched[key] = look(where, key);
        server.Exchange(watcher, "WATCH " + key + "\r\n");
      }
      server.Exchange(writer, "SELECT " + database() + "\r\n");
      const bool in_transaction = random.OneIn(3);
      std::string commands = in_transaction ? "MULTI\r\n" : "";
      bool may_write = false;
      for (uint64_t count = random.Uniform(4); count > 0; --count) {
        const std::vector<std::string> all = {
            "GET " + pick(),
            "SETNX " + pick() + " x",
            "DEL " + pick(),
            "TTL " + pick(),
            "DBSIZE",
            "SET " + pick() + " " + std::to_string(random.Uniform(3)),
            "PEXPIRE " + pick() + " " + std::to_string(1 + random.Uniform(300)),
            "PERSIST " + pick(),
            "SWAPDB " + database() + " " + database(),
            "MOVE " + pick() + " " + database(),
            "RENAME " + pick() + " " + pick(),
            "COPY " + pick() + " " + pick() + " REPLACE",
            "SELECT " + database(),
            "FLUSHDB",
            "SET " + pick() + " y PX 50",
            "GETDEL " + pick()};
        const std::string& command = all[random.Uniform(all.size())];
        may_write |= !command.starts_with("GET ") && !command.starts_with("TTL") &&
                     command != "DBSIZE" && !command.starts_with("SELECT");
        commands += command + "\r\n";
      }
      server.Exchange(writer, commands + (in_transaction ? "EXEC\r\n" : ""));
      const bool time_passes = random.OneIn(4);
      if (time_passes) server.Sleep(static_cast<int64_t>(random.Uniform(200)));
      bool changed = false;
      for (const auto& [key, before] : watched) changed |= look(where, key) != before;
      const std::string reply = server.Exchange(watcher, kTransaction);
      CAPTURE(round);
      CAPTURE(commands);
      if (changed) CHECK(reply == kNothing);
      if (!may_write && !time_passes) CHECK(reply == kDone);
    }
  }
}
