// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/lookahead.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lsm/random.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

std::string Bulk(const std::vector<std::string>& arguments) {
  std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& argument : arguments) {
    bytes += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return bytes;
}

std::string SomeCommand(lsm::Random* random) {
  const std::string key = "key" + std::to_string(random->Uniform(30));
  switch (random->Uniform(12)) {
    case 0:
      return "\r\n";
    case 1:
      return "GET " + key + "\r\n";
    case 2:
      return "*0\r\n";
    case 3:
      return Bulk({"NOSUCH", key});
    case 4:
      return Bulk({"SELECT", std::to_string(random->Uniform(2))});
    case 5:
      return Bulk({"MSET", key, "1", key + "x", std::string(random->Uniform(300), 'v')});
    case 6:
      return Bulk({"CLIENT", "ID"});
    case 7:
    case 8:
      return Bulk({"INCR", key});
    case 9:
      return Bulk({"DEL", key, key});
    default:
      return Bulk({"SET", key, std::to_string(random->Uniform(1000))});
  }
}

}  // namespace

TEST_CASE("a pipeline is answered in the same way however it is cut, and however much is ahead") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    lsm::Random random(seed);
    TestServer whole("", TestServer::Engine::kLsm);
    TestServer pieces("", TestServer::Engine::kLsm);
    const auto whole_client = whole.Connect();
    const auto pieces_client = pieces.Connect();
    std::string pipeline;
    std::string expected;
    for (uint64_t i = random.Uniform(300); i > 0; --i) {
      const std::string command = SomeCommand(&random);
      pipeline += command;
      expected += whole.Exchange(whole_client, command);
    }
    std::string received;
    for (size_t at = 0; at < pipeline.size();) {
      const size_t size = 1 + random.Uniform(random.Uniform(2) == 0 ? 40 : 4000);
      received += pieces.Exchange(pieces_client, std::string_view(pipeline).substr(at, size));
      at += size;
    }
    REQUIRE(received == expected);
  }
}

TEST_CASE("what is ahead when a client has to wait is executed when it goes on, once") {
  TestServer server;
  const auto client = server.Connect();
  const auto other = server.Connect();
  CHECK(server.Exchange(other, "CLIENT PAUSE 10000 WRITE\r\n") == "+OK\r\n");
  const std::string pipeline = Bulk({"GET", "n"}) + Bulk({"INCR", "n"}) + Bulk({"INCR", "n"}) +
                               "PING\r\n" + Bulk({"GET", "n"}) + "*2\r\n$3\r\nGE";
  CHECK(server.Exchange(client, pipeline) == "$-1\r\n");
  CHECK(server.Exchange(other, "CLIENT UNPAUSE\r\n") == "+OK\r\n");
  server.RunUntilIdle();
  CHECK(server.TakeOutput(client) == ":1\r\n:2\r\n+PONG\r\n$1\r\n2\r\n");
  CHECK(server.Exchange(client, "T\r\n$1\r\nn\r\n") == "$1\r\n2\r\n");
}

TEST_CASE("commands before a protocol error are executed, and nothing behind it") {
  TestServer server;
  const auto client = server.Connect();
  CHECK(server.Exchange(client, Bulk({"SET", "a", "1"}) + Bulk({"GET", "a"}) + "*1\r\nX\r\n" +
                                    Bulk({"SET", "a", "2"})) ==
        "+OK\r\n$1\r\n1\r\n-ERR Protocol error: expected '$', got 'X'\r\n");
  CHECK(server.Call("GET a") == "\"1\"");
}
