// SPDX-License-Identifier: BSD-3-Clause
// The timeouts of commands that wait.
//
// Thread safety: pure functions.

#pragma once

#include <cstdint>
#include <string_view>

#include "resp/integer.h"
#include "resp/reply_writer.h"

namespace redis {

// Milliseconds, 0 included. False after an error was replied.
inline bool ParseTimeout(std::string_view text, int64_t now_ms, resp::ReplyWriter* reply,
                         int64_t* milliseconds) {
  if (!resp::ParseInteger(text, milliseconds)) {
    reply->Error("ERR timeout is not an integer or out of range");
  } else if (*milliseconds < 0) {
    reply->Error("ERR timeout is negative");
  } else if (*milliseconds > INT64_MAX - now_ms) {
    reply->Error("ERR timeout is out of range");
  } else {
    return true;
  }
  return false;
}

}  // namespace redis
