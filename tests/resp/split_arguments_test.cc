// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>

#include "resp/request_parser.h"

namespace resp {

namespace {

using Arguments = std::vector<std::string>;

Arguments Split(std::string_view line) {
  Arguments arguments;
  CAPTURE(line);
  CHECK(SplitArguments(line, &arguments));
  return arguments;
}

}  // namespace

TEST_CASE("blanks separate arguments and are not part of them") {
  CHECK(Split("") == Arguments{});
  CHECK(Split(" \t \v\f\r\n ") == Arguments{});
  CHECK(Split("SET  key\tvalue\r") == Arguments{"SET", "key", "value"});
  CHECK(Split("PING\rPONG") == Arguments{"PING", "PONG"});
}

TEST_CASE("a vertical tab and a form feed inside a token belong to it") {
  CHECK(Split("a\vb c\fd") == Arguments{"a\vb", "c\fd"});
}

TEST_CASE("double quotes understand escapes") {
  CHECK(Split(R"("a b" "\n\r\t\b\a" "\x41\xfF" "\q\"\\")") ==
        Arguments{"a b", "\n\r\t\b\a", "A\xff", "q\"\\"});
  CHECK(Split(R"("\x4" "\xzz")") == Arguments{"x4", "xzz"});
  CHECK(Split(R"("")") == Arguments{""});
}

TEST_CASE("single quotes understand only an escaped single quote") {
  CHECK(Split(R"('a"b' 'it\'s' '\n')") == Arguments{"a\"b", "it's", "\\n"});
}

TEST_CASE("a quote may open inside a token") {
  CHECK(Split(R"(a"b c" d'e f')") == Arguments{"ab c", "de f"});
}

TEST_CASE("quotes that do not close, or close in the middle of a token, are refused") {
  Arguments arguments;
  for (const char* line : {"\"", "'", "\"a", "'a", "a\"", "\"a\"b", "'a'b", "\"a\"\"b\"", "\"a\\",
                           "\"a\\\"", "'a\\'", "a 'b"}) {
    CAPTURE(line);
    CHECK_FALSE(SplitArguments(line, &arguments));
  }
}

TEST_CASE("a NUL is a byte like any other") {
  const std::string line("a\0b \"\0\"", 7);
  CHECK(Split(line) == Arguments{std::string("a\0b", 3), std::string("\0", 1)});
}

}  // namespace resp
