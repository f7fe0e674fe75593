// SPDX-License-Identifier: BSD-3-Clause
// What clients are called and how CLIENT LIST describes them.
//
// Thread safety: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "redis-compat/letters.h"
#include "redis-compat/session.h"

namespace redis {

// Whether a client's name, or its library's, has only characters from '!' to '~'. Empty is fine.
bool IsPrintableWord(std::string_view text);

// One line of CLIENT LIST without its end. What is not known here is left out.
std::string DescribeClient(const Session& session, int64_t now_ms);

}  // namespace redis
