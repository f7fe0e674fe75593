// SPDX-License-Identifier: BSD-3-Clause
#include "net/listener.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "client_socket.h"
#include "loop_server.h"
#include "tests/support/server_process.h"

namespace net {

namespace {

constexpr std::string_view kPing = "PING\r\n";
constexpr std::string_view kPong = "+PONG\r\n";

}  // namespace

TEST_CASE("a port in use is refused with its reason") {
  const int port = test_support::FreePort();
  const auto first = ListenTcp("127.0.0.1", port, 16);
  REQUIRE(first.ok());
  const auto second = ListenTcp("127.0.0.1", port, 16);
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().message() == "bind: Address already in use");
}

TEST_CASE("an address that this machine has not is told apart from other failures") {
  const auto listening = ListenTcp("192.0.2.1", test_support::FreePort(), 16);
  REQUIRE_FALSE(listening.ok());
  CHECK(listening.status().IsNotFound());
  const auto nonsense = ListenTcp("no such host.", test_support::FreePort(), 16);
  REQUIRE_FALSE(nonsense.ok());
  CHECK_FALSE(nonsense.status().IsNotFound());
}

TEST_CASE("a star listens on every address") {
  const int port = test_support::FreePort();
  REQUIRE(ListenTcp("*", port, 16).ok());
  const auto listening = ListenTcp("*", port, 16);
  CHECK(ClientSocket(port).connected());
}

TEST_CASE("a unix socket replaces a socket that was left, and nothing else") {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  { const auto left = ListenUnix(path, 0, 16); }
  const auto again = ListenUnix(path, 0660, 16);
  REQUIRE(again.ok());
  struct stat made {};
  REQUIRE(stat(path.c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0660);

  const std::string file = directory.path() + "/file";
  std::ofstream(file) << "text";
  const auto refused = ListenUnix(file, 0, 16);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message() == "bind: Address already in use");
  REQUIRE(stat(file.c_str(), &made) == 0);
  CHECK(made.st_size == 4);

  CHECK_FALSE(ListenUnix(directory.path() + "/none/s", 0, 16).ok());
  CHECK_FALSE(ListenUnix(std::string(200, 'x'), 0, 16).ok());
}

TEST_CASE("a server listens on a unix socket and removes it at its end") {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  {
    LoopServer server("unixsocket " + path);
    REQUIRE(server.status().ok());
    ClientSocket client(path);
    REQUIRE(client.connected());
    CHECK(client.Exchange(kPing, kPong.size()) == kPong);
    CHECK(ClientSocket(server.port()).Exchange(kPing, kPong.size()) == kPong);
  }
  struct stat gone {};
  CHECK(stat(path.c_str(), &gone) != 0);
}

TEST_CASE("optional addresses may be missing, others not") {
  CHECK(LoopServer("bind 127.0.0.1 -192.0.2.1").status().ok());
  LoopServer missing("bind 127.0.0.1 192.0.2.1");
  CHECK_FALSE(missing.status().ok());
  CHECK(missing.Log().find("Could not create server TCP listening socket 192.0.2.1:") !=
        std::string::npos);
}

TEST_CASE("the port can change while clients are connected") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket before(server.port());
  REQUIRE(before.Exchange(kPing, kPong.size()) == kPong);
  const int port = test_support::FreePort();
  const int taken_port = test_support::FreePort();
  const auto taken = ListenTcp("127.0.0.1", taken_port, 16);
  lsm::Status moved;
  lsm::Status refused;
  server.OnLoop([&](EventLoop* loop, redis::Config* config) {
    config->set_change_hook(
        [loop](const redis::Settings&, const redis::Settings&) { return loop->ApplySettings(); });
    moved = config->Set({{"port", std::to_string(port)}});
    refused = config->Set({{"port", std::to_string(taken_port)}});
    config->set_change_hook({});
  });
  CHECK(moved.ok());
  CHECK_FALSE(refused.ok());
  CHECK(ClientSocket(port).Exchange(kPing, kPong.size()) == kPong);
  CHECK_FALSE(ClientSocket(server.port()).connected());
  CHECK(before.Exchange(kPing, kPong.size()) == kPong);
}

}  // namespace net
