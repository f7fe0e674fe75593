// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/command_line.h"

#include <fmt/format.h>
#include <strings.h>

#include "resp/request_parser.h"

namespace redis {
namespace {

bool IsName(const std::string& argument) { return argument.starts_with("--"); }

// In double quotes, with what SplitArguments reads back.
std::string Quote(const std::string& argument) {
  std::string quoted = "\"";
  for (const char c : argument) {
    switch (c) {
      case '\\':
      case '"':
        quoted += '\\';
        quoted += c;
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\a':
        quoted += "\\a";
        break;
      case '\b':
        quoted += "\\b";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          quoted += c;
        } else {
          quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  return quoted + '"';
}

}  // namespace

CommandLine ParseCommandLine(const std::vector<std::string>& arguments) {
  // 1. A first argument without a dash is the file; "-" may follow it.
  // 2. A name begins a line, values follow it on that line. A value may look like a name if it
  //    follows a name that still has none.
  // 3. "--save" without a value means --save "".
  CommandLine line;
  size_t i = 0;
  if (i < arguments.size() && !arguments[i].starts_with('-')) line.file = arguments[i++];
  if (i < arguments.size() && arguments[i] == "-") {
    line.reads_stdin = true;
    ++i;
  } else if (!arguments.empty() && arguments.back() == "-") {
    line.reads_stdin = true;
  }
  const size_t end = arguments.size() - (line.reads_stdin && arguments.back() == "-" ? 1 : 0);

  bool name_has_value = true;
  for (; i < end; ++i) {
    const std::string& argument = arguments[i];
    if (!IsName(argument) || !name_has_value) {
      line.directives += Quote(argument) + ' ';
      name_has_value = true;
      continue;
    }
    if (!line.directives.empty()) line.directives += '\n';
    line.directives += argument.substr(2) + ' ';
    std::vector<std::string> words;
    name_has_value = resp::SplitArguments(argument, &words) && words.size() > 1;
    const bool value_follows = i + 1 < end && !IsName(arguments[i + 1]);
    if (strcasecmp(argument.c_str(), "--save") == 0 && !value_follows) {
      line.directives += "\"\"";
      name_has_value = true;
    }
  }
  return line;
}

}  // namespace redis
