// SPDX-License-Identifier: BSD-3-Clause
#include "resp/integer.h"

#include <doctest/doctest.h>

#include <limits>

namespace resp {

TEST_CASE("an integer has exactly one spelling") {
  int64_t value = 0;
  CHECK(ParseInteger("0", &value));
  CHECK(value == 0);
  CHECK(ParseInteger("-1", &value));
  CHECK(value == -1);
  CHECK(ParseInteger("9223372036854775807", &value));
  CHECK(value == std::numeric_limits<int64_t>::max());
  CHECK(ParseInteger("-9223372036854775808", &value));
  CHECK(value == std::numeric_limits<int64_t>::min());
  for (const char* text :
       {"", "-", "+1", "01", "-01", "-0", "00", " 1", "1 ", "1a", "a", "0x1", "1.0", "--1",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseInteger(text, &value));
  }
  CHECK_FALSE(ParseInteger(std::string_view("1\0", 2), &value));
}

}  // namespace resp
