// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "client_socket.h"
#include "loop_server.h"

namespace net {

namespace {

constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";
constexpr std::string_view kPong = "+PONG\r\n";

std::string Repeat(std::string_view text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; i++) all += text;
  return all;
}

std::string Command(const std::vector<std::string>& arguments) {
  std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& argument : arguments) {
    bytes += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return bytes;
}

std::string Bulk(const std::string& bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
}

// Write calls of this process on files, pipes and sockets; the tests themselves use send.
long WriteCalls() {
  std::ifstream in("/proc/self/io");
  std::string name;
  long value = 0;
  while (in >> name >> value) {
    if (name == "syscw:") return value;
  }
  return -1;
}

bool Alive(LoopServer* server) {
  ClientSocket client(server->port());
  return client.Exchange(kPing, kPong.size()) == kPong;
}

}  // namespace

TEST_CASE("a stream cut anywhere gets the same replies") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  LoopServer server;
  REQUIRE(server.status().ok());
  std::string requests;
  std::string replies;
  for (int i = 0; i < 300; i++) {
    const std::string text(random() % 50, static_cast<char>(random()));
    requests += Command({"ECHO", text});
    replies += Bulk(text);
  }
  for (int round = 0; round < 10; round++) {
    ClientSocket client(server.port());
    std::thread sender([&, cuts = random()]() mutable {
      std::string_view rest = requests;
      std::mt19937 piece_random(static_cast<unsigned>(cuts));
      while (!rest.empty()) {
        const size_t piece = std::min<size_t>(rest.size(), 1 + piece_random() % 200);
        client.Send(rest.substr(0, piece));
        rest.remove_prefix(piece);
        if (piece_random() % 8 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    const std::string received = client.Receive(replies.size());
    sender.join();
    CHECK(received == replies);
  }
}

TEST_CASE("commands that arrive together are answered with one write") {
  LoopServer server("hz 1");
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  REQUIRE(client.Exchange(kPing, kPong.size()) == kPong);
  // The cron may write once in between; a hundred replies must not be a hundred writes.
  const long before = WriteCalls();
  REQUIRE(before >= 0);
  for (int i = 0; i < 10; i++) {
    REQUIRE(client.Exchange(Repeat(kPing, 100), 100 * kPong.size()) == Repeat(kPong, 100));
  }
  const long writes = WriteCalls() - before;
  CHECK(writes >= 10);
  CHECK(writes < 20);
}

TEST_CASE("200,000 commands in one write are all answered") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  const std::string requests = Repeat(kPing, 200000);
  const std::string replies = Repeat(kPong, 200000);
  std::thread sender([&] { client.Send(requests); });
  const bool equal = client.Receive(replies.size()) == replies;
  sender.join();
  CHECK(equal);
}

TEST_CASE("a client that sends everything before it reads anything gets every reply") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  const std::string value(1000, 'v');
  REQUIRE(client.Exchange(Command({"SET", "k", value}), 5) == "+OK\r\n");
  // 30 MB of replies: far more than the server and the sockets hold back for a slow reader.
  constexpr size_t kCommands = 30000;
  REQUIRE(client.Send(Repeat(Command({"GET", "k"}), kCommands)));
  const std::string replies = Repeat(Bulk(value), kCommands);
  CHECK(client.Receive(replies.size()) == replies);
}

TEST_CASE("a slow reader is paused, and nobody else is hurt") {
  LoopServer server;
  REQUIRE(server.status().ok());
  const std::string value(size_t{1} << 20, 'v');
  ClientSocket slow(server.port(), false);
  slow.SetReceiveBuffer(65536);
  REQUIRE(slow.Connect());
  REQUIRE(slow.Exchange(Command({"SET", "k", value}), 5) == "+OK\r\n");
  constexpr size_t kGets = 200;
  REQUIRE(slow.Send(Repeat(Command({"GET", "k"}), kGets)));

  // While its replies wait, another client is served, the loop does not spin, and no more is
  // executed for it than fits.
  ClientSocket other(server.port());
  REQUIRE(other.Exchange(kPing, kPong.size()) == kPong);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const int64_t cpu_before = server.CpuMicros();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(server.CpuMicros() - cpu_before < 100000);
  CHECK(other.Exchange(kPing, kPong.size()) == kPong);

  const std::string reply = Bulk(value);
  for (size_t i = 0; i < kGets; i++) {
    const bool equal = slow.Receive(reply.size()) == reply;
    REQUIRE(equal);
  }
}

TEST_CASE("a client whose input outgrows its limit is closed") {
  LoopServer server("client-query-buffer-limit 1mb");
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  client.Send("*2\r\n$4\r\nECHO\r\n$10000000\r\n" + std::string(4000000, 'x'));
  client.ReceiveAll();
  CHECK(server.Log().find("reached max query buffer length") != std::string::npos);
  CHECK(Alive(&server));
}

TEST_CASE("a client that ends its side still gets its replies, then the end") {
  LoopServer server;
  REQUIRE(server.status().ok());
  for (int round = 0; round < 20; round++) {
    ClientSocket client(server.port());
    REQUIRE(client.Send(Repeat(kPing, 5000)));
    client.EndSending();
    CHECK(client.ReceiveAll() == Repeat(kPong, 5000));
  }
  ClientSocket unfinished(server.port());
  REQUIRE(unfinished.Send(std::string(kPing) + "*1\r\n$4\r\nPI"));
  unfinished.EndSending();
  CHECK(unfinished.ReceiveAll() == kPong);
}

TEST_CASE("resets at any moment leave the server well") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  LoopServer server;
  REQUIRE(server.status().ok());
  {
    ClientSocket client(server.port());
    REQUIRE(client.Exchange(Command({"SET", "k", std::string(300000, 'v')}), 5) == "+OK\r\n");
  }
  for (int round = 0; round < 300; round++) {
    ClientSocket client(server.port());
    if (!client.connected()) continue;
    const std::string requests = Repeat(Command({"GET", "k"}), random() % 20) + "*1\r\n$4\r\nPI";
    client.Send(std::string_view(requests).substr(0, random() % (requests.size() + 1)));
    if (random() % 2 == 0) client.Receive(random() % 100000, 5);
    client.Reset();
  }
  CHECK(Alive(&server));
  // Those that are gone are forgotten.
  size_t connections = 1;
  for (int i = 0; i < 100 && connections > 0; i++) {
    server.OnLoop([&](EventLoop* loop, redis::Config*) { connections = loop->connection_count(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(connections == 0);
}

TEST_CASE("protocol errors are answered and end the connection") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  REQUIRE(client.Send(std::string(kPing) + "*x\r\n" + std::string(kPing)));
  CHECK(client.ReceiveAll() == "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n");
  ClientSocket quitting(server.port());
  REQUIRE(quitting.Send(Command({"QUIT"}) + std::string(kPing)));
  CHECK(quitting.ReceiveAll() == "+OK\r\n");
}

TEST_CASE("one client too many is told so") {
  LoopServer server("maxclients 2");
  REQUIRE(server.status().ok());
  ClientSocket first(server.port());
  ClientSocket second(server.port());
  REQUIRE(first.Exchange(kPing, kPong.size()) == kPong);
  REQUIRE(second.Exchange(kPing, kPong.size()) == kPong);
  ClientSocket third(server.port());
  CHECK(third.ReceiveAll() == "-ERR max number of clients reached\r\n");
  first.Close();
  bool served = false;
  for (int i = 0; i < 100 && !served; i++) {
    ClientSocket again(server.port());
    served = again.Exchange(kPing, kPong.size()) == kPong;
  }
  CHECK(served);
}

TEST_CASE("out of descriptors, accepting waits without spinning and goes on") {
  LoopServer server;
  REQUIRE(server.status().ok());
  constexpr size_t kClients = 20;
  std::vector<std::unique_ptr<ClientSocket>> clients;
  for (size_t i = 0; i < kClients; i++) {
    clients.push_back(std::make_unique<ClientSocket>(server.port(), false));
  }
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = dup(0);
  close(next);
  // `next` is the lowest free descriptor: from here on nothing can be opened but the few below it.
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (const auto& client : clients) client->Connect();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const int64_t cpu_before = server.CpuMicros();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const int64_t cpu_used = server.CpuMicros() - cpu_before;
  setrlimit(RLIMIT_NOFILE, &before);

  CHECK(cpu_used < 100000);
  for (const auto& client : clients) {
    CHECK(client->Exchange(kPing, kPong.size()) == kPong);
  }
  CHECK(server.Log().find("Accepting client connection: accept: Too many open files") !=
        std::string::npos);
}

TEST_CASE("replies that wait for a sync all leave, whoever keeps the loop busy") {
  LoopServer server("appendfsync always");
  REQUIRE(server.status().ok());
  constexpr int kClients = 8;
  constexpr int kRounds = 200;
  std::vector<std::thread> threads;
  std::vector<int> answered(kClients);
  for (int i = 0; i < kClients; i++) {
    threads.emplace_back([&server, &answered, i] {
      ClientSocket client(server.port());
      const std::string write = Command({"SET", "k" + std::to_string(i), "v"});
      for (int round = 0; round < kRounds; round++) {
        // Half of the clients only read: their turns end ticks in which others' syncs come due.
        const bool writes = i % 2 == 0;
        const std::string_view expected = writes ? "+OK\r\n" : kPong;
        if (client.Exchange(writes ? write : kPing, expected.size()) == expected)
          answered[static_cast<size_t>(i)]++;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : answered) CHECK(count == kRounds);
}

TEST_CASE("a stopping server delivers the replies it owes") {
  const std::string value(size_t{3} << 20, 'v');
  for (int round = 0; round < 3; round++) {
    LoopServer server;
    REQUIRE(server.status().ok());
    ClientSocket client(server.port());
    REQUIRE(client.Exchange(Command({"SET", "k", value}), 5) == "+OK\r\n");
    REQUIRE(client.Send(Command({"GET", "k"})));
    REQUIRE(client.Receive(1) == "$");  // the rest is on its way, and more than a socket holds
    server.Stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK("$" + client.ReceiveAll() == Bulk(value));
    server.Join();
    CHECK_FALSE(ClientSocket(server.port()).connected());
  }
}

TEST_CASE("a client that reads nothing does not keep the server from stopping") {
  LoopServer server;
  REQUIRE(server.status().ok());
  ClientSocket client(server.port());
  const std::string value(size_t{7} << 20, 'v');
  REQUIRE(client.Exchange(Command({"SET", "k", value}), 5) == "+OK\r\n");
  REQUIRE(client.Send(Repeat(Command({"GET", "k"}), 3)));
  REQUIRE(client.Receive(1) == "$");
  const auto start = std::chrono::steady_clock::now();
  server.Stop();
  server.Join();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

}  // namespace net
