// SPDX-License-Identifier: BSD-3-Clause
// The floating-point numbers of INCRBYFLOAT and its relatives: C's long double, so that sums of
// decimal fractions come out as people write them (0.1 + 0.2 is 0.3).
//
// Thread safety: pure functions.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace redis {

// The whole of `text` as C reads a number: decimal or hexadecimal, with an exponent, "inf".
// Absent for anything else: blanks, NaN, what is too large or too small to be told from 0.
std::optional<long double> ParseLongDouble(std::string_view text);

// At most 17 digits behind the point, without zeros at the end; never an exponent, never "-0".
// REQUIRES: `value` is finite
std::string FormatLongDouble(long double value);

}  // namespace redis
