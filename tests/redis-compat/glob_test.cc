// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/glob.h"

#include <doctest/doctest.h>

namespace redis {

TEST_CASE("globs match as in Redis") {
  CHECK(GlobMatch("*", "abc"));
  CHECK(GlobMatch("a*c", "abbc"));
  CHECK(GlobMatch("a**c", "ac"));
  CHECK(GlobMatch("*a*b*", "xxaxxbxx"));
  CHECK_FALSE(GlobMatch("*a*b", "xxaxxbxx"));
  CHECK(GlobMatch("?b?", "abc"));
  CHECK_FALSE(GlobMatch("?", ""));
  CHECK(GlobMatch("a", "a"));
  CHECK_FALSE(GlobMatch("a", "A"));
  CHECK(GlobMatch("a\\*", "a*"));
  CHECK_FALSE(GlobMatch("a\\*", "ab"));
  CHECK(GlobMatch("h[ae]llo", "hallo"));
  CHECK_FALSE(GlobMatch("h[ae]llo", "hillo"));
  CHECK(GlobMatch("h[^e]llo", "hallo"));
  CHECK_FALSE(GlobMatch("h[^e]llo", "hello"));
  CHECK(GlobMatch("h[a-b]llo", "hbllo"));
  CHECK_FALSE(GlobMatch("h[a-b]llo", "hcllo"));
}

TEST_CASE("odd patterns mean what they mean in Redis") {
  const auto matched = [](std::string_view pattern) {
    std::string all;
    for (const char c : {'[', 'a', '\\'}) {
      if (GlobMatch(pattern, std::string_view(&c, 1))) all += c;
    }
    return all;
  };
  CHECK(matched("[") == "");
  CHECK(matched("[^") == "[a\\");
  CHECK(matched("[a") == "a");
  CHECK(matched("[^b") == "[a\\");
  CHECK(matched("\\") == "\\");
  CHECK(matched("\\a") == "a");
  CHECK(matched("[\\a]") == "a");
  CHECK(matched("[]") == "");
  CHECK(matched("[^]") == "[a\\");
  CHECK(matched("[z-a]") == "a");
  CHECK(matched("[a-") == "a");
  CHECK(matched("[-a]") == "a");
  CHECK(matched("[a-]") == "a");
  CHECK(matched("[b-]") == "a");
  CHECK(matched("[a-]]") == "a");
}

TEST_CASE("only the empty pattern and a lone star match an empty text") {
  CHECK(GlobMatch("*", ""));
  CHECK(GlobMatch("", ""));
  CHECK_FALSE(GlobMatch("**", ""));
  CHECK_FALSE(GlobMatch("", "a"));
}

TEST_CASE("case can be ignored") {
  CHECK(GlobMatch("MAX*[A-C]y", "maxmemorycY", GlobCase::kIgnore));
  CHECK_FALSE(GlobMatch("MAX*", "maxmemory"));
}

TEST_CASE("bytes that are not text match themselves, and ranges of them are signed") {
  CHECK(GlobMatch(std::string_view("\0*\xff", 3), std::string_view("\0x\xff", 3)));
  CHECK(GlobMatch("[\x80-\xff]", "\x90"));
  CHECK_FALSE(GlobMatch("[\x01-\xff]", "a"));
}

TEST_CASE("a pattern of many stars does not take exponential time") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  const std::string text(20000, 'a');
  CHECK_FALSE(GlobMatch(pattern + "b", text));
  CHECK(GlobMatch(pattern, text));
}

TEST_CASE("the literal prefix of a pattern ends at its first wildcard") {
  bool whole = false;
  CHECK(GlobLiteralPrefix("user:*", &whole) == "user:");
  CHECK_FALSE(whole);
  CHECK(GlobLiteralPrefix("a\\*b?c", &whole) == "a*b");
  CHECK_FALSE(whole);
  CHECK(GlobLiteralPrefix("plain\\", &whole) == "plain\\");
  CHECK(whole);
  CHECK(GlobLiteralPrefix("[ab]c", &whole) == "");
  CHECK_FALSE(whole);
}

}  // namespace redis
