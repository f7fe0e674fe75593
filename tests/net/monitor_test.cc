// SPDX-License-Identifier: BSD-3-Clause
// What reaches clients without their asking: MONITOR's lines, and the ends of waits.

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "client_socket.h"
#include "loop_server.h"

namespace net {

namespace {

// A line, its end included.
std::string ReceiveLine(ClientSocket* socket) {
  std::string line;
  while (!line.ends_with("\r\n")) {
    const std::string byte = socket->Receive(1);
    if (byte.empty()) return line + "(no more)";
    line += byte;
  }
  return line;
}

// A field of INFO clients.
std::string InfoClients(LoopServer* server, const std::string& field) {
  ClientSocket socket(server->port());
  socket.Send("INFO clients\r\nQUIT\r\n");
  const std::string info = socket.ReceiveAll();
  const size_t at = info.find(field + ":");
  if (at == std::string::npos) return "(none)";
  const size_t begin = at + field.size() + 1;
  return info.substr(begin, info.find('\r', begin) - begin);
}

bool Becomes(LoopServer* server, const std::string& field, const std::string& value) {
  for (int i = 0; i < 200; ++i) {
    if (InfoClients(server, field) == value) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("two monitors see every command of everybody, in the order of execution") {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  LoopServer server("unixsocket " + path);
  REQUIRE(server.status().ok());
  ClientSocket first(server.port());
  ClientSocket second(path);
  REQUIRE(first.Exchange("MONITOR\r\n", 5) == "+OK\r\n");
  REQUIRE(second.Exchange("MONITOR\r\n", 5) == "+OK\r\n");
  ClientSocket a(server.port());
  ClientSocket b(path);
  constexpr int kRounds = 200;
  for (int i = 0; i < kRounds; ++i) {
    REQUIRE(a.Exchange("STRLEN n\r\n", 4) == ":0\r\n");
    REQUIRE(b.Exchange("PING\r\n", 7) == "+PONG\r\n");
  }
  for (int i = 0; i < kRounds; ++i) {
    for (const std::string_view expected : {"\"STRLEN\" \"n\"\r\n", "\"PING\"\r\n"}) {
      const std::string line = ReceiveLine(&first);
      CHECK(line.ends_with(expected));
      CHECK(ReceiveLine(&second) == line);
      const bool is_unix = expected.find("PING") != std::string_view::npos;
      const std::string from = is_unix ? "[0 unix:" + path + "] " : "[0 127.0.0.1:";
      CHECK(line.find(from) != std::string::npos);
    }
  }
  // One goes: the other goes on.
  first.Close();
  REQUIRE(b.Exchange("PING\r\n", 7) == "+PONG\r\n");
  CHECK(ReceiveLine(&second).ends_with("\"PING\"\r\n"));
}

TEST_CASE("a monitor that does not read delays nobody") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket monitor(server.port());
  REQUIRE(monitor.Exchange("MONITOR\r\n", 5) == "+OK\r\n");
  ClientSocket client(server.port());
  const std::string argument(10'000, 'x');
  const std::string echo = "ECHO " + argument + "\r\n";
  const std::string reply = "$10000\r\n" + argument + "\r\n";
  for (int i = 0; i < 2000; ++i) REQUIRE(client.Exchange(echo, reply.size()) == reply);
  // Everything is there when it reads after all.
  for (int i = 0; i < 2000; ++i) {
    const std::string line = monitor.Receive(100);
    REQUIRE(line.find("\"ECHO\" \"xxx") != std::string::npos);
    const size_t rest = line.find("\"xxx") + 1 + argument.size() + 3 - line.size();
    REQUIRE(monitor.Receive(rest).ends_with("x\"\r\n"));
  }
}

TEST_CASE("a wait ends within milliseconds of its time") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  const auto begin = std::chrono::steady_clock::now();
  CHECK(client.Exchange("WAIT 1 130\r\n", 4) == ":0\r\n");
  const auto taken = std::chrono::steady_clock::now() - begin;
  CHECK(taken >= std::chrono::milliseconds(130));
  // The machine may be busy; without an alarm it would be 200 ms or more.
  CHECK(taken < std::chrono::milliseconds(190));
}

TEST_CASE("a client that goes while it waits is gone at once, and stopping ends every wait") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket gone(server.port());
  ClientSocket stays(server.port());
  REQUIRE(gone.Send("WAIT 1 0\r\n"));
  REQUIRE(stays.Send("WAIT 1 0\r\nPING\r\n"));
  CHECK(Becomes(&server, "blocked_clients", "2"));
  gone.EndSending();
  CHECK(gone.ReceiveAll().empty());
  CHECK(Becomes(&server, "blocked_clients", "1"));
  server.Stop();
  CHECK(stays.ReceiveAll().empty());
  server.Join();
}

TEST_CASE("a peer that ends its side while it is paused or guesses is still answered") {
  LoopServer server("requirepass secret");
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  REQUIRE(client.Send("AUTH wrong\r\nAUTH secret\r\nPING\r\n"));
  client.EndSending();
  CHECK(client.ReceiveAll() ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n+PONG\r\n");
}

}  // namespace net
