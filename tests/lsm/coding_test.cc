// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/coding.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"

namespace lsm {

TEST_CASE("a growing checksum is at each length what the checksum of so many bytes is") {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += static_cast<char>(i * 7 + i / 256);
  GrowingChecksum growing(12, 345);
  size_t size = 0;
  const std::vector<size_t> steps = {0, 1, 2, 13, 0, 112, 113, 500, 1024, 1};
  for (const size_t step : steps) {
    growing.Append(std::string_view(bytes).substr(size, step));
    size += step;
    CHECK(growing.Value() == Checksum(std::string_view(bytes).substr(0, size), 12, 345));
  }
}

TEST_CASE("varints of every length come back, and cut ones are refused") {
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint64_t value : {uint64_t{1} << shift, (uint64_t{1} << shift) - 1}) {
      std::string bytes;
      PutVarint64(&bytes, value);
      CHECK(bytes.size() == VarintLength(value));
      std::string_view input = bytes;
      uint64_t back = 0;
      REQUIRE(GetVarint64(&input, &back));
      CHECK(back == value);
      CHECK(input.empty());
      for (size_t n = 0; n < bytes.size(); ++n) {
        std::string_view cut = std::string_view(bytes).substr(0, n);
        CHECK_FALSE(GetVarint64(&cut, &back));
      }
    }
  }
}

TEST_CASE("a varint of more than 64 bits is refused") {
  uint64_t value;
  std::string_view too_long = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
  CHECK_FALSE(GetVarint64(&too_long, &value));
  std::string_view endless = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80";
  CHECK_FALSE(GetVarint64(&endless, &value));
  std::string wide;
  PutVarint64(&wide, uint64_t{1} << 32);
  std::string_view input = wide;
  uint32_t narrow;
  CHECK_FALSE(GetVarint32(&input, &narrow));
}

TEST_CASE("signed varints come back") {
  for (const int64_t value :
       {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-64}, int64_t{64},
        std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    std::string bytes;
    PutVarintSigned64(&bytes, value);
    std::string_view input = bytes;
    int64_t back = 0;
    REQUIRE(GetVarintSigned64(&input, &back));
    CHECK(back == value);
  }
}

TEST_CASE("a length prefix beyond the input is refused") {
  std::string bytes;
  PutLengthPrefixed(&bytes, "abc");
  std::string_view whole = bytes;
  std::string_view field;
  REQUIRE(GetLengthPrefixed(&whole, &field));
  CHECK(field == "abc");
  std::string_view cut = std::string_view(bytes).substr(0, 3);
  CHECK_FALSE(GetLengthPrefixed(&cut, &field));
}

TEST_CASE("file names are told apart from foreign ones") {
  uint64_t number = 0;
  CHECK(ParseFileName("CURRENT", &number) == FileKind::kCurrent);
  CHECK(ParseFileName("LOCK", &number) == FileKind::kLock);
  CHECK(ParseFileName("MANIFEST-000007", &number) == FileKind::kManifest);
  CHECK(number == 7);
  CHECK(ParseFileName("1234567.sst", &number) == FileKind::kSst);
  CHECK(number == 1234567);
  CHECK(ParseFileName("000003.wal", &number) == FileKind::kWal);
  CHECK(ParseFileName("CURRENT.tmp", &number) == FileKind::kTemporary);
  for (const char* name : {"", "3.wal", "00000x.sst", "MANIFEST-", "MANIFEST-12", "notes.txt",
                           "99999999999999999999999.sst", "dump.rdb"}) {
    CHECK(ParseFileName(name, &number) == FileKind::kForeign);
  }
}

}  // namespace lsm
