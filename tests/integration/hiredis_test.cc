// SPDX-License-Identifier: BSD-3-Clause
// A client library's three ways to talk - one command at a time, pipelined, and asynchronous over
// an event loop - against the server as a process, and what the process does when it has to end.

#include <doctest/doctest.h>
#include <hiredis/adapters/libuv.h>
#include <hiredis/async.h>
#include <sys/stat.h>
#include <uv.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/server_process.h"

namespace {

using test_support::Call;
using test_support::Context;
using test_support::Reply;
using test_support::ServerProcess;
using test_support::TemporaryDirectory;

constexpr int kStartMs = 20000;

// A server in a directory that outlives it.
struct Home {
  TemporaryDirectory directory;
  int port = test_support::FreePort();

  std::string path() const { return directory.path() + "/data"; }
  std::string log_path() const { return path() + ".log"; }
  ServerProcess Start(const std::vector<std::string>& arguments = {}) const {
    return ServerProcess(VARVE_SERVER, path(), port, arguments);
  }
  std::string Log() const {
    std::ifstream in(log_path());
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  Home() { REQUIRE(::mkdir(path().c_str(), 0700) == 0); }
};

std::string Text(redisContext* context, const std::vector<std::string>& command) {
  const Reply reply = Call(context, command);
  if (reply == nullptr) return "no reply: " + std::string(context->errstr);
  if (reply->type == REDIS_REPLY_INTEGER) return std::to_string(reply->integer);
  if (reply->type == REDIS_REPLY_NIL) return "(nil)";
  return {reply->str, static_cast<size_t>(reply->len)};
}

// Writes key after key until the connection breaks; returns how many were acknowledged.
size_t WriteUntilBroken(const ServerProcess& server, const std::string& prefix) {
  const Context context = server.Connect();
  size_t acknowledged = 0;
  while (context != nullptr) {
    const std::string number = std::to_string(acknowledged);
    const Reply reply = Call(context.get(), {"SET", prefix + number, number});
    if (reply == nullptr || reply->type != REDIS_REPLY_STATUS) break;
    acknowledged++;
  }
  return acknowledged;
}

}  // namespace

TEST_CASE("one command at a time, with bytes of every kind") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  const Context context = server.Connect();
  REQUIRE(context);
  std::string bytes(1 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<char>(i * 7 + i / 256);
  const std::string key("k\0\r\n\xff", 5);
  CHECK(Text(context.get(), {"SET", key, bytes}) == "OK");
  CHECK(Text(context.get(), {"GET", key}) == bytes);
  CHECK(Text(context.get(), {"STRLEN", key}) == std::to_string(bytes.size()));
  CHECK(Text(context.get(), {"SET", "empty", ""}) == "OK");
  CHECK(Text(context.get(), {"GET", "empty"}).empty());
  CHECK(Text(context.get(), {"GET", "none"}) == "(nil)");
  CHECK(Text(context.get(), {"INCRBY", "n", "41"}) == "41");
  CHECK(Text(context.get(), {"INCR", "n"}) == "42");
  CHECK(Text(context.get(), {"DEL", key, "empty", "none"}) == "2");
  CHECK(Text(context.get(), {"DBSIZE"}) == "1");
  CHECK(Text(context.get(), {"NONE"}).starts_with("ERR unknown command 'NONE'"));
  CHECK(server.Terminate() == 0);
}

TEST_CASE("a value of 100 MB comes back as it went") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  const Context context = server.Connect();
  REQUIRE(context);
  std::string large(size_t{100} << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 4093) large[i] = static_cast<char>(i);
  CHECK(Text(context.get(), {"SET", "large", large}) == "OK");
  const bool equal = Text(context.get(), {"GET", "large"}) == large;
  CHECK(equal);
}

TEST_CASE("a pipeline of 100,000 commands is answered in order") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  const Context context = server.Connect();
  REQUIRE(context);
  constexpr int kCommands = 100000;
  for (int i = 0; i < kCommands; i++) {
    if (i % 2 == 0) {
      redisAppendCommand(context.get(), "INCR n");
    } else {
      redisAppendCommand(context.get(), "ECHO %d", i);
    }
  }
  for (int i = 0; i < kCommands; i++) {
    void* raw = nullptr;
    REQUIRE(redisGetReply(context.get(), &raw) == REDIS_OK);
    const Reply reply(static_cast<redisReply*>(raw));
    if (i % 2 == 0) {
      REQUIRE(reply->integer == i / 2 + 1);
    } else {
      REQUIRE(std::string(reply->str) == std::to_string(i));
    }
  }
}

TEST_CASE("an asynchronous client over libuv gets its replies in order, and its goodbye") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  struct Progress {
    int replies = 0;
    int in_order = 0;
    int disconnected = -1;
  } progress;
  constexpr int kCommands = 20000;
  uv_loop_t loop;
  uv_loop_init(&loop);
  redisAsyncContext* async = redisAsyncConnect("127.0.0.1", home.port);
  REQUIRE(async->err == 0);
  redisLibuvAttach(async, &loop);
  async->data = &progress;
  redisAsyncSetDisconnectCallback(async, [](const redisAsyncContext* context, int status) {
    static_cast<Progress*>(context->data)->disconnected = status;
  });
  const auto on_reply = [](redisAsyncContext* context, void* raw, void*) {
    auto* state = static_cast<Progress*>(context->data);
    const auto* reply = static_cast<redisReply*>(raw);
    if (reply != nullptr && reply->integer == state->replies + 1) state->in_order++;
    if (++state->replies == kCommands) redisAsyncDisconnect(context);
  };
  for (int i = 0; i < kCommands; i++) {
    REQUIRE(redisAsyncCommand(async, on_reply, nullptr, "INCR n") == REDIS_OK);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  CHECK(progress.in_order == kCommands);
  CHECK(progress.disconnected == REDIS_OK);
}

TEST_CASE("SIGTERM ends the server with status 0, and its data come back") {
  const Home home;
  {
    ServerProcess server = home.Start();
    REQUIRE(server.WaitUntilReady(kStartMs));
    const Context context = server.Connect();
    REQUIRE(Text(context.get(), {"SET", "k", "v"}) == "OK");
    REQUIRE(Text(context.get(), {"SET", "gone", "v", "PX", "1"}) == "OK");
    CHECK(server.Terminate() == 0);
  }
  CHECK(home.Log().find("Received SIGTERM scheduling shutdown...") != std::string::npos);
  CHECK(home.Log().find("bye bye") != std::string::npos);
  ServerProcess again = home.Start();
  REQUIRE(again.WaitUntilReady(kStartMs));
  const Context context = again.Connect();
  CHECK(Text(context.get(), {"GET", "k"}) == "v");
  CHECK(Text(context.get(), {"GET", "gone"}) == "(nil)");
}

TEST_CASE("SHUTDOWN ends the server with status 0") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  const Context context = server.Connect();
  CHECK(Call(context.get(), {"SHUTDOWN"}) == nullptr);
  CHECK(server.Terminate() == 0);
}

TEST_CASE("kill -9 loses nothing that was acknowledged, at any setting of appendfsync") {
  for (const char* policy : {"always", "everysec", "no"}) {
    CAPTURE(policy);
    const Home home;
    constexpr size_t kWriters = 4;
    std::vector<size_t> acknowledged(kWriters);
    {
      ServerProcess server = home.Start({"--appendfsync", policy});
      REQUIRE(server.WaitUntilReady(kStartMs));
      std::vector<std::thread> writers;
      for (size_t i = 0; i < kWriters; i++) {
        writers.emplace_back([&server, &acknowledged, i] {
          acknowledged[i] = WriteUntilBroken(server, std::to_string(i) + ":");
        });
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      server.Kill();
      for (std::thread& writer : writers) writer.join();
    }
    ServerProcess again = home.Start({"--appendfsync", policy});
    REQUIRE(again.WaitUntilReady(kStartMs));
    const Context context = again.Connect();
    for (size_t i = 0; i < kWriters; i++) {
      CHECK(acknowledged[i] > 0);
      for (size_t n = 0; n < acknowledged[i]; n++) {
        const std::string number = std::to_string(n);
        REQUIRE(Text(context.get(), {"GET", std::to_string(i) + ":" + number}) == number);
      }
    }
  }
}

TEST_CASE("what a server cannot have is named in one line, and it exits with 1") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  const std::string port = std::to_string(home.port);
  const TemporaryDirectory empty;
  const auto run = [](const std::vector<std::string>& arguments) {
    return test_support::RunProgram(VARVE_SERVER, arguments);
  };

  const auto port_in_use = run({"--port", port, "--bind", "127.0.0.1", "--dir", empty.path()});
  CHECK(port_in_use.status == 1);
  CHECK(port_in_use.output.find("Could not create server TCP listening socket 127.0.0.1:" + port +
                                ": bind: Address already in use") != std::string::npos);
  CHECK(port_in_use.output.find("Failed listening on port " + port + " (tcp), aborting.") !=
        std::string::npos);

  const std::string other_port = std::to_string(test_support::FreePort());
  const auto same_data = run({"--port", other_port, "--bind", "127.0.0.1", "--dir", home.path()});
  CHECK(same_data.status == 1);
  CHECK(same_data.output.find("Can't open the database in '" + home.path() + "'") !=
        std::string::npos);

  REQUIRE(::mkdir((empty.path() + "/varve").c_str(), 0700) == 0);
  std::ofstream(empty.path() + "/varve/photo.jpg") << "not ours";
  const auto foreign = run({"--port", other_port, "--bind", "127.0.0.1", "--dir", empty.path()});
  CHECK(foreign.status == 1);
  CHECK(foreign.output.find("photo.jpg") != std::string::npos);

  const auto nowhere = run({"--port", "0", "--dir", empty.path()});
  CHECK(nowhere.status == 1);
  CHECK(nowhere.output.find("Configured to not listen anywhere") != std::string::npos);

  const auto unknown = run({"--no-such-directive", "1"});
  CHECK(unknown.status == 1);
  CHECK(unknown.error.find("no-such-directive") != std::string::npos);
  CHECK(run({"--test-memory", "100"}).status == 1);
  CHECK(run({"--version"}).output.starts_with("Varve server v="));
  CHECK(run({"--help"}).status == 0);

  const Context context = server.Connect();
  CHECK(Text(context.get(), {"PING"}) == "PONG");
}

TEST_CASE("CONFIG SET moves the server to another port") {
  const Home home;
  ServerProcess server = home.Start();
  REQUIRE(server.WaitUntilReady(kStartMs));
  const Context context = server.Connect();
  const int port = test_support::FreePort();
  CHECK(Text(context.get(), {"CONFIG", "SET", "port", std::to_string(port)}) == "OK");
  const Context moved(redisConnect("127.0.0.1", port));
  REQUIRE(moved->err == 0);
  CHECK(Text(moved.get(), {"PING"}) == "PONG");
  CHECK(Text(context.get(), {"PING"}) == "PONG");
}
