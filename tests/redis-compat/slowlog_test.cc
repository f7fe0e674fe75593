// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/slowlog.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "redis-compat/command_table.h"
#include "redis-compat/observer.h"
#include "redis-compat/redact.h"
#include "tests/support/test_server.h"

namespace redis {
namespace {

using Words = std::vector<std::string_view>;

Words Shown(const Words& words) {
  const CommandSpec* spec = FindCommand(words[0]);
  if (HasSubcommands(*spec)) spec = FindSubcommand(words[0], words[1]);
  REQUIRE(spec != nullptr);
  return ShownArguments(*spec, words);
}

TEST_CASE("the slow log keeps the newest entries, with numbers that are not used again") {
  SlowLog log;
  log.set_max_length(2);
  for (int64_t i = 0; i < 3; ++i) log.Add(i, 100 + i, Words{"get", "a"}, "127.0.0.1:5", "bob");
  REQUIRE(log.entries().size() == 2);
  CHECK(log.entries()[0].id == 2);
  CHECK(log.entries()[0].micros == 102);
  CHECK(log.entries()[0].arguments == std::vector<std::string>{"get", "a"});
  CHECK(log.entries()[0].client_address == "127.0.0.1:5");
  CHECK(log.entries()[0].client_name == "bob");
  CHECK(log.entries()[1].id == 1);
  log.Reset();
  CHECK(log.entries().empty());
  log.Add(9, 9, Words{"get"}, "", "");
  CHECK(log.entries()[0].id == 3);
  log.set_max_length(0);
  CHECK(log.entries().empty());
  log.Add(9, 9, Words{"get"}, "", "");
  CHECK(log.entries().empty());
}

TEST_CASE("a client's name is cut too") {
  SlowLog log;
  log.Add(0, 1, Words{"get"}, "", std::string(1000, 'n'));
  CHECK(log.entries()[0].client_name == std::string(128, 'n'));
}

TEST_CASE("long commands are cut to 32 arguments and 128 bytes, and say what is missing") {
  SlowLog log;
  const std::string exact(128, 'y');
  const std::string longer(200, 'y');
  log.Add(0, 1, Words{"set", exact, longer}, "", "");
  CHECK(log.entries()[0].arguments ==
        std::vector<std::string>{"set", exact, exact + "... (72 more bytes)"});
  log.Add(0, 1, Words(32, "x"), "", "");
  CHECK(log.entries()[0].arguments == std::vector<std::string>(32, "x"));
  log.Add(0, 1, Words(81, "x"), "", "");
  std::vector<std::string> cut(31, "x");
  cut.emplace_back("... (50 more arguments)");
  CHECK(log.entries()[0].arguments == cut);
}

TEST_CASE("secrets are not shown") {
  CHECK(Shown({"auth", "p"}) == Words{"auth", kRedacted});
  CHECK(Shown({"AUTH", "default", "p"}) == Words{"AUTH", kRedacted, kRedacted});
  CHECK(Shown({"hello", "3", "setname", "x", "AUTH", "u", "p"}) ==
        Words{"hello", "3", "setname", "x", "AUTH", kRedacted, kRedacted});
  CHECK(Shown({"hello", "auth", "u", "p"}) == Words{"hello", "auth", kRedacted, kRedacted});
  CHECK(Shown({"hello", "3", "auth", "u"}) == Words{"hello", "3", "auth", kRedacted});
  CHECK(Shown({"config", "set", "timeout", "0", "RequirePass", "p", "masterauth", "q"}) ==
        Words{"config", "set", "timeout", "0", "RequirePass", kRedacted, "masterauth", kRedacted});
  CHECK(Shown({"config", "get", "requirepass"}) == Words{"config", "get", "requirepass"});
  CHECK(Shown({"set", "auth", "p"}) == Words{"set", "auth", "p"});
}

TEST_CASE("commands are slow from the threshold on") {
  Settings settings;
  settings.slowlog_log_slower_than_us = 100;
  Observer observer(AllCommands().size());
  observer.Follow(settings);
  CHECK_FALSE(observer.IsSlow(99));
  CHECK(observer.IsSlow(100));
  CHECK_FALSE(observer.WatchesEvents());
  settings.slowlog_log_slower_than_us = -1;
  observer.Follow(settings);
  CHECK_FALSE(observer.IsSlow(INT64_MAX - 1));
  settings.latency_monitor_threshold_ms = 3;
  observer.Follow(settings);
  CHECK_FALSE(observer.IsSlow(2999));
  CHECK(observer.IsSlow(3000));
  CHECK(observer.WatchesEvents());
  settings.latency_monitor_threshold_ms = INT64_MAX;
  observer.Follow(settings);
  CHECK_FALSE(observer.IsSlow(1'000'000'000'000));

  // Below the slow log's threshold a command may still be an event.
  settings.latency_monitor_threshold_ms = 3;
  settings.slowlog_log_slower_than_us = 5000;
  observer.Follow(settings);
  Session session(1, {.address = "a:1", .local_address = "b:1"}, 0);
  observer.NoteSlow(session, *FindCommand("get"), Words{"get", "k"}, 4000, 7000);
  CHECK(observer.slow_log().entries().empty());
  REQUIRE(observer.monitor().Find("fast-command") != nullptr);
  CHECK(observer.monitor().Find("fast-command")->samples[0].second == 7);
  CHECK(observer.monitor().Find("fast-command")->samples[0].milliseconds == 4);
  observer.NoteSlow(session, *FindCommand("keys"), Words{"keys", "*"}, 5000, 7000);
  CHECK(observer.monitor().Find("command") != nullptr);
  CHECK(observer.slow_log().entries().size() == 1);
}

TEST_CASE("a command that sleeps is in the slow log and in the latency events") {
  test_support::TestServer server(
      "enable-debug-command yes\nslowlog-log-slower-than 0\nlatency-monitor-threshold 1\n");
  CHECK(server.Call("SET a 1") == "OK");
  CHECK(server.Call("SLOWLOG LEN") == "(integer) 1");
  CHECK(server.Call("SLOWLOG GET 1").find("[\"SLOWLOG\", \"LEN\"]") != std::string::npos);
  CHECK(server.Call("CONFIG SET slowlog-max-len 1") == "OK");
  CHECK(server.Call("SLOWLOG LEN") == "(integer) 1");
  CHECK(server.Call("CONFIG SET slowlog-log-slower-than -1") == "OK");
  CHECK(server.Call("SLOWLOG RESET") == "OK");
  CHECK(server.Call("SLOWLOG LEN") == "(integer) 0");
}

}  // namespace
}  // namespace redis
