// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/help_text.h"

#include <fmt/format.h>

namespace redis {

void ReplyHelp(resp::ReplyWriter* reply, std::string_view container,
               std::initializer_list<std::string_view> lines) {
  reply->Array(lines.size() + 3);
  reply->Simple(
      fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container));
  bool is_usage = true;
  for (const std::string_view line : lines) {
    reply->Simple(is_usage ? std::string(line) : fmt::format("    {}", line));
    is_usage = !is_usage;
  }
  reply->Simple("HELP");
  reply->Simple("    Prints this help.");
}

}  // namespace redis
