// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/scan_cursor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "lsm/write_batch.h"
#include "redis-compat/databases.h"
#include "redis-compat/key_codec.h"
#include "resp/reply_parser.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

struct Page {
  std::string cursor;
  std::vector<std::string> keys;
};

Page ScanOnce(TestServer& server, redis::ClientId client, const std::string& cursor,
              const std::vector<std::string>& options) {
  std::string request = "*" + std::to_string(2 + options.size()) + "\r\n$4\r\nSCAN\r\n";
  request += "$" + std::to_string(cursor.size()) + "\r\n" + cursor + "\r\n";
  for (const std::string& option : options) {
    request += "$" + std::to_string(option.size()) + "\r\n" + option + "\r\n";
  }
  const std::string reply = server.Exchange(client, request);
  resp::Value value;
  size_t consumed = 0;
  std::string error;
  REQUIRE(resp::ParseReply(reply, &value, &consumed, &error) == resp::ReplyOutcome::kReply);
  REQUIRE(value.elements.size() == 2);
  Page page;
  page.cursor = value.elements[0].text;
  CHECK(std::stoull(page.cursor) < (uint64_t{1} << 53));
  for (const resp::Value& key : value.elements[1].elements) page.keys.push_back(key.text);
  return page;
}

// How often each key was returned by a whole scan.
std::map<std::string, int> ScanAll(TestServer& server, const std::vector<std::string>& options,
                                   size_t* largest_page = nullptr) {
  const auto client = server.Connect();
  std::map<std::string, int> seen;
  std::string cursor = "0";
  size_t largest = 0;
  do {
    const Page page = ScanOnce(server, client, cursor, options);
    for (const std::string& key : page.keys) ++seen[key];
    largest = std::max(largest, page.keys.size());
    cursor = page.cursor;
  } while (cursor != "0");
  if (largest_page != nullptr) *largest_page = largest;
  return seen;
}

// Keys that are likely to tie: few characters, zeros and 0xff among them, long shared prefixes.
std::string RandomKey(lsm::Random* random) {
  static const std::string kPrefixes[] = {"",
                                          "a",
                                          std::string("\0", 1),
                                          "user:",
                                          "\xff\xff",
                                          "user:profile:",
                                          std::string("ab\0\0\0\0cd", 8)};
  static const std::string kBytes("\0ab1\xff", 5);
  std::string key = kPrefixes[random->Uniform(std::size(kPrefixes))];
  const size_t size = random->Uniform(9);
  for (size_t i = 0; i < size; ++i) key.push_back(kBytes[random->Uniform(kBytes.size())]);
  return key;
}

void Set(TestServer& server, redis::ClientId client, const std::string& key) {
  REQUIRE(server.Call(client, {"SET", key, "v"}) == "OK");
}

}  // namespace

TEST_CASE("while nothing changes a scan returns each key exactly once, whatever the COUNT") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    lsm::Random random(seed);
    TestServer server;
    const auto client = server.Connect();
    std::set<std::string> keys;
    const size_t count = random.Uniform(1500);
    for (size_t i = 0; i < count; ++i) keys.insert(RandomKey(&random));
    for (const std::string& key : keys) Set(server, client, key);
    for (const char* size : {"1", "3", "10", "1000", "1000000"}) {
      CAPTURE(size);
      const auto seen = ScanAll(server, {"COUNT", size});
      CHECK(seen.size() == keys.size());
      for (const auto& entry : seen) {
        CAPTURE(entry.first);
        CHECK(entry.second == 1);
        CHECK(keys.count(entry.first) == 1);
      }
    }
  }
}

TEST_CASE("a key that is present throughout is returned, whatever else changes, across restarts") {
  for (uint64_t seed = 100; seed < 140; ++seed) {
    CAPTURE(seed);
    lsm::Random random(seed);
    TestServer server;
    auto client = server.Connect();
    std::set<std::string> present;
    for (int i = 0; i < 400; ++i) present.insert(RandomKey(&random));
    for (const std::string& key : present) Set(server, client, key);
    std::set<std::string> throughout = present;
    std::set<std::string> seen;
    std::string cursor = "0";
    int pages = 0;
    do {
      const Page page = ScanOnce(server, client, cursor, {"COUNT", "7"});
      seen.insert(page.keys.begin(), page.keys.end());
      cursor = page.cursor;
      for (int i = 0; i < 20; ++i) {
        const std::string key = RandomKey(&random);
        if (random.OneIn(2)) {
          Set(server, client, key);
        } else {
          server.Call(client, {"DEL", key});
          throughout.erase(key);
        }
      }
      if (random.OneIn(20)) {
        server.Restart();
        client = server.Connect();
      }
      REQUIRE(++pages < 10'000);
    } while (cursor != "0");
    for (const std::string& key : throughout) {
      CAPTURE(key);
      CHECK(seen.count(key) == 1);
    }
  }
}

TEST_CASE("many keys with a long common prefix come in pages, because the prefix is registered") {
  TestServer server;
  const auto client = server.Connect();
  for (int i = 0; i < 5000; ++i) {
    Set(server, client, "tenant:0000042:session:" + std::to_string(100'000 + i));
  }
  size_t largest = 0;
  const auto seen = ScanAll(server, {"COUNT", "10"}, &largest);
  CHECK(seen.size() == 5000);
  CHECK(largest <= 10 + 256);
  // From the second scan on the prefix is known, and pages have the size that was asked for.
  ScanAll(server, {"COUNT", "10"}, &largest);
  CHECK(largest <= 110);
  server.Restart();
  const auto again = ScanAll(server, {"COUNT", "10"}, &largest);
  CHECK(again.size() == 5000);
  CHECK(largest <= 110);
}

TEST_CASE("ties are returned whole where no prefix can be registered") {
  TestServer server;
  const auto client = server.Connect();
  for (int i = 0; i < 2000; ++i) Set(server, client, "prefix" + std::to_string(10'000 + i));
  server.disk().stall = {lsm::WriteStall::State::kStop, lsm::WriteStall::Reason::kMemtables, 0};
  size_t largest = 0;
  const auto seen = ScanAll(server, {"COUNT", "10"}, &largest);
  CHECK(seen.size() == 2000);
  CHECK(largest == 2000);
}

TEST_CASE("a prefix that was lost with its group is not used, and the scan can go on") {
  TestServer server;
  const auto client = server.Connect();
  for (int i = 0; i < 2000; ++i) Set(server, client, "prefix" + std::to_string(10'000 + i));
  server.disk().append_failure = lsm::Status::IoError("no luck");
  CHECK(server.Exchange(client, "SCAN 0 COUNT 10\r\n").starts_with("-MISCONF"));
  server.disk().append_failure = {};
  CHECK(ScanAll(server, {"COUNT", "10"}).size() == 2000);
}

TEST_CASE("a prefix that was registered by a scan that failed is not used") {
  TestServer server;
  std::vector<std::string> command = {"MSET", "aaaac", "v"};
  for (int i = 1000; i < 1600; ++i) {
    command.insert(command.end(), {"aaaabbbb" + std::to_string(i), "v"});
  }
  server.Call(server.Connect(), command);
  // The scan registers "aaaa", which does not part the keys, goes on, and comes to a damaged one.
  const lsm::TreeId tree = server.instance().databases().Find(0).tree;
  lsm::WriteBatch damage;
  damage.Put(tree, "kaaaabbbb1400", "");
  REQUIRE(server.instance().db().Write(damage, true).ok());
  CHECK(server.Call("SCAN 0 COUNT 1").starts_with("(error) ERR"));
  CHECK(server.Call("SET aaaabbbb1400 v").starts_with("(error) ERR"));
  lsm::WriteBatch repair;
  std::string value;
  redis::Header header;
  header.payload = "v";
  redis::EncodeHeader(header, &value);
  repair.Put(tree, "kaaaabbbb1400", value);
  REQUIRE(server.instance().db().Write(repair, true).ok());
  CHECK(ScanAll(server, {"COUNT", "1"}).size() == 601);
  server.Restart();
  CHECK(ScanAll(server, {"COUNT", "1"}).size() == 601);
}

TEST_CASE("MATCH with a literal prefix starts at it and ends behind it") {
  TestServer server;
  const auto client = server.Connect();
  for (int i = 0; i < 500; ++i) {
    for (const char* prefix : {"a:", "b:", "c:"}) {
      Set(server, client, prefix + std::to_string(i));
    }
  }
  // Were other keys visited, ten would not be found in one page of ten.
  const Page page = ScanOnce(server, client, "0", {"MATCH", "b:*", "COUNT", "10"});
  CHECK(page.keys.size() >= 10);
  for (const auto& entry : ScanAll(server, {"MATCH", "b:*", "COUNT", "50"})) {
    CAPTURE(entry.first);
    CHECK(entry.first.starts_with("b:"));
    CHECK(entry.second == 1);
  }
  CHECK(ScanAll(server, {"MATCH", "b:*", "COUNT", "50"}).size() == 500);
  CHECK(ScanAll(server, {"MATCH", "b:7", "COUNT", "50"}).size() == 1);
  CHECK(ScanAll(server, {"MATCH", "*:7", "COUNT", "50"}).size() == 3);
}

TEST_CASE("numbers that no scan has answered end the scan") {
  TestServer server;
  server.Call("MSET a 1 b 2");
  CHECK(server.Call("SCAN 1") == "[\"0\", []]");
  CHECK(server.Call("SCAN 18446744073709551615") == "[\"0\", []]");
  CHECK(server.Call("SCAN 9007199254740991") == "[\"0\", []]");
  CHECK(server.Call("SCAN 18446744073709551616") == "(error) ERR invalid cursor");
}

TEST_CASE("the registry of prefixes is capped by number, size and sum") {
  redis::CursorPrefixes prefixes;
  CHECK(prefixes.Add("") == 0);
  CHECK(prefixes.Add(std::string(1025, 'x')) == 0);
  CHECK(prefixes.Add("abcd") == 2);
  CHECK(prefixes.Add("abcd") == 0);
  CHECK(prefixes.Add("abcdefgh") == 3);
  CHECK(prefixes.LongestPrefixOf("abcdefgz") == "abcd");
  CHECK(prefixes.LongestPrefixOf("abcdefghi") == "abcdefgh");
  CHECK(prefixes.LongestPrefixOf("abc") == "");
  size_t added = 2;
  for (uint32_t i = 0; prefixes.Add("p" + std::to_string(i)) != 0; ++i) ++added;
  CHECK(added == redis::CursorPrefixes::kMaxPrefixes);

  redis::CursorPrefixes large;
  size_t bytes = 0;
  for (uint32_t i = 0;; ++i) {
    std::string prefix = std::to_string(i);
    prefix.resize(1024, 'x');
    if (large.Add(prefix) == 0) break;
    bytes += prefix.size();
  }
  CHECK(bytes == redis::CursorPrefixes::kMaxBytes);
}
