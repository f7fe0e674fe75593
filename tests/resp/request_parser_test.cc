// SPDX-License-Identifier: BSD-3-Clause
#include "resp/request_parser.h"

#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include "request_history.h"

namespace resp {

namespace {

using Outcome = RequestParser::Outcome;

std::string Whole(std::string_view stream, const Limits& limits = {}) {
  return History(stream, {}, limits);
}

std::vector<size_t> EveryByte(std::string_view stream) {
  std::vector<size_t> cuts;
  for (size_t i = 0; i <= stream.size(); i++) cuts.push_back(i);
  return cuts;
}

struct Case {
  std::string stream;
  std::string history;
};

// Agreed with redis-server; the exceptions have a test of their own below.
const Case kCases[] = {
    {"*1\r\n$4\r\nPING\r\n", "<PING>\nmore"},
    {"PING\r\nPING\n", "<PING>\n<PING>\nmore"},
    {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n", "<ECHO><>\n<PING>\nmore"},
    {"\r\n\n   \r\n*0\r\n*-1\r\n*-9999999999999\r\nPING\r\n", "<PING>\nmore"},
    {"*1\r\n$4\r\nPINGxxPING\r\n", "<PING>\n<PING>\nmore"},
    {"*1\r\n$4\r\nPI\r\n\r\n", "<PI\r\n>\nmore"},
    {"*1\rx$4\ryPING\r\n", "<PING>\nmore"},
    {"ECHO \"\\x41\\n\"  'b c'\tx\r\n", "<ECHO><A\n><b c><x>\nmore"},
    {"\"\"\r\n", "<>\nmore"},
    {"*1\r", "more"},
    {"*1\r\n$4\r\nPING\r", "more"},
    {"*2\r\n$4\r\nPING\r\n", "more"},
    {"*1\r\nx", "more"},
    {"*\r\n", "error: Protocol error: invalid multibulk length"},
    {"*a\r\n", "error: Protocol error: invalid multibulk length"},
    {"*-0\r\n", "error: Protocol error: invalid multibulk length"},
    {"*01\r\n", "error: Protocol error: invalid multibulk length"},
    {"*+1\r\n", "error: Protocol error: invalid multibulk length"},
    {"* 1\r\n", "error: Protocol error: invalid multibulk length"},
    {"*2147483648\r\n", "error: Protocol error: invalid multibulk length"},
    {"*99999999999999999999\r\n", "error: Protocol error: invalid multibulk length"},
    {"*2\n\n$4\r\nECHO\r\n$0\r\n\r\n", "error: Protocol error: invalid multibulk length"},
    {"*1\r\n$a\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\n$\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\n$-1\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\n$-0\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\n$4\nxPING\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\n$536870913\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\n$9223372036854775808\r\n", "error: Protocol error: invalid bulk length"},
    {"*1\r\nxing\r\n", "error: Protocol error: expected '$', got 'x'"},
    {"*1\r\n:1\r\n", "error: Protocol error: expected '$', got ':'"},
    {"*1\r\n\xff\r\n", "error: Protocol error: expected '$', got '\xff'"},
    {"*1\r\n\r\n$4\r\nPING\r\n", "error: Protocol error: expected '$', got '\r'"},
    {"set \"a\r\n", "error: Protocol error: unbalanced quotes in request"},
    {"set 'a\r\n", "error: Protocol error: unbalanced quotes in request"},
    {"\"a\"b\r\n", "error: Protocol error: unbalanced quotes in request"},
    {"*1\r\n$4\r\nPING\r\n*x\r\n", "<PING>\nerror: Protocol error: invalid multibulk length"},
};

}  // namespace

TEST_CASE("requests mean what they mean to Redis") {
  for (const Case& c : kCases) {
    CAPTURE(c.stream);
    CHECK(Whole(c.stream) == c.history);
  }
}

TEST_CASE("every split of every request at each byte gives the same result") {
  for (const Case& c : kCases) {
    CAPTURE(c.stream);
    CHECK(History(c.stream, EveryByte(c.stream)) == c.history);
    for (size_t first = 0; first <= c.stream.size(); first++) {
      CAPTURE(first);
      CHECK(History(c.stream, {first}) == c.history);
      for (size_t second = first; second <= c.stream.size(); second++) {
        REQUIRE(History(c.stream, {first, second}) == c.history);
      }
    }
  }
}

TEST_CASE("a NUL in a line is an error at once or a byte of an inline argument") {
  using std::string_literals::operator""s;
  CHECK(Whole("*1\0\r\n"s) == "error: Protocol error: invalid multibulk length");
  CHECK(Whole("*1\r\n$4\0\r\n"s) == "error: Protocol error: invalid bulk length");
  CHECK(Whole("*1\r\n\0\r\n"s) == "error: Protocol error: expected '$', got '\0'"s);
  CHECK(Whole("ECHO a\0b\r\nPING\r\n"s) == "<ECHO><a\0b>\n<PING>\nmore"s);
}

TEST_CASE("arguments carry any byte") {
  std::string bytes;
  for (int c = 0; c < 256; c++) bytes.push_back(static_cast<char>(c));
  const std::string stream = "*2\r\n$3\r\nGET\r\n$256\r\n" + bytes + "\r\n";
  CHECK(Whole(stream) == "<GET><" + bytes + ">\nmore");
  CHECK(History(stream, EveryByte(stream)) == "<GET><" + bytes + ">\nmore");
}

TEST_CASE("a line longer than 64 KiB is refused however it arrives") {
  const std::string most(65536, '1');
  const std::string tail = most + '1';
  CHECK(Whole("*" + most.substr(1)) == "more");
  CHECK(Whole("*" + most) == "error: Protocol error: too big mbulk count string");
  CHECK(Whole("*" + most + "\r\n") == "error: Protocol error: too big mbulk count string");
  CHECK(Whole("*1\r\n$" + most.substr(1)) == "more");
  CHECK(Whole("*1\r\n$" + most) == "error: Protocol error: too big bulk count string");
  CHECK(Whole(most) == "more");
  CHECK(Whole(most + "\n") == "<" + most + ">\nmore");
  CHECK(Whole(tail) == "error: Protocol error: too big inline request");
  CHECK(Whole(tail + "\r\n") == "error: Protocol error: too big inline request");
  CHECK(History(tail + "\r\n", {100, 65536, 65537}) ==
        "error: Protocol error: too big inline request");
}

TEST_CASE("announced counts and lengths are checked before they are believed") {
  CHECK(Whole("*1048576\r\n") == "more");
  CHECK(Whole("*1048577\r\n") == "error: Protocol error: invalid multibulk length");
  CHECK(Whole("*1\r\n$536870912\r\n") == "more");
  Limits limits;
  limits.max_bulk_length = 10;
  CHECK(Whole("*1\r\n$11\r\n", limits) == "error: Protocol error: invalid bulk length");
  CHECK(Whole("*1\r\n$10\r\n0123456789\r\n", limits) == "<0123456789>\nmore");
  limits.max_bulk_length = ~size_t{0};
  CHECK(Whole("*1\r\n$9223372036854775807\r\nabc", limits) == "more");
}

TEST_CASE("a client that has not authenticated may say little") {
  const Limits& limits = kUnauthenticatedLimits;
  CHECK(Whole("*10\r\n", limits) == "more");
  CHECK(Whole("*11\r\n", limits) == "error: Protocol error: unauthenticated multibulk length");
  CHECK(Whole("*1\r\n$16384\r\n", limits) == "more");
  CHECK(Whole("*1\r\n$16385\r\n", limits) == "error: Protocol error: unauthenticated bulk length");
  CHECK(Whole("*1\r\n$536870913\r\n", limits) == "error: Protocol error: invalid bulk length");
}

TEST_CASE("limits that change between commands hold from the next length on") {
  RequestParser parser(kUnauthenticatedLimits);
  CHECK(parser.Next("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n") == Outcome::kCommand);
  parser.set_limits({});
  CHECK(parser.Next("*11\r\n") == Outcome::kNeedMore);
}

TEST_CASE("a broken stream stays broken") {
  RequestParser parser;
  CHECK(parser.Next("*x\r\n") == Outcome::kError);
  CHECK(parser.Next("PING\r\n") == Outcome::kError);
  CHECK(parser.error() == "Protocol error: invalid multibulk length");
}

TEST_CASE("the bytes wanted are those that complete the argument") {
  RequestParser parser;
  std::string input = "*2\r\n$3\r\nSET\r\n$100";
  CHECK(parser.Next(input) == Outcome::kNeedMore);
  CHECK(parser.bytes_wanted() == 0);
  input += "\r\nabc";
  CHECK(parser.Next(input) == Outcome::kNeedMore);
  CHECK(parser.bytes_wanted() == 99);
  input += std::string(97, 'x') + "\r";
  CHECK(parser.Next(input) == Outcome::kNeedMore);
  CHECK(parser.bytes_wanted() == 1);
  input += "\n";
  CHECK(parser.Next(input) == Outcome::kCommand);
  CHECK(parser.consumed() == input.size());
  CHECK(parser.arguments()[1].size() == 100);
}

TEST_CASE("multibulk arguments are views into the input") {
  RequestParser parser;
  const std::string input = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  REQUIRE(parser.Next(input) == Outcome::kCommand);
  REQUIRE(parser.arguments().size() == 2);
  CHECK(parser.arguments()[1].data() == input.data() + input.find('k'));
}

TEST_CASE("a large value in small pieces costs linear time") {
  // Looking again at what was seen would make this 64 MB x 65,536 pieces.
  constexpr size_t kLength = size_t{64} << 20;
  constexpr size_t kPiece = 1024;
  const std::string input =
      "*1\r\n$" + std::to_string(kLength) + "\r\n" + std::string(kLength, 'v') + "\r\n";
  RequestParser parser;
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome = Outcome::kNeedMore;
  for (size_t received = 1; received < input.size(); received += kPiece) {
    outcome = parser.Next(std::string_view(input).substr(0, received));
    REQUIRE(outcome == Outcome::kNeedMore);
  }
  CHECK(parser.Next(input) == Outcome::kCommand);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("many arguments in small pieces cost linear time") {
  constexpr size_t kCount = 1 << 20;
  std::string input = "*" + std::to_string(kCount) + "\r\n";
  for (size_t i = 0; i < kCount; i++) input += "$1\r\na\r\n";
  RequestParser parser;
  const auto start = std::chrono::steady_clock::now();
  for (size_t received = 1; received < input.size(); received += 100) {
    REQUIRE(parser.Next(std::string_view(input).substr(0, received)) == Outcome::kNeedMore);
  }
  CHECK(parser.Next(input) == Outcome::kCommand);
  CHECK(parser.arguments().size() == kCount);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("random commands in random pieces come out as they went in") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto below = [&random](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  for (int round = 0; round < 200; round++) {
    std::string stream;
    std::string history;
    for (size_t command = below(20); command > 0; command--) {
      const size_t count = 1 + below(5);
      stream += "*" + std::to_string(count) + "\r\n";
      for (size_t i = 0; i < count; i++) {
        std::string argument(below(below(10) == 0 ? 5000 : 20), '\0');
        for (char& c : argument) c = static_cast<char>(below(256));
        stream += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
        history += "<" + argument + ">";
      }
      history += "\n";
    }
    std::vector<size_t> cuts;
    for (size_t at = below(50); at < stream.size(); at += below(300)) cuts.push_back(at);
    REQUIRE(History(stream, cuts) == history + "more");
  }
}

}  // namespace resp

TEST_CASE("a hint of a request is its name and first argument, or nothing") {
  std::string_view name;
  std::string_view argument;
  CHECK(resp::PeekRequest("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", &name, &argument));
  CHECK(name == "GET");
  CHECK(argument == "a");
  CHECK(resp::PeekRequest("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\n", &name, &argument));
  CHECK(argument.empty());
  const std::string whole = "*2\r\n$4\r\nINCR\r\n$3\r\nkey\r\n";
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(resp::PeekRequest(std::string_view(whole).substr(0, size), &name, &argument));
  }
  for (const char* other : {"GET a\r\n", "*1\r\n$4\r\nPING\r\n", "*-1\r\n", "*2\r\n$-1\r\n\r\n",
                            "*2\r\n$9999999999999999999999\r\n", "*2\r\n$3\r\nGET\r\n$100\r\na\r\n",
                            "*\r\n$", "*2\n$3\r\n", "**2\r\n"}) {
    CHECK_FALSE(resp::PeekRequest(other, &name, &argument));
  }
}
