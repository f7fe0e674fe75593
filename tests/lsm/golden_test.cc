// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/golden.h"

#include <doctest/doctest.h>

#include <string>

namespace support {

TEST_CASE("a golden file reads back as the bytes it was written from") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::string text = FormatGolden("every byte", bytes, {{3, "three"}, {20, "twenty # more"}});
  std::string back;
  REQUIRE(ParseGolden(text, &back));
  CHECK(back == bytes);
}

TEST_CASE("a golden file that is not whole bytes of hex is refused") {
  std::string bytes;
  CHECK(ParseGolden("# only a comment", &bytes));
  CHECK(bytes.empty());
  CHECK(ParseGolden("00 ff# zero and all\n7f\n", &bytes));
  CHECK(bytes == std::string_view("\x00\xff\x7f", 3));
  for (const char* text : {"0", "00 1", "0 0", "0g", "00\t11", "FF", "0\n0", "0#\n0"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseGolden(text, &bytes));
  }
}

}  // namespace support
