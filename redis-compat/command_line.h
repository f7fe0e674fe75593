// SPDX-License-Identifier: BSD-3-Clause
// The server's command line as lines of a configuration file.
//
// Thread safety: pure functions.

#pragma once

#include <string>
#include <vector>

namespace redis {

struct CommandLine {
  std::string file;          // empty if none is named
  bool reads_stdin = false;  // "-" was given
  std::string directives;    // "--port 0 --save ''" as lines of redis.conf
};

// `arguments` are those after the program's name:
//   [file] [-] [--name [value ...]] ...
CommandLine ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace redis
