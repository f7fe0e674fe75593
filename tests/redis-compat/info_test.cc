// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/info.h"

#include <doctest/doctest.h>

#include "redis-compat/client_text.h"
#include "redis-compat/command_table.h"
#include "redis-compat/digest.h"
#include "redis-compat/rate_sampler.h"

namespace redis {
namespace {

TEST_CASE("sizes are printed for people as Redis prints them") {
  CHECK(HumanSize(0) == "0B");
  CHECK(HumanSize(1023) == "1023B");
  CHECK(HumanSize(1024) == "1.00K");
  CHECK(HumanSize(1610512) == "1.54M");
  CHECK(HumanSize(25276510208) == "23.54G");
  CHECK(HumanSize(UINT64_MAX) == "16.00E");
}

TEST_CASE("a rate is what was counted over the last samples") {
  RateSampler rate;
  CHECK(rate.PerSecond() == 0);
  rate.Sample(1000, 50);
  CHECK(rate.PerSecond() == 0);
  rate.Sample(1100, 150);
  CHECK(rate.PerSecond() == 1000);
  // Idle: after sixteen samples nothing of it is left.
  for (int64_t now = 1200; now <= 2800; now += 100) rate.Sample(now, 150);
  CHECK(rate.PerSecond() == 0);
}

TEST_CASE("a counter that was reset does not make a rate") {
  RateSampler rate;
  rate.Sample(0, 1000);
  rate.Sample(100, 10);
  CHECK(rate.PerSecond() == 0);
  rate.Sample(200, 20);
  CHECK(rate.PerSecond() == 100);
  rate.Sample(200, 30);  // no time has passed
  CHECK(rate.PerSecond() == 100);
}

TEST_CASE("command statistics list what was called or rejected") {
  Statistics statistics;
  statistics.commands.resize(AllCommands().size());
  std::string text;
  AppendCommandStats(statistics, &text);
  CHECK(text.empty());
  CommandStats& get = statistics.commands[CommandIndex(*FindCommand("get"))];
  get = {.calls = 4, .microseconds = 10, .rejected = 1, .failed = 2};
  statistics.commands[CommandIndex(*FindSubcommand("config", "get"))].rejected = 3;
  AppendCommandStats(statistics, &text);
  CHECK(text ==
        "cmdstat_get:calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=2\r\n"
        "cmdstat_config|get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=3,failed_calls=0\r\n");
}

TEST_CASE("error statistics are by code") {
  Statistics statistics;
  statistics.errors_by_code = {{"WRONGTYPE", 2}, {"ERR", 1}};
  std::string text;
  AppendErrorStats(statistics, &text);
  CHECK(text == "errorstat_ERR:count=1\r\nerrorstat_WRONGTYPE:count=2\r\n");
}

TEST_CASE("resetting statistics keeps a place for every command") {
  Statistics statistics;
  statistics.commands.resize(3);
  statistics.commands[1].calls = 5;
  statistics.keyspace_hits = 9;
  statistics.Reset();
  CHECK(statistics.commands.size() == 3);
  CHECK(statistics.commands[1].calls == 0);
  CHECK(statistics.keyspace_hits == 0);
}

TEST_CASE("a client's line has Redis's fields") {
  Session session(7, {.address = "127.0.0.1:5", .local_address = "127.0.0.1:6379", .fd = 8}, 1000);
  session.state().name = "worker";
  session.state().database = 3;
  session.state().lib_name = "lib";
  session.state().last_interaction_ms = 4000;
  session.state().last_command = FindSubcommand("client", "list");
  const std::string in = std::to_string(session.input_capacity());
  const std::string out = std::to_string(session.output_capacity());
  const std::string total = std::to_string(session.memory());
  CHECK(DescribeClient(session, 6500) ==
        "id=7 addr=127.0.0.1:5 laddr=127.0.0.1:6379 fd=8 name=worker age=5 idle=2 flags=N db=3 "
        "sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=" +
            in + " argv-mem=0 multi-mem=0 rbs=" + out + " rbp=" + out +
            " obl=0 oll=0 omem=0 tot-mem=" + total +
            " events=r cmd=client|list user=default redir=-1 resp=2 lib-name=lib lib-ver=");
  session.state().close_after_reply = true;
  CHECK(DescribeClient(session, 0).find(" flags=c ") != std::string::npos);
}

TEST_CASE("client names are printable words") {
  CHECK(IsPrintableWord(""));
  CHECK(IsPrintableWord("!~az09"));
  CHECK_FALSE(IsPrintableWord("a b"));
  CHECK_FALSE(IsPrintableWord("a\n"));
  CHECK_FALSE(IsPrintableWord("\xc3\xa9"));
}

TEST_CASE("SHA-1 gives the standard's examples at every padding") {
  CHECK(ToHex(Sha1("")) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(ToHex(Sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(ToHex(Sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  CHECK(ToHex(Sha1(std::string(1000000, 'a'))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  CHECK(ToHex(Sha1(std::string(64, 'a'))) == "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

TEST_CASE("digests of strings are those of redis-server") {
  const auto value = [](std::string_view text, bool expires) {
    DataDigest digest;
    AddStringValue(text, expires, &digest);
    return ToHex(digest.value());
  };
  CHECK(value("bar", false) == "68467c70ae30376e7ce005bcc8827f5ba7fd67dc");
  CHECK(value("hello", false) == "36b23a1456b2dce2c3ed252c456761301dba8060");
  CHECK(value("123", false) == "89f7f51b707418f666d5b45e053bd5bbbf82ac2b");
  CHECK(value("v", true) == "311b17018163335616e089f6b951c82c477335ac");

  // SET foo bar in database 3, alone.
  DataDigest all;
  all.AddOrdered(uint32_t{3});
  DataDigest entry;
  entry.AddOrdered("foo");
  AddStringValue("bar", false, &entry);
  all.Combine(entry);
  CHECK(ToHex(all.value()) == "fa19c9b2b672cae7b329d87c83d911daa04513c5");
}

}  // namespace
}  // namespace redis
