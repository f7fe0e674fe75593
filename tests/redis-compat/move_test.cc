// SPDX-License-Identifier: BSD-3-Clause
// Keys and databases that change places: what is kept about them beside the keys has to follow.

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "redis-compat/databases.h"
#include "redis-compat/key_codec.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

const std::string kLost = "-MISCONF Errors writing to the AOF file: no luck\r\n";

// What a database's tree holds: each key's expiry (0: none), the index, and the counters.
struct Contents {
  std::map<std::string, int64_t> keys;
  std::map<std::string, int64_t> index;  // the earliest entry of each key
  size_t index_entries = 0;
  lsm::TreeCounters counters{};
};

Contents Read(TestServer& server, int database) {
  Contents contents;
  const lsm::TreeId tree = server.instance().databases().Find(database).tree;
  if (tree == lsm::kDirectoryTree) return contents;
  const auto view = server.instance().db().NewReadView();
  contents.counters = view->Counters(tree).value();
  const auto records = view->NewIterator(tree, {});
  REQUIRE(records.ok());
  for (records.value()->SeekToFirst(); records.value()->Valid(); records.value()->Next()) {
    const std::string_view stored = records.value()->key();
    if (stored[0] == redis::kUserKeyPrefix) {
      const auto header = redis::DecodeHeader(records.value()->value());
      contents.keys[std::string(redis::DecodeUserKey(stored))] =
          header.value().expiry_ms.value_or(0);
    } else if (stored[0] == redis::kExpiryPrefix) {
      const auto entry = redis::DecodeExpiryKey(stored);
      contents.index.emplace(entry.value().key, entry.value().time_ms);
      ++contents.index_entries;
    }
  }
  return contents;
}

void CheckBooks(TestServer& server, int database) {
  CAPTURE(database);
  const Contents contents = Read(server, database);
  int64_t expiring = 0;
  for (const auto& record : contents.keys) {
    const std::string& key = record.first;
    const int64_t expiry_ms = record.second;
    if (expiry_ms == 0) continue;
    ++expiring;
    CAPTURE(key);
    const auto entry = contents.index.find(key);
    REQUIRE(entry != contents.index.end());
    CHECK(entry->second <= expiry_ms);
  }
  CHECK(contents.counters[redis::kKeyCounter] == static_cast<int64_t>(contents.keys.size()));
  CHECK(contents.counters[redis::kExpiryCounter] == expiring);
}

std::vector<std::string> RandomMove(lsm::Random* random) {
  const auto number = [random](uint64_t below) { return std::to_string(random->Uniform(below)); };
  const std::string key = "k" + number(12);
  const std::string other = "k" + number(12);
  switch (random->Uniform(9)) {
    case 0:
      return {"SET", key, "v"};
    case 1:
      return {"SET", key, "v", "PX", std::to_string(1 + random->Uniform(800))};
    case 2:
      return {"RENAME", key, other};
    case 3:
      return {"RENAMENX", key, other};
    case 4:
      return {"COPY", key, other, "DB", number(3), "REPLACE"};
    case 5:
      return {"MOVE", key, number(3)};
    case 6:
      return random->OneIn(4) ? std::vector<std::string>{"SWAPDB", number(3), number(3)}
                              : std::vector<std::string>{"PERSIST", key};
    case 7:
      return {"PEXPIRE", key, std::to_string(1 + random->Uniform(2000))};
    default:
      return random->OneIn(30) ? std::vector<std::string>{"FLUSHDB"}
                               : std::vector<std::string>{"SELECT", number(3)};
  }
}

}  // namespace

TEST_CASE("whatever moves, counters count the keys and every expiry is in the index") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    lsm::Random random(seed);
    TestServer server("databases 3\n",
                      seed == 3 ? TestServer::Engine::kLsm : TestServer::Engine::kMapDb);
    auto client = server.Connect();
    for (int step = 0; step < 3000; ++step) {
      CAPTURE(step);
      server.Call(client, RandomMove(&random));
      if (random.OneIn(40)) server.Sleep(static_cast<int64_t>(random.Uniform(150)));
      if (random.OneIn(500)) {
        server.Restart();
        client = server.Connect();
      }
      if (step % 20 != 0) continue;
      for (int database = 0; database < 3; ++database) CheckBooks(server, database);
    }
    server.Sleep(2500);
    for (int database = 0; database < 3; ++database) {
      CheckBooks(server, database);
      const Contents contents = Read(server, database);
      CHECK(contents.index_entries == 0);
      CHECK(contents.counters[redis::kExpiryCounter] == 0);
    }
  }
}

TEST_CASE("a key expires in time although later ones were seen first") {
  TestServer server;
  server.Call("SET later 1 PX 100000");
  server.Sleep(300);
  server.Call("SET a 1 PX 300");
  // Its tree is another database's for a while, and no round is run in it.
  server.Call("SWAPDB 0 1");
  server.Call("SELECT 1");
  server.Call("SET b 1 PX 300");
  server.Call("SWAPDB 0 1");
  server.Call("SELECT 0");
  CHECK(server.Call("DBSIZE") == "(integer) 3");
  server.Sleep(500);
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  CHECK(server.Call("EXISTS later") == "(integer) 1");
  // Moved nearer, and back again: the index holds what is nearest.
  server.Call("PEXPIRE later 200");
  server.Call("PEXPIRE later 700");
  server.Sleep(500);
  CHECK(server.Call("EXISTS later") == "(integer) 1");
  server.Sleep(400);
  CHECK(server.Call("DBSIZE") == "(integer) 0");
}

TEST_CASE("keys expire in the database that they are in by then") {
  TestServer server;
  server.Call("SET a 1 PX 1000");
  server.Call("SELECT 1");
  server.Call("SET b 1 PX 500");
  // So that active expiry has come further in one of the trees than in the other.
  server.Sleep(600);
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  CHECK(server.Call("SWAPDB 0 1") == "OK");
  CHECK(server.Call("DBSIZE") == "(integer) 1");
  server.Sleep(300);
  CHECK(server.Call("GET a") == "\"1\"");
  server.Call("SELECT 0");
  CHECK(server.Call("SET c 1 PX 100") == "OK");
  server.Sleep(200);
  CHECK(server.Call("DBSIZE") == "(integer) 0");
  server.Call("SELECT 1");
  CHECK(server.Call("DBSIZE") == "(integer) 0");
}

TEST_CASE("a scan goes on after its database went away and came back") {
  TestServer server;
  const auto client = server.Connect();
  for (int i = 0; i < 2000; ++i) {
    server.Call(client, {"SET", "tenant:one:" + std::to_string(10'000 + i), "v"});
  }
  server.Call(client, {"SELECT", "1"});
  for (int i = 0; i < 2000; ++i) {
    server.Call(client, {"SET", "another:two:" + std::to_string(10'000 + i), "v"});
  }
  // Both trees have registered a prefix of their own under the same id.
  for (const char* database : {"1", "0"}) {
    server.Call(client, {"SELECT", database});
    const std::string reply = server.Call(client, {"SCAN", "0", "COUNT", "10"});
    CHECK(reply.starts_with("[\""));
  }
  std::string cursor = "0";
  size_t seen = 0;
  do {
    const std::string reply = server.Call(client, {"SCAN", cursor, "COUNT", "100"});
    cursor = reply.substr(2, reply.find('"', 2) - 2);
    for (size_t at = reply.find("tenant"); at != std::string::npos;
         at = reply.find("tenant", at + 1)) {
      ++seen;
    }
    server.Call(client, {"SWAPDB", "0", "1"});
    server.Call(client, {"SCAN", "0", "COUNT", "10"});
    server.Call(client, {"SWAPDB", "1", "0"});
  } while (cursor != "0");
  CHECK(seen == 2000);
}

TEST_CASE("an exchange that is lost with its group has not happened") {
  TestServer server;
  server.Call("SET a 1");
  const auto client = server.Connect();
  server.disk().append_failure = lsm::Status::IoError("no luck");
  server.Feed(client, "SWAPDB 0 1\r\nGET a\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == kLost + kLost);
  server.disk().append_failure = {};
  CHECK(server.Call("GET a") == "\"1\"");
  server.Call("SELECT 1");
  CHECK(server.Call("DBSIZE") == "(integer) 0");
}

TEST_CASE("under always a reader is not shown an unsynced exchange") {
  TestServer server("appendfsync always\n");
  server.Call("SET a 1");
  server.disk().syncs_end = false;
  const auto writer = server.Connect();
  const auto reader = server.Connect();
  CHECK(server.Exchange(writer, "SWAPDB 0 1\r\n").empty());
  CHECK(server.Exchange(reader, "GET a\r\nSELECT 1\r\nGET a\r\n").empty());
  server.disk().syncs_end = true;
  server.instance().db().RequestSync();
  server.RunUntilIdle();
  CHECK(server.TakeOutput(writer) == "+OK\r\n");
  CHECK(server.TakeOutput(reader) == "$-1\r\n+OK\r\n$1\r\n1\r\n");
}
