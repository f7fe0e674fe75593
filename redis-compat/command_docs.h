// SPDX-License-Identifier: BSD-3-Clause
// What COMMAND DOCS and the tips of COMMAND INFO say about each row of the command table.
//
// Thread safety: constants.

#pragma once

#include <span>
#include <string_view>

namespace redis {

struct CommandDoc {
  std::string_view name;
  std::string_view since;  // the version of Redis
  std::string_view summary;
  std::string_view complexity;
  std::string_view arguments = {};         // see argument_docs.h
  std::string_view tips = {};              // separated by blanks
  std::string_view deprecated_since = {};  // with what replaces it
  std::string_view replaced_by = {};
  bool system_command = false;
};

std::span<const CommandDoc> AllCommandDocs();
// Null if there is none. REQUIRES: `name` is a row's name
const CommandDoc* FindCommandDoc(std::string_view name);

}  // namespace redis
