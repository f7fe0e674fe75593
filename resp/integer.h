// SPDX-License-Identifier: BSD-3-Clause
// Decimal integers as the protocol and Redis's commands accept them.
//
// Thread safety: pure functions.

#pragma once

#include <cstdint>
#include <string_view>

namespace resp {

// True if `text` is the one way to write an integer of 64 bits: digits without leading zeros, a
// minus sign if it is negative, and nothing else ("-0", "+1", "01" and " 1" are refused).
bool ParseInteger(std::string_view text, int64_t* value);

}  // namespace resp
