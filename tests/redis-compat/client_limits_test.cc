// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/client_limits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/test_server.h"

namespace redis {
namespace {

using test_support::TestServer;

constexpr size_t kMb = size_t{1} << 20;

bool IsConnected(TestServer* server, ClientId client) {
  return server->instance().Find(client) != nullptr;
}

size_t LinesWith(TestServer* server, std::string_view text) {
  const auto lines = server->host().log();
  return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& l) {
    return l.find(text) != std::string::npos;
  }));
}

std::string Set(std::string_view key, size_t size) {
  return "*3\r\n$3\r\nSET\r\n$" + std::to_string(key.size()) + "\r\n" + std::string(key) + "\r\n$" +
         std::to_string(size) + "\r\n" + std::string(size, 'v') + "\r\n";
}

// A client with `size` bytes of a request that is not complete.
ClientId WithInput(TestServer* server, size_t size) {
  const ClientId client = server->Connect();
  server->Exchange(client, "*2\r\n$4\r\nECHO\r\n$100000000\r\n" + std::string(size, 'x'));
  return client;
}

TEST_CASE("output above the hard limit ends a client that does not read") {
  TestServer server("client-output-buffer-limit normal 1mb 0 0\n");
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 300'000));
  server.SetReading(client, false);
  server.Exchange(client, "GET a\r\nGET a\r\n");
  CHECK(IsConnected(&server, client));
  server.Exchange(client, "GET a\r\nGET a\r\nGET a\r\n");
  CHECK_FALSE(IsConnected(&server, client));
  CHECK(server.instance().statistics().output_buffer_disconnections == 1);
  CHECK(LinesWith(&server, "exceeds its output buffer limit") == 1);
}

TEST_CASE("output above the hard limit does not end a client that reads") {
  TestServer server("client-output-buffer-limit normal 1mb 0 0\n");
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 300'000));
  std::string pipeline;
  for (int i = 0; i < 20; ++i) pipeline += "GET a\r\n";
  CHECK(server.Exchange(client, pipeline).size() == 20 * (300'000 + 11));
  CHECK(IsConnected(&server, client));
}

TEST_CASE("one reply above the hard limit ends the client, and what it wrote stays written") {
  TestServer server("client-output-buffer-limit normal 1mb 0 0\n");
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 700'000));
  CHECK(server.Exchange(client, "MGET a a a a\r\n") == "");
  CHECK_FALSE(IsConnected(&server, client));
  CHECK(server.instance().statistics().output_buffer_disconnections == 1);

  const ClientId writer = server.Connect();
  server.Exchange(writer, Set("b", 2 * kMb));
  CHECK(server.Exchange(writer, "SET b new GET\r\n") == "");
  CHECK_FALSE(IsConnected(&server, writer));
  CHECK(server.Call("GET b") == "\"new\"");
}

TEST_CASE("KEYS of more than the limit ends the client and nobody else") {
  TestServer server("client-output-buffer-limit normal 64kb 0 0\n");
  const ClientId client = server.Connect();
  for (int i = 0; i < 1000; ++i) {
    server.Exchange(client, Set("key:" + std::string(100, 'k') + std::to_string(i), 1));
  }
  CHECK(server.Exchange(client, "KEYS *\r\n") == "");
  CHECK_FALSE(IsConnected(&server, client));
  CHECK(server.Call("DBSIZE") == "(integer) 1000");
}

TEST_CASE("output above the soft limit ends a client after the time, not before") {
  TestServer server("client-output-buffer-limit normal 0 1mb 5\n");
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 2 * kMb));
  server.SetReading(client, false);
  server.Exchange(client, "GET a\r\n");
  server.Sleep(4900);
  CHECK(IsConnected(&server, client));
  server.Sleep(1500);
  CHECK_FALSE(IsConnected(&server, client));
  CHECK(server.instance().statistics().output_buffer_disconnections == 1);
}

TEST_CASE("the time above the soft limit begins anew when a client has read") {
  TestServer server("client-output-buffer-limit normal 0 1mb 5\n");
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 2 * kMb));
  for (int i = 0; i < 3; ++i) {
    server.SetReading(client, false);
    server.Exchange(client, "GET a\r\n");
    server.Sleep(4000);
    server.SetReading(client, true);
    server.Exchange(client, "PING\r\n");
  }
  CHECK(IsConnected(&server, client));
}

TEST_CASE("output limits can be set at run time") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 2 * kMb));
  server.SetReading(client, false);
  server.Exchange(client, "GET a\r\n");
  CHECK(IsConnected(&server, client));
  CHECK(server.Call("CONFIG SET client-output-buffer-limit \"normal 1mb 0 0\"") == "OK");
  server.Sleep(1100);
  CHECK_FALSE(IsConnected(&server, client));
}

TEST_CASE("each class of clients has its own output limit") {
  TestServer server("client-output-buffer-limit normal 0 0 0 pubsub 1mb 0 0\n");
  const ClientId normal = server.Connect();
  const ClientId subscriber = server.Connect();
  server.instance().Find(subscriber)->state().client_class = ClientState::ClientClass::kPubsub;
  server.Exchange(normal, Set("a", 2 * kMb));
  server.Exchange(normal, "GET a\r\n");
  server.Exchange(subscriber, "GET a\r\n");
  CHECK(IsConnected(&server, normal));
  CHECK_FALSE(IsConnected(&server, subscriber));
}

TEST_CASE("input above client-query-buffer-limit ends a client, and is counted") {
  TestServer server("client-query-buffer-limit 1mb\n");
  const ClientId client = WithInput(&server, kMb / 2);
  CHECK(IsConnected(&server, client));
  server.Exchange(client, std::string(kMb, 'x'));
  CHECK_FALSE(IsConnected(&server, client));
  CHECK(server.instance().statistics().query_buffer_disconnections == 1);
  CHECK(LinesWith(&server, "reached max query buffer length") == 1);
}

TEST_CASE("what MULTI queues counts as input, and as memory of the client") {
  TestServer server("client-query-buffer-limit 1mb\n");
  const ClientId client = server.Connect();
  server.Exchange(client, "MULTI\r\n");
  const size_t before = server.instance().client_limits().memory();
  server.Exchange(client, Set("a", kMb / 2));
  CHECK(IsConnected(&server, client));
  CHECK(server.instance().client_limits().memory() > before + kMb / 2);
  server.Exchange(client, Set("a", kMb * 3 / 4));
  CHECK_FALSE(IsConnected(&server, client));
  CHECK(server.instance().statistics().query_buffer_disconnections == 1);
}

TEST_CASE(
    "INFO, MEMORY STATS and CLIENT LIST tell of the same memory, what MULTI queues included") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, "MULTI\r\n" + Set("a", kMb));
  server.Sleep(4000);
  const auto number = [&](const std::string& command, const std::string& name) -> size_t {
    const std::string reply = server.Call(command);
    const size_t at = reply.find(name);
    REQUIRE(at != std::string::npos);
    return std::stoul(reply.substr(at + name.size()));
  };
  const size_t one = number("CLIENT LIST ID " + std::to_string(client), "tot-mem=");
  CHECK(one == server.instance().Find(client)->memory());
  CHECK(one > kMb);
  const size_t all = number("MEMORY STATS", "\"clients.normal\", (integer) ");
  CHECK(all > one);
  CHECK(all < one + kMb / 10);
  const size_t said_by_info = number("INFO memory", "mem_clients_normal:");
  CHECK(said_by_info > one);
  CHECK(said_by_info < one + kMb / 10);
}

TEST_CASE("above maxmemory-clients the largest clients go, until the rest fits") {
  TestServer server("maxmemory-clients 20mb\n");
  const ClientId small = WithInput(&server, kMb);
  const ClientId large = WithInput(&server, 6 * kMb);
  const ClientId largest = WithInput(&server, 9 * kMb);
  CHECK(server.instance().client_limits().memory() > 16 * kMb);
  CHECK(IsConnected(&server, largest));
  const ClientId last = WithInput(&server, 5 * kMb);
  CHECK_FALSE(IsConnected(&server, largest));
  CHECK(IsConnected(&server, large));
  CHECK(IsConnected(&server, small));
  CHECK(IsConnected(&server, last));
  CHECK(server.instance().statistics().evicted_clients == 1);
  CHECK(server.instance().client_limits().memory() < 20 * kMb);
  CHECK(LinesWith(&server, "Evicting client") == 1);
}

TEST_CASE("a client that is evicted while its command waits has nothing queued") {
  TestServer server("maxmemory-clients 10mb\n");
  const ClientId waiting = server.Connect();
  server.Exchange(waiting,
                  "WAIT 1 0\r\n*2\r\n$4\r\nECHO\r\n$100000000\r\n" + std::string(6 * kMb, 'x'));
  REQUIRE(server.instance().Find(waiting)->blocked());
  const ClientId evictor = WithInput(&server, 5 * kMb / 2);
  const ClientId observer = server.Connect();
  // All in one tick, so that the evicted client is still there to be listed.
  server.Feed(evictor, std::string(5 * kMb / 2, 'x'));
  server.Feed(observer, "CLIENT LIST ID " + std::to_string(waiting) + "\r\n");
  server.RunUntilIdle();
  CHECK_FALSE(IsConnected(&server, waiting));
  const std::string list = server.TakeOutput(observer);
  INFO(list);
  CHECK(list.find(" qbuf=0 ") != std::string::npos);
  CHECK(list.find(" argv-mem=0 ") != std::string::npos);
}

TEST_CASE("names count as memory of the client") {
  TestServer server;
  const ClientId client = server.Connect();
  for (const std::string command :
       {"CLIENT SETNAME ", "CLIENT SETINFO LIB-NAME ", "CLIENT SETINFO LIB-VER "}) {
    server.Exchange(client, command + std::string(20'000, 'n') + "\r\n");
  }
  server.Sleep(3000);
  CHECK(server.instance().Find(client)->memory() > 60'000);
  CHECK(server.instance().client_limits().memory() > 60'000);
}

TEST_CASE("a client that said NO-EVICT stays, and others go for it") {
  TestServer server("maxmemory-clients 10mb\n");
  const ClientId keeps = server.Connect();
  server.instance().Find(keeps)->state().no_evict = true;
  server.Exchange(keeps, "*2\r\n$4\r\nECHO\r\n$100000000\r\n" + std::string(12 * kMb, 'x'));
  const ClientId other = WithInput(&server, kMb);
  server.Sleep(200);
  CHECK(IsConnected(&server, keeps));
  CHECK_FALSE(IsConnected(&server, other));
}

TEST_CASE("memory of clients is summed up exactly, whatever they do") {
  TestServer server("maxmemory-clients 0\n");
  std::vector<ClientId> clients;
  for (size_t i = 0; i < 20; ++i) clients.push_back(WithInput(&server, size_t{10'000} * i));
  const ClientId reader = server.Connect();
  server.Exchange(reader, Set("a", kMb));
  server.SetReading(reader, false);
  server.Exchange(reader, "GET a\r\nGET a\r\n");
  for (int i = 0; i < 20; i += 2) server.Disconnect(clients[static_cast<size_t>(i)]);
  server.Sleep(3000);
  size_t sum = 0;
  for (const auto& [id, session] : server.instance().sessions()) sum += session->memory();
  CHECK(server.instance().client_limits().memory() == sum);
  CHECK(sum > 2 * kMb);
}

TEST_CASE("a client that becomes idle gives its buffers back") {
  TestServer server;
  const ClientId client = server.Connect();
  server.Exchange(client, Set("a", 500'000));
  std::string many = "*1001\r\n$3\r\nDEL\r\n";
  for (int i = 0; i < 1000; ++i) many += "$1\r\nx\r\n";
  server.Exchange(client, many);
  server.Exchange(client, "GET a\r\n");
  const Session* const session = server.instance().Find(client);
  CHECK(session->memory() > 500'000);
  server.Sleep(4000);
  CHECK(session->memory() < 4000);
  CHECK(server.Exchange(client, "PING\r\n") == "+PONG\r\n");
}

TEST_CASE("a request that is not completed in five minutes ends its client") {
  TestServer server;
  const ClientId silent = WithInput(&server, 10);
  const ClientId slow = WithInput(&server, 10);
  const ClientId idle = server.Connect();
  for (int i = 0; i < 4; ++i) {
    server.Sleep(100'000);
    server.Exchange(slow, "x");
  }
  CHECK_FALSE(IsConnected(&server, silent));
  CHECK(IsConnected(&server, slow));
  CHECK(IsConnected(&server, idle));
}

TEST_CASE("timeout ends idle clients, and not subscribers") {
  TestServer server("timeout 10\n");
  const ClientId idle = server.Connect();
  const ClientId subscriber = server.Connect();
  server.instance().Find(subscriber)->state().client_class = ClientState::ClientClass::kPubsub;
  server.Sleep(12'000);
  CHECK_FALSE(IsConnected(&server, idle));
  CHECK(IsConnected(&server, subscriber));
}

TEST_CASE("a client has 30 seconds to authenticate, after RESET again, and no longer by trying") {
  TestServer server("requirepass secret\n");
  const ClientId pooled = server.Connect();
  server.Exchange(pooled, "AUTH secret\r\n");
  const ClientId stranger = server.Connect();
  server.Sleep(20'000);
  server.Exchange(stranger, "RESET\r\nPING\r\n");
  CHECK(IsConnected(&server, stranger));
  server.Sleep(12'000);
  CHECK_FALSE(IsConnected(&server, stranger));
  CHECK(server.Exchange(pooled, "RESET\r\n") == "+RESET\r\n");
  server.Sleep(25'000);
  CHECK(server.Exchange(pooled, "PING\r\n") == "-NOAUTH Authentication required.\r\n");
  server.Sleep(8'000);
  CHECK_FALSE(IsConnected(&server, pooled));
}

TEST_CASE("what many clients cause at once does not flood the log") {
  TestServer server;
  for (int i = 0; i < 1000; ++i) server.Exchange(server.Connect(), "POST / HTTP/1.1\r\n");
  CHECK(LinesWith(&server, "A web page may be attacking") == LogLimiter::kLinesPerSecond);
  server.Sleep(200);
  CHECK(LinesWith(&server, "990 more lines about clients were left out") == 1);
}

TEST_CASE("a percentage of maxmemory-clients is one of the memory there is") {
  TestServer server;
  const uint64_t quarter = server.instance().client_limits().memory_limit();
  CHECK(quarter > 16 * kMb);
  CHECK(server.Call("CONFIG GET maxmemory-clients") == "[\"maxmemory-clients\", \"25%\"]");
  CHECK(server.Call("CONFIG SET maxmemory-clients 50%") == "OK");
  CHECK(server.instance().client_limits().memory_limit() == 2 * quarter);
  CHECK(server.Call("CONFIG SET maxmemory-clients 3mb") == "OK");
  CHECK(server.instance().client_limits().memory_limit() == 3 * kMb);
}

TEST_CASE("patterns are limited in length, and hostile ones in work") {
  TestServer server;
  for (int i = 0; i < 200; ++i)
    server.Call("SET " + std::string(1000, 'a') + std::to_string(i) + " v");
  std::string stars;
  for (int i = 0; i < 100; ++i) stars += "a*";
  CHECK(server.Call("KEYS " + stars + "b") == "[]");
  CHECK(server.Call("KEYS " + std::string(16384, '*')).size() > 200'000);
  const std::string error = "(error) ERR pattern is too long, the maximum is 16384 bytes";
  const std::string longer(16385, '*');
  CHECK(server.Call("KEYS " + longer) == error);
  CHECK(server.Call("SCAN 0 MATCH " + longer) == error);
  CHECK(server.Call("CONFIG GET " + longer) == error);
  CHECK(server.Call("COMMAND LIST FILTERBY PATTERN " + longer) == error);
  std::string many = "CONFIG GET";
  for (int i = 0; i < 1001; ++i) many += " *";
  CHECK(server.Call(many) == "(error) ERR too many patterns, the maximum is 1000");
}

TEST_CASE("SCAN with a huge COUNT answers in pieces that fit in memory") {
  TestServer server;
  const std::string padding(100'000, 'k');
  for (int i = 0; i < 400; ++i) server.Call({"SET " + std::to_string(1000 + i) + padding + " v"});
  const std::string reply = server.Call("SCAN 0 COUNT 1000000000");
  CHECK(reply.size() > 16 * kMb);
  CHECK(reply.size() < 18 * kMb);
  CHECK(reply.substr(0, 5) != "[\"0\",");
}

TEST_CASE("what clients send cannot break the lines of errors and statuses") {
  TestServer server;
  const ClientId client = server.Connect();
  for (const std::string text : {"a\r\n+OK", "a\n-ERR b", "\r\n\r\n"}) {
    const std::string word = "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    const std::string reply = server.Exchange(client, "*2\r\n" + word + word);
    CHECK(reply.find('\r') == reply.size() - 2);
    CHECK(reply.find('\n') == reply.size() - 1);
    const std::string sub = server.Exchange(client, "*2\r\n$6\r\nCONFIG\r\n" + word);
    CHECK(sub.find('\r') == sub.size() - 2);
    const std::string option =
        server.Exchange(client, "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n" + word + word);
    CHECK(option.find('\n') == option.size() - 1);
  }
}

}  // namespace
}  // namespace redis
