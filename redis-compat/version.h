// SPDX-License-Identifier: BSD-3-Clause
// What the server says it is.

#pragma once

#include <string_view>

namespace redis {

inline constexpr std::string_view kVarveVersion = "0.1.0";
// The version of Redis whose behaviour the commands follow.
inline constexpr std::string_view kRedisVersion = "7.2.5";

}  // namespace redis
