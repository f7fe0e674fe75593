// SPDX-License-Identifier: BSD-3-Clause
// How CONFIG REWRITE changes the text of a configuration file and writes it.
//
// Thread safety: pure functions, but for ReplaceFile.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"
#include "redis-compat/config_table.h"

namespace redis {

// What a file is to say about a directive: `value` as CONFIG GET prints it.
struct DirectiveValue {
  const Directive* directive;
  std::string value;
};

// The lines that set the directive, without line feeds. Quoted so that loading them gives the value
// whatever bytes it has, and nothing else.
std::vector<std::string> LinesOf(const DirectiveValue& wanted);

// Each directive that the text names gets its value where it is named first; what else the text
// says about it goes. The other lines stay as they are, to the byte, and so does what `text` does
// not name.
std::string ReplaceDirectives(std::string_view text, const std::vector<DirectiveValue>& wanted);

// Says the values at the end, below a comment that says where they are from; it is there once.
std::string AppendDirectives(std::string_view text, const std::vector<DirectiveValue>& wanted);

// The file has either its old bytes or the new ones, whatever happens meanwhile, and keeps its mode
// and, where the system lets us, its owner. A symbolic link stays one. The message of a failure is
// the system's.
lsm::Status ReplaceFile(const std::string& path, std::string_view text);

}  // namespace redis
