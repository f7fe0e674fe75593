// SPDX-License-Identifier: BSD-3-Clause
// The replies of the HELP subcommands.
//
// Thread safety: pure functions.

#pragma once

#include <initializer_list>
#include <string_view>

#include "resp/reply_writer.h"

namespace redis {

// An array of lines: how to call the container's subcommands, `lines` (pairs of usage and what it
// does), and HELP itself.
void ReplyHelp(resp::ReplyWriter* reply, std::string_view container,
               std::initializer_list<std::string_view> lines);

}  // namespace redis
