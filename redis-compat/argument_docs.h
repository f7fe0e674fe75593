// SPDX-License-Identifier: BSD-3-Clause
// The arguments of a command, as COMMAND DOCS answers them, written as one line of text:
//
//   name:type            key:key, value:string, count:integer
//   TOKEN=name:type      MATCH=pattern:pattern
//   name!TOKEN           a token alone: nx!NX
//   name(a|b)            one of
//   name{a b}            all of, in this order
//   [argument]           optional
//   argument...          one or more
//   argument...*         the same, each with the token
//   argument@1.2.3       since
//   argument@!1.2.3      deprecated since
//
// "..." and "@" follow what they belong to, inside of the brackets.
//
// Thread safety: pure functions.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace redis {

struct ArgumentDoc {
  std::string_view name;
  std::string_view type;  // as COMMAND DOCS names it: "key", "pure-token", "oneof", "block", ...
  std::string_view token;
  std::string_view since;
  std::string_view deprecated_since;
  bool optional = false;
  bool multiple = false;
  bool multiple_token = false;
  std::vector<ArgumentDoc> arguments;  // of oneof and block
};

// False if the text is not of that form. The result's views point into it.
bool ParseArgumentDocs(std::string_view text, std::vector<ArgumentDoc>* arguments);

}  // namespace redis
