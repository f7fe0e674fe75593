// SPDX-License-Identifier: BSD-3-Clause
#include "resp/reply_writer.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstdlib>
#include <limits>
#include <random>

namespace resp {

namespace {

template <typename Write>
std::string Written(Version version, Write write) {
  std::string out;
  ReplyWriter writer(&out, version);
  write(writer);
  return out;
}

// The same call in both versions.
template <typename Write>
void CheckBoth(const std::string& resp2, const std::string& resp3, Write write) {
  CHECK(Written(Version::kResp2, write) == resp2);
  CHECK(Written(Version::kResp3, write) == resp3);
}

std::string Text(double value) {
  std::string text;
  AppendDouble(value, &text);
  return text;
}

}  // namespace

TEST_CASE("types that both versions have are written alike") {
  const auto both = [](const std::string& bytes, auto write) { CheckBoth(bytes, bytes, write); };
  both("+OK\r\n", [](ReplyWriter& w) { w.Ok(); });
  both("+PONG\r\n", [](ReplyWriter& w) { w.Simple("PONG"); });
  both("-ERR no\r\n", [](ReplyWriter& w) { w.Error("ERR no"); });
  both(":-9223372036854775808\r\n",
       [](ReplyWriter& w) { w.Integer(std::numeric_limits<int64_t>::min()); });
  both("$0\r\n\r\n", [](ReplyWriter& w) { w.Bulk(""); });
  both("$4\r\na\r\nb\r\n", [](ReplyWriter& w) { w.Bulk("a\r\nb"); });
  both("$3\r\n-12\r\n", [](ReplyWriter& w) { w.BulkInteger(-12); });
  both("*2\r\n", [](ReplyWriter& w) { w.Array(2); });
}

TEST_CASE("types that only RESP3 has take Redis's form in RESP2") {
  CheckBoth("$-1\r\n", "_\r\n", [](ReplyWriter& w) { w.Null(); });
  CheckBoth("*-1\r\n", "_\r\n", [](ReplyWriter& w) { w.NullArray(); });
  CheckBoth(":1\r\n", "#t\r\n", [](ReplyWriter& w) { w.Boolean(true); });
  CheckBoth(":0\r\n", "#f\r\n", [](ReplyWriter& w) { w.Boolean(false); });
  CheckBoth("$3\r\n1.5\r\n", ",1.5\r\n", [](ReplyWriter& w) { w.Double(1.5); });
  CheckBoth("$3\r\ninf\r\n", ",inf\r\n",
            [](ReplyWriter& w) { w.Double(std::numeric_limits<double>::infinity()); });
  CheckBoth("$3\r\n123\r\n", "(123\r\n", [](ReplyWriter& w) { w.BigNumber("123"); });
  CheckBoth("$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n", [](ReplyWriter& w) { w.Verbatim("txt", "hi"); });
  CheckBoth("*4\r\n", "%2\r\n", [](ReplyWriter& w) { w.Map(2); });
  CheckBoth("*2\r\n", "~2\r\n", [](ReplyWriter& w) { w.Set(2); });
  CheckBoth("*3\r\n", ">3\r\n", [](ReplyWriter& w) { w.Push(3); });
  CheckBoth("", "|1\r\n", [](ReplyWriter& w) { w.Attribute(1); });
}

TEST_CASE("a line of text stays one line") {
  CheckBoth("-ERR a  b c\r\n", "-ERR a  b c\r\n", [](ReplyWriter& w) { w.Error("ERR a\r\nb\nc"); });
  CheckBoth("-ERR  a\r\n", "-ERR  a\r\n", [](ReplyWriter& w) { w.Error("ERR \na\r\n\n"); });
  CheckBoth("+a b\r\n", "+a b\r\n", [](ReplyWriter& w) { w.Simple("a\rb"); });
}

TEST_CASE("replies are appended, and the version may change between them") {
  std::string out = "x";
  ReplyWriter writer(&out, Version::kResp2);
  writer.Null();
  writer.set_version(Version::kResp3);
  writer.Null();
  CHECK(writer.version() == Version::kResp3);
  CHECK(out == "x$-1\r\n_\r\n");
}

TEST_CASE("doubles are written in the shortest form and in Redis's layout") {
  CHECK(Text(0) == "0");
  CHECK(Text(-0.0) == "-0");
  CHECK(Text(1) == "1");
  CHECK(Text(-1.5) == "-1.5");
  CHECK(Text(0.1) == "0.1");
  CHECK(Text(3.0000000000000004) == "3.0000000000000004");
  CHECK(Text(1.0 / 3) == "0.3333333333333333");
  CHECK(Text(100000) == "100000");
  CHECK(Text(4611686018427387904.0) == "4611686018427387904");
  CHECK(Text(-4611686018427387904.0) == "-4611686018427387904");
  CHECK(Text(9223372036854775808.0) == "9223372036854776000");
  CHECK(Text(1e20) == "1e+20");
  CHECK(Text(1e21) == "1e+21");
  CHECK(Text(1.5e300) == "1.5e+300");
  CHECK(Text(0.000001) == "0.000001");
  CHECK(Text(0.0000001) == "1e-7");
  CHECK(Text(0.00012345) == "1.2345e-4");
  CHECK(Text(0.0012345) == "0.0012345");
  CHECK(Text(0.012345678901) == "0.012345678901");
  CHECK(Text(123456789.123) == "123456789.123");
  CHECK(Text(5e-324) == "5e-324");
  CHECK(Text(1.7976931348623157e308) == "1.7976931348623157e+308");
  CHECK(Text(-1e-5) == "-0.00001");
  CHECK(Text(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(Text(-std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("a double reads back as the same value") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200000; round++) {
    const double value = std::bit_cast<double>(random());
    if (value != value) continue;
    const std::string text = Text(value);
    CAPTURE(text);
    REQUIRE(std::strtod(text.c_str(), nullptr) == value);
  }
}

}  // namespace resp
