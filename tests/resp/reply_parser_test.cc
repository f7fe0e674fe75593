// SPDX-License-Identifier: BSD-3-Clause
#include "resp/reply_parser.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include "resp/reply_writer.h"

namespace resp {

namespace {

// "more", "error: text", or the reply as one line.
std::string Parsed(std::string_view input, size_t max_elements = 1024 * 1024) {
  // A copy of exactly this size, so that a sanitizer sees a read behind the end.
  const std::vector<char> bytes(input.begin(), input.end());
  Value value;
  size_t consumed = 0;
  std::string error;
  const ReplyOutcome outcome =
      ParseReply({bytes.data(), bytes.size()}, &value, &consumed, &error, max_elements);
  if (outcome == ReplyOutcome::kNeedMore) return "more";
  if (outcome == ReplyOutcome::kError) return "error: " + error;
  CHECK(consumed <= input.size());
  return value.ToString();
}

Value Scalar(Value::Type type, std::string text) {
  Value value;
  value.type = type;
  value.text = std::move(text);
  return value;
}

// Writes `value` in RESP3 and returns what a RESP2 client would make of it, as it is written there.
Value Write(const Value& value, ReplyWriter* writer3, ReplyWriter* writer2);

void WriteElements(const Value& value, Value* as_resp2, ReplyWriter* writer3,
                   ReplyWriter* writer2) {
  as_resp2->type = Value::Type::kArray;
  for (const Value& element : value.elements) {
    as_resp2->elements.push_back(Write(element, writer3, writer2));
  }
}

Value WriteText(const Value& value, ReplyWriter* writer3, ReplyWriter* writer2) {
  const auto both = [&](auto write) {
    write(writer3);
    write(writer2);
  };
  switch (value.type) {
    case Value::Type::kSimple:
      both([&](ReplyWriter* w) { w->Simple(value.text); });
      return value;
    case Value::Type::kError:
      both([&](ReplyWriter* w) { w->Error(value.text); });
      return value;
    case Value::Type::kBigNumber:
      both([&](ReplyWriter* w) { w->BigNumber(value.text); });
      return Scalar(Value::Type::kBulk, value.text);
    case Value::Type::kVerbatim:
      both([&](ReplyWriter* w) { w->Verbatim(value.format, value.text); });
      return Scalar(Value::Type::kBulk, value.text);
    default:
      both([&](ReplyWriter* w) { w->Bulk(value.text); });
      return value;
  }
}

Value Write(const Value& value, ReplyWriter* writer3, ReplyWriter* writer2) {
  const auto both = [&](auto write) {
    write(writer3);
    write(writer2);
  };
  Value as_resp2 = value;
  switch (value.type) {
    case Value::Type::kNull:
      both([](ReplyWriter* w) { w->Null(); });
      break;
    case Value::Type::kInteger:
      both([&](ReplyWriter* w) { w->Integer(value.integer); });
      break;
    case Value::Type::kBoolean:
      both([&](ReplyWriter* w) { w->Boolean(value.integer != 0); });
      as_resp2.type = Value::Type::kInteger;
      break;
    case Value::Type::kDouble: {
      both([&](ReplyWriter* w) { w->Double(value.number); });
      std::string text;
      AppendDouble(value.number, &text);
      as_resp2 = Scalar(Value::Type::kBulk, text);
      break;
    }
    case Value::Type::kArray:
      both([&](ReplyWriter* w) { w->Array(value.elements.size()); });
      break;
    case Value::Type::kSet:
      both([&](ReplyWriter* w) { w->Set(value.elements.size()); });
      break;
    case Value::Type::kPush:
      both([&](ReplyWriter* w) { w->Push(value.elements.size()); });
      break;
    case Value::Type::kMap:
      both([&](ReplyWriter* w) { w->Map(value.elements.size() / 2); });
      break;
    default:
      return WriteText(value, writer3, writer2);
  }
  if (value.type == Value::Type::kArray || value.type == Value::Type::kSet ||
      value.type == Value::Type::kPush || value.type == Value::Type::kMap) {
    as_resp2.elements.clear();
    WriteElements(value, &as_resp2, writer3, writer2);
  }
  return as_resp2;
}

Value RandomValue(std::mt19937_64* random, int depth) {
  static constexpr Value::Type kTypes[] = {
      Value::Type::kNull,     Value::Type::kSimple, Value::Type::kError,   Value::Type::kInteger,
      Value::Type::kBulk,     Value::Type::kDouble, Value::Type::kBoolean, Value::Type::kBigNumber,
      Value::Type::kVerbatim, Value::Type::kArray,  Value::Type::kMap,     Value::Type::kSet,
      Value::Type::kPush};
  Value value;
  value.type = kTypes[(*random)() % (depth > 4 ? 9 : std::size(kTypes))];
  switch (value.type) {
    case Value::Type::kInteger:
      value.integer = static_cast<int64_t>((*random)());
      break;
    case Value::Type::kBoolean:
      value.integer = static_cast<int64_t>((*random)() % 2);
      break;
    case Value::Type::kDouble:
      value.number =
          std::ldexp(static_cast<double>((*random)()), static_cast<int>((*random)() % 200) - 160);
      break;
    case Value::Type::kSimple:
    case Value::Type::kError:
      value.text = "some text";
      break;
    case Value::Type::kBigNumber:
      value.text = "-3492890328409238509324850943850943825024385";
      break;
    case Value::Type::kVerbatim:
      value.format = "txt";
      [[fallthrough]];
    case Value::Type::kBulk:
      for (size_t i = (*random)() % 30; i > 0; i--) {
        value.text.push_back(static_cast<char>((*random)()));
      }
      break;
    case Value::Type::kNull:
      break;
    default:
      for (size_t i = (*random)() % 4 * 2; i > 0; i--) {
        value.elements.push_back(RandomValue(random, depth + 1));
      }
  }
  return value;
}

}  // namespace

TEST_CASE("every type of both versions is decoded") {
  CHECK(Parsed("+OK\r\n") == "OK");
  CHECK(Parsed("-ERR no\r\n") == "(error) ERR no");
  CHECK(Parsed("!6\r\nERR no\r\n") == "(error) ERR no");
  CHECK(Parsed(":-12\r\n") == "(integer) -12");
  CHECK(Parsed("$3\r\na\nb\r\n") == "\"a\\nb\"");
  CHECK(Parsed("$-1\r\n") == "(nil)");
  CHECK(Parsed("*-1\r\n") == "(nil)");
  CHECK(Parsed("_\r\n") == "(nil)");
  CHECK(Parsed("#t\r\n") == "(true)");
  CHECK(Parsed(",1.5\r\n") == "(double) 1.5");
  CHECK(Parsed(",1e+20\r\n") == "(double) 1e+20");
  CHECK(Parsed(",-inf\r\n") == "(double) -inf");
  CHECK(Parsed(",nan\r\n") == "(double) nan");
  CHECK(Parsed("(123456789012345678901\r\n") == "(big number) 123456789012345678901");
  CHECK(Parsed("=6\r\ntxt:hi\r\n") == "txt:\"hi\"");
  CHECK(Parsed("*2\r\n:1\r\n*1\r\n$1\r\na\r\n") == "[(integer) 1, [\"a\"]]");
  CHECK(Parsed("%1\r\n+k\r\n~1\r\n:1\r\n") == "{k => ~[(integer) 1]}");
  CHECK(Parsed(">1\r\n+m\r\n") == ">[m]");
  CHECK(Parsed("|1\r\n+ttl\r\n:5\r\n+OK\r\n") == "|{ttl => (integer) 5}");
  CHECK(Parsed("*1\r\n|1\r\n+ttl\r\n:5\r\n+OK\r\n") == "[|{ttl => (integer) 5}, OK]");
}

TEST_CASE("a reply that ends early asks for more at every byte") {
  const std::string replies[] = {"*3\r\n:1\r\n$3\r\nabc\r\n%1\r\n+k\r\n,1.5\r\n", "$5\r\nhello\r\n",
                                 "=7\r\ntxt:abc\r\n", "|1\r\n+a\r\n+b\r\n"};
  for (const std::string& reply : replies) {
    for (size_t length = 0; length < reply.size(); length++) {
      CAPTURE(reply);
      CAPTURE(length);
      CHECK(Parsed(reply.substr(0, length)) == "more");
    }
    Value value;
    size_t consumed = 0;
    std::string error;
    CHECK(ParseReply(reply + "+next\r\n", &value, &consumed, &error) == ReplyOutcome::kReply);
    CHECK(consumed == reply.size());
  }
}

TEST_CASE("malformed replies are refused by name") {
  CHECK(Parsed("?\r\n") == "error: unknown type byte '?'");
  CHECK(Parsed(":1x\r\n") == "error: invalid integer");
  CHECK(Parsed("$-2\r\n") == "error: invalid length");
  CHECK(Parsed("=-1\r\n") == "error: invalid length");
  CHECK(Parsed("$99999999999\r\n") == "error: invalid length");
  CHECK(Parsed("$1\r\nabc") == "error: bytes without CRLF behind them");
  CHECK(Parsed("=3\r\nabc\r\n") == "error: invalid verbatim string");
  CHECK(Parsed("=4\r\nabcd\r\n") == "error: invalid verbatim string");
  CHECK(Parsed("*-2\r\n") == "error: invalid count");
  CHECK(Parsed("%-1\r\n") == "error: invalid count");
  CHECK(Parsed("*x\r\n") == "error: invalid count");
  CHECK(Parsed("#x\r\n") == "error: invalid boolean");
  CHECK(Parsed("_x\r\n") == "error: invalid null");
  CHECK(Parsed(",\r\n") == "error: invalid double");
  CHECK(Parsed(",infinity\r\n") == "error: invalid double");
  CHECK(Parsed(",1.5x\r\n") == "error: invalid double");
  CHECK(Parsed("(12a\r\n") == "error: invalid big number");
  CHECK(Parsed("+a\rb\r\n") == "error: CR without LF");
  CHECK(Parsed("*1\r\n?") == "error: unknown type byte '?'");
}

TEST_CASE("announced counts and depth are bounded") {
  CHECK(Parsed("*1048577\r\n") == "error: too many elements");
  CHECK(Parsed("*9223372036854775807\r\n") == "error: too many elements");
  CHECK(Parsed("%6\r\n", 10) == "error: too many elements");
  CHECK(Parsed("%5\r\n", 10) == "more");
  std::string nested;
  for (int i = 0; i < 64; i++) nested += "*1\r\n";
  CHECK(Parsed(nested) == "more");
  CHECK(Parsed(nested + ":1\r\n").find("(integer) 1") != std::string::npos);
  CHECK(Parsed(nested + "*0\r\n").find("[]") != std::string::npos);
  CHECK(Parsed(nested + "*1\r\n") == "error: nested too deep");
}

TEST_CASE("what is written is read back, in both versions") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5000; round++) {
    const Value value = RandomValue(&random, 0);
    std::string resp3;
    std::string resp2;
    ReplyWriter writer3(&resp3, Version::kResp3);
    ReplyWriter writer2(&resp2, Version::kResp2);
    const Value as_resp2 = Write(value, &writer3, &writer2);
    Value parsed;
    size_t consumed = 0;
    std::string error;
    REQUIRE(ParseReply(resp3, &parsed, &consumed, &error) == ReplyOutcome::kReply);
    REQUIRE(parsed.ToString() == value.ToString());
    REQUIRE(parsed == value);
    REQUIRE(consumed == resp3.size());
    REQUIRE(ParseReply(resp2, &parsed, &consumed, &error) == ReplyOutcome::kReply);
    REQUIRE(parsed.ToString() == as_resp2.ToString());
    REQUIRE(parsed == as_resp2);
    REQUIRE(consumed == resp2.size());
  }
}

TEST_CASE("random bytes never break the decoder") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  static constexpr std::string_view kBytes = "+-:_#,($!=*%~>|?\r\n\r\n\r\n0123456789abtfx";
  size_t replies = 0;
  for (int round = 0; round < 100000; round++) {
    std::string input;
    for (size_t i = random() % 40; i > 0; i--) input.push_back(kBytes[random() % kBytes.size()]);
    const std::string parsed = Parsed(input, 100);
    if (parsed != "more" && !parsed.starts_with("error: ")) replies++;
  }
  CHECK(replies > 0);
}

}  // namespace resp
