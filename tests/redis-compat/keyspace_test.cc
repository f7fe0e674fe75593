// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/keyspace.h"

#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "redis-compat/databases.h"
#include "redis-compat/expiry.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

size_t IndexEntries(TestServer& server) {
  const lsm::TreeId tree = server.instance().databases().Find(0).tree;
  if (tree == lsm::kDirectoryTree) return 0;
  const auto view = server.instance().db().NewReadView();
  lsm::IterateOptions options;
  options.prefix = "x";
  const auto entries = view->NewIterator(tree, options);
  REQUIRE(entries.ok());
  size_t count = 0;
  for (entries.value()->SeekToFirst(); entries.value()->Valid(); entries.value()->Next()) ++count;
  return count;
}

}  // namespace

TEST_CASE("an expired key is hidden from readers, and deleted first by a writer") {
  TestServer server("hz 10\n");
  server.config().set_active_expire(false);
  server.Call("SET a 1 PX 50");
  server.Sleep(50);
  CHECK(server.Call("GET a") == "(nil)");
  CHECK(server.Call("EXISTS a") == "(integer) 0");
  CHECK(server.Call("TTL a") == "(integer) -2");
  CHECK(server.Call("KEYS *") == "[]");
  CHECK(server.Call("RANDOMKEY") == "(nil)");
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  CHECK(server.Call("APPEND a xy") == "(integer) 2");
  CHECK(server.Call("PTTL a") == "(integer) -1");
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  CHECK(server.instance().statistics().expired_keys == 1);
}

TEST_CASE("expired keys go without being asked for, unless active expiry is off") {
  TestServer server;
  for (int i = 0; i < 300; ++i) server.Call("SET k" + std::to_string(i) + " v PX 150");
  server.Call("SET stays v");
  CHECK(server.Call("DBSIZE") == "(integer) 301");
  server.config().set_active_expire(false);
  server.Sleep(300);
  CHECK(server.Call("DBSIZE") == "(integer) 301");
  server.config().set_active_expire(true);
  server.Sleep(100);
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  CHECK(IndexEntries(server) == 0);
  CHECK(server.instance().statistics().expired_keys == 300);
}

TEST_CASE("an index entry that fires early moves to the key's own time") {
  TestServer server;
  server.Call("SET a v PX 100");
  server.Call("PEXPIRE a 1000");
  CHECK(IndexEntries(server) == 1);
  server.Sleep(500);
  CHECK(server.Call("GET a") == "\"v\"");
  CHECK(IndexEntries(server) == 1);
  server.Sleep(500);
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  CHECK(IndexEntries(server) == 0);
}

TEST_CASE("keys that lose their expiry leave nothing in the index") {
  TestServer server;
  server.Call("SET a v EX 100");
  server.Call("PERSIST a");
  CHECK(IndexEntries(server) == 0);
  server.Call("SET b v EX 100");
  server.Call("SET b v");
  CHECK(IndexEntries(server) == 0);
  server.Call("SET c v EX 100");
  server.Call("EXPIRE c 50");
  CHECK(IndexEntries(server) == 1);
  server.Call("DEL c");
  CHECK(IndexEntries(server) == 0);
}

TEST_CASE("random expiries happen on time, whatever was set before, also across restarts") {
  const uint64_t seed = 20;
  CAPTURE(seed);
  lsm::Random random(seed);
  TestServer server;
  std::map<std::string, int64_t> model;  // key to expiry, 0: none
  for (int step = 0; step < 3000; ++step) {
    const std::string key = "k" + std::to_string(random.Uniform(40));
    const int64_t now = server.clock().NowMicros() / 1000;
    const int64_t ttl = 1 + static_cast<int64_t>(random.Uniform(2000));
    switch (random.Uniform(6)) {
      case 0:
        server.Call("SET " + key + " v PX " + std::to_string(ttl));
        model[key] = now + ttl;
        break;
      case 1:
        if (server.Call("PEXPIRE " + key + " " + std::to_string(ttl)) == "(integer) 1") {
          model[key] = now + ttl;
        }
        break;
      case 2:
        server.Call("PERSIST " + key);
        if (model.count(key) == 1) model[key] = 0;
        break;
      case 3:
        server.Call("DEL " + key);
        model.erase(key);
        break;
      case 4:
        server.Call("SET " + key + " v");
        model[key] = 0;
        break;
      default:
        if (random.OneIn(20)) server.Restart();
        server.Sleep(100);
        break;
    }
    const int64_t later = server.clock().NowMicros() / 1000;
    std::erase_if(model,
                  [&](const auto& entry) { return entry.second != 0 && entry.second <= later; });
    REQUIRE(server.Call("DBSIZE") == "(integer) " + std::to_string(model.size()));
  }
  server.Sleep(3000);
  const size_t lasting = static_cast<size_t>(
      std::count_if(model.begin(), model.end(), [](const auto& e) { return e.second == 0; }));
  CHECK(server.Call("DBSIZE") == "(integer) " + std::to_string(lasting));
  CHECK(IndexEntries(server) == 0);
}

TEST_CASE("server time does not run backwards across a restart") {
  TestServer server;
  server.Call("SET a v EX 10");
  server.Sleep(5000);
  server.clock().JumpTo(server.clock().NowMicros() - 3'600'000'000);
  server.Restart();
  CHECK(server.Call("TTL a") == "(integer) 5");
  server.Sleep(4000);
  CHECK(server.Call("TTL a") == "(integer) 1");
  server.Sleep(1100);
  CHECK(server.Call("EXISTS a") == "(integer) 0");
}

TEST_CASE("one command reads what it has written itself") {
  TestServer server;
  CHECK(server.Call("MSET a 1 b 2 a 3") == "OK");
  CHECK(server.Call("DBSIZE") == "(integer) 2");
  CHECK(server.Call("MGET a b") == "[\"3\", \"2\"]");
  CHECK(server.Call("DEL a a b") == "(integer) 2");
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  std::string command = "MSET";
  for (int i = 0; i < 200; ++i) {
    command += " k" + std::to_string(i % 50) + " v" + std::to_string(i);
  }
  CHECK(server.Call(command) == "OK");
  CHECK(server.Call("DBSIZE") == "(integer) 50");
  CHECK(server.Call("MGET k0 k49") == "[\"v150\", \"v199\"]");
}

TEST_CASE("a command that names one key very often takes no longer for it") {
  TestServer server;
  constexpr size_t kTimes = 50'000;
  std::vector<std::string> command = {"MSET"};
  for (size_t i = 0; i < kTimes; ++i) command.insert(command.end(), {"k", std::to_string(i)});
  const auto begin = std::chrono::steady_clock::now();
  CHECK(server.Call(server.Connect(), command) == "OK");
  // A hundred times what it takes; looking through all earlier writes takes minutes.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  CHECK(server.Call("GET k") == "\"49999\"");
  CHECK(server.Call("DBSIZE") == "(integer) 1");
}

TEST_CASE("FLUSHDB empties a database at once, and it can be used again") {
  TestServer server;
  server.Call("MSET a 1 b 2");
  CHECK(server.Call("FLUSHDB") == "OK");
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  CHECK(server.Call("GET a") == "(nil)");
  CHECK(server.instance().db().Trees().size() == 1);
  server.Call("SET c 3");
  server.Restart();
  CHECK(server.Call("KEYS *") == "[\"c\"]");
}

TEST_CASE("RANDOMKEY reaches every key, and numbered keys about evenly") {
  TestServer server;
  CHECK(server.Call("RANDOMKEY") == "(nil)");
  std::map<std::string, int> drawn;
  for (int i = 0; i < 200; ++i) {
    server.Call("SET user:" + std::to_string(1000 + i) + " v");
    drawn["\"user:" + std::to_string(1000 + i) + "\""] = 0;
  }
  for (int i = 0; i < 8000; ++i) ++drawn.at(server.Call("RANDOMKEY"));
  for (const auto& entry : drawn) {
    CAPTURE(entry.first);
    CHECK(entry.second > 8);
    CHECK(entry.second < 160);
  }
  server.Call("SET a v");
  server.Call("SET user: v");
  std::set<std::string> seen;
  for (int i = 0; i < 4000; ++i) seen.insert(server.Call("RANDOMKEY"));
  CHECK(seen.count("\"a\"") == 1);
  CHECK(seen.count("\"user:\"") == 1);
}

TEST_CASE("hz and active-expire-effort say how long a round of active expiry may take") {
  // The clock moves with each look at it, so that a round ends by its time.
  const auto left_after_one_round = [](std::string_view config) {
    TestServer server(config);
    server.config().set_active_expire(false);
    for (int i = 0; i < 500; ++i) {
      CHECK(server.Call("SET k" + std::to_string(i) + " v PX 10") == "OK");
    }
    server.Sleep(100);
    server.config().set_active_expire(true);
    server.clock().set_step(100);
    server.instance().Cron();
    server.clock().set_step(0);
    const auto& statistics = server.instance().statistics();
    CHECK(statistics.expire_cycles_cut_short == 1);
    CHECK(statistics.expire_cycle_us > 0);
    return 500 - static_cast<int>(statistics.expired_keys);
  };
  const int at_hz_10 = left_after_one_round("hz 10");
  const int at_hz_100 = left_after_one_round("hz 100");
  const int with_effort = left_after_one_round("hz 10\nactive-expire-effort 5");
  CHECK(at_hz_10 < at_hz_100);
  CHECK(with_effort < at_hz_10);
  CHECK(with_effort > 0);
}
