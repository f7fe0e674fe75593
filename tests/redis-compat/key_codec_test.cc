// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/key_codec.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "lsm/random.h"
#include "tests/support/golden.h"

using redis::Encoding;
using redis::Header;
using redis::ValueType;

namespace {

// Appends a record's bytes and what they are.
class GoldenText {
 public:
  void Add(std::string_view bytes, const std::string& meaning) {
    bytes_.append(bytes);
    fields_.push_back({bytes.size(), meaning});
  }
  void Check(const std::string& name) const { support::CheckGolden(name, bytes_, fields_); }

 private:
  std::string bytes_;
  std::vector<support::GoldenField> fields_;
};

std::string Encoded(const Header& header) {
  std::string bytes;
  redis::EncodeHeader(header, &bytes);
  return bytes;
}

}  // namespace

TEST_CASE("keys have the bytes that ENCODING.md draws") {
  GoldenText text;
  std::string key;
  redis::EncodeUserKey("user:1", &key);
  text.Add(key, "'k', user key user:1");
  redis::EncodeUserKey("", &key);
  text.Add(key, "'k', the empty user key");
  redis::EncodeExpiryKey(0x0102030405060708, "a", &key);
  text.Add(key, "'x', be64 time 0x0102030405060708, user key a");
  redis::EncodeCursorPrefixKey(0x010203, &key);
  text.Add(key, "'p', be32 prefix id 0x010203");
  text.Add(redis::EncodeDatabaseKey(15), "'d', be32 database 15");
  text.Add(redis::kFormatRecord, "'s', format");
  text.Add(redis::kTimeRecord, "'s', time");
  text.Check("redis_keys.hex");
}

TEST_CASE("values have the bytes that ENCODING.md draws") {
  GoldenText text;
  text.Add(Encoded({.encoding = Encoding::kRaw, .expiry_ms = {}, .payload = "raw"}),
           "string, raw; no flags; raw");
  text.Add(Encoded({.encoding = Encoding::kInt, .expiry_ms = {}, .payload = "-42"}),
           "string, int; no flags; -42");
  text.Add(
      Encoded({.encoding = Encoding::kEmbstr, .expiry_ms = 0x0102030405060708, .payload = "v"}),
      "string, embstr; expires; le64 0x0102030405060708; v");
  text.Add(redis::EncodeFixed32(0x01020304), "le32 tree id, or format version");
  text.Add(redis::EncodeFixed64(0x0102030405060708), "le64 time");
  text.Check("redis_values.hex");
}

TEST_CASE("headers come back as they were stored") {
  for (const Encoding encoding : {Encoding::kRaw, Encoding::kInt, Encoding::kEmbstr}) {
    for (const std::optional<int64_t> expiry :
         {std::optional<int64_t>(), std::optional<int64_t>(1),
          std::optional<int64_t>(std::numeric_limits<int64_t>::max())}) {
      for (const std::string& payload :
           {std::string(), std::string("12"), std::string(999, '\0')}) {
        const std::string bytes =
            Encoded({.encoding = encoding, .expiry_ms = expiry, .payload = payload});
        const lsm::Result<Header> header = redis::DecodeHeader(bytes);
        REQUIRE(header.ok());
        CHECK(header.value().type == ValueType::kString);
        CHECK(header.value().encoding == encoding);
        CHECK(header.value().expiry_ms == expiry);
        CHECK(header.value().payload == payload);
      }
    }
  }
}

TEST_CASE("headers with unknown types, encodings or flags, and short ones, are corruption") {
  const std::string good = Encoded({.encoding = Encoding::kRaw, .expiry_ms = 5, .payload = ""});
  REQUIRE(redis::DecodeHeader(good).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(redis::DecodeHeader(good.substr(0, size)).status().IsCorruption());
  }
  for (int first = 0; first < 256; ++first) {
    const std::string bytes{static_cast<char>(first), '\0'};
    CHECK(redis::DecodeHeader(bytes).ok() == (first == 0x00 || first == 0x10 || first == 0x20));
  }
  for (int flags = 2; flags < 256; ++flags) {
    const std::string bytes = std::string{'\0', static_cast<char>(flags)} + "12345678";
    CHECK_FALSE(redis::DecodeHeader(bytes).ok());
  }
}

TEST_CASE("the expiry index sorts by time, then by key") {
  const uint64_t seed = 7;
  CAPTURE(seed);
  lsm::Random random(seed);
  for (int i = 0; i < 1000; ++i) {
    const auto a = static_cast<int64_t>(random.Next64() >> (1 + random.Uniform(62)));
    const auto b = static_cast<int64_t>(random.Next64() >> (1 + random.Uniform(62)));
    std::string first;
    std::string second;
    redis::EncodeExpiryKey(a, "z", &first);
    redis::EncodeExpiryKey(b, "a", &second);
    CHECK((first < second) == (a < b));
    const auto view = redis::DecodeExpiryKey(first);
    REQUIRE(view.ok());
    CHECK(view.value().time_ms == a);
    CHECK(view.value().key == "z");
  }
}

TEST_CASE("keys that were not made here are corruption") {
  CHECK_FALSE(redis::DecodeExpiryKey("").ok());
  CHECK_FALSE(redis::DecodeExpiryKey("x1234567").ok());
  CHECK_FALSE(redis::DecodeExpiryKey("k12345678").ok());
  CHECK_FALSE(redis::DecodeExpiryKey("x\xff\xff\xff\xff\xff\xff\xff\xff").ok());
  CHECK_FALSE(redis::DecodeCursorPrefixKey("p123").ok());
  CHECK_FALSE(redis::DecodeCursorPrefixKey("p12345").ok());
  CHECK_FALSE(redis::DecodeDatabaseKey("d123").ok());
  CHECK_FALSE(redis::DecodeDatabaseKey("s1234").ok());
  CHECK_FALSE(redis::DecodeFixed32("12345", "record").ok());
  CHECK_FALSE(redis::DecodeFixed64("1234567", "record").ok());
}

TEST_CASE("a string's encoding is Redis's: int, embstr up to 44 bytes, raw") {
  CHECK(redis::EncodingOfString("0") == Encoding::kInt);
  CHECK(redis::EncodingOfString("-9223372036854775808") == Encoding::kInt);
  CHECK(redis::EncodingOfString("9223372036854775807") == Encoding::kInt);
  CHECK(redis::EncodingOfString("9223372036854775808") == Encoding::kEmbstr);
  CHECK(redis::EncodingOfString("007") == Encoding::kEmbstr);
  CHECK(redis::EncodingOfString("-0") == Encoding::kEmbstr);
  CHECK(redis::EncodingOfString("+1") == Encoding::kEmbstr);
  CHECK(redis::EncodingOfString("") == Encoding::kEmbstr);
  CHECK(redis::EncodingOfString(std::string(44, 'x')) == Encoding::kEmbstr);
  CHECK(redis::EncodingOfString(std::string(45, 'x')) == Encoding::kRaw);
}
