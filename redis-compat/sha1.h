// SPDX-License-Identifier: BSD-3-Clause
// SHA-1, for DEBUG DIGEST and other places where Redis uses it. Not for secrets.
//
// Thread safety: pure functions.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace redis {

using Sha1Digest = std::array<uint8_t, 20>;

Sha1Digest Sha1(std::string_view bytes);
// 40 lower-case hex digits.
std::string ToHex(const Sha1Digest& digest);

}  // namespace redis
