// SPDX-License-Identifier: BSD-3-Clause
// One random history of commands, on a map and on the engine with small memtables: every reply must
// be the same, through flushes, merges and restarts.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lsm/random.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {}

  std::vector<std::string> NextCommand() {
    switch (random_.Uniform(18)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return {"SET", Key(), Value()};
      case 4:
        return {"SET", Key(), Value(), "PX", Number(3000)};
      case 5:
        return {"GET", Key()};
      case 6:
        return {"DEL", Key(), Key()};
      case 7:
        return {"APPEND", Key(), Value()};
      case 8:
        return {"INCRBY", "n" + Number(5), Number(100)};
      case 9:
        return {"MSET", Key(), Value(), Key(), Value(), Key(), Value()};
      case 10:
        return {"PEXPIRE", Key(), Number(5000)};
      case 11:
        return {"PERSIST", Key()};
      case 12:
        return {"MGET", Key(), Key(), Key()};
      case 13:
        return {"PTTL", Key()};
      case 14:
        return {"DBSIZE"};
      case 15:
        return {"SETRANGE", Key(), Number(300), Value()};
      case 16:
        return Moving();
      default:
        return Rare();
    }
  }
  bool OneIn(uint64_t n) { return random_.OneIn(n); }
  std::string Number(uint64_t below) { return std::to_string(random_.Uniform(below)); }

 private:
  std::vector<std::string> Moving() {
    switch (random_.Uniform(8)) {
      case 0:
        return {"MOVE", Key(), Number(3)};
      case 1:
        return {"COPY", Key(), Key(), "DB", Number(3), "REPLACE"};
      case 2:
        return {"COPY", Key(), Key()};
      case 3:
        return {"RENAMENX", Key(), Key()};
      case 4:
        return {"SWAPDB", Number(3), Number(3)};
      default:
        return {"RENAME", Key(), Key()};
    }
  }
  std::vector<std::string> Rare() {
    switch (random_.Uniform(12)) {
      case 0:
        return {"KEYS", "key:" + Number(10) + "*"};
      case 1:
        return {"SCAN", "0", "COUNT", Number(50) + "0", "MATCH", "*" + Number(10)};
      case 2:
        return random_.OneIn(20) ? std::vector<std::string>{"FLUSHDB"}
                                 : std::vector<std::string>{"DBSIZE"};
      case 3:
        return random_.OneIn(60) ? std::vector<std::string>{"FLUSHALL"}
                                 : std::vector<std::string>{"DBSIZE"};
      case 4:
      case 5:
        return {"SELECT", Number(3)};
      case 6:
        return {"GETDEL", Key()};
      case 7:
        return {"GETEX", Key(), "PX", Number(1000)};
      case 8:
        return {"SET", Key(), Value(), "KEEPTTL", "GET"};
      case 9:
        return {"MSETNX", Key(), Value(), Key(), Value()};
      case 10:
        return {"EXISTS", Key(), Key(), Key(), Key()};
      default:
        return {"DEBUG", "DIGEST"};
    }
  }
  std::string Key() { return "key:" + Number(400); }
  std::string Value() {
    std::string value(random_.OneIn(50) ? random_.Uniform(20'000) : random_.Uniform(600), '\0');
    for (char& c : value) c = static_cast<char>(random_.Next32());
    return value;
  }

  lsm::Random random_;
};

}  // namespace

TEST_CASE("a random history has the same replies on a map and on the engine") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    History history(seed);
    const std::string config = "enable-debug-command yes\nmemtable-size 64kb\nmemtable-limit 2\n";
    TestServer map(config);
    TestServer engine(config, TestServer::Engine::kLsm);
    uint64_t flushes = 0;
    auto map_client = map.Connect();
    auto engine_client = engine.Connect();
    for (int step = 0; step < 10'000; ++step) {
      CAPTURE(step);
      if (history.OneIn(100)) {
        map.Sleep(300);
        engine.Sleep(300);
      }
      if (history.OneIn(1000)) {
        flushes += engine.instance().db().Stats().flushes;
        map.Restart();
        engine.Restart();
        map_client = map.Connect();
        engine_client = engine.Connect();
      }
      const std::vector<std::string> command = history.NextCommand();
      CAPTURE(command[0]);
      REQUIRE(map.Call(map_client, command) == engine.Call(engine_client, command));
    }
    CHECK(flushes > 0);
  }
}
