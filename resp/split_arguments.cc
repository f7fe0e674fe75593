// SPDX-License-Identifier: BSD-3-Clause
// The quoting rules of inline requests, configuration lines and redis-cli.
//
//   1. Skip blanks (those of the C locale).
//   2. A token runs to a space, tab, CR or LF outside of quotes. Other blanks are part of it.
//   3. A quote may open anywhere in a token and closes it: a blank or the end must follow.

#include <charconv>

#include "resp/request_parser.h"

namespace resp {

namespace {

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool EndsToken(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

char Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Appends the escape that begins with the backslash at `line[at]`; returns the bytes it has.
// REQUIRES: a byte follows the backslash.
size_t AppendEscape(std::string_view line, size_t at, std::string* token) {
  const std::string_view rest = line.substr(at);
  if (rest.size() >= 4 && rest[1] == 'x' && IsHexDigit(rest[2]) && IsHexDigit(rest[3])) {
    unsigned char byte = 0;
    std::from_chars(rest.data() + 2, rest.data() + 4, byte, 16);
    token->push_back(static_cast<char>(byte));
    return 4;
  }
  token->push_back(Unescape(rest[1]));
  return 2;
}

// Appends what the quote at line[*at] encloses, and moves *at behind the closing quote.
bool ReadQuoted(std::string_view line, size_t* at, std::string* token) {
  const char quote = line[*at];
  size_t i = *at + 1;
  while (i < line.size() && line[i] != quote) {
    const bool escape = line[i] == '\\' && i + 1 < line.size();
    if (escape && quote == '"') {
      i += AppendEscape(line, i, token);
    } else if (escape && line[i + 1] == '\'') {
      token->push_back('\'');
      i += 2;
    } else {
      token->push_back(line[i++]);
    }
  }
  if (i == line.size()) return false;
  *at = i + 1;
  return *at == line.size() || IsBlank(line[*at]);
}

}  // namespace

bool SplitArguments(std::string_view line, std::vector<std::string>* arguments) {
  size_t i = 0;
  while (true) {
    while (i < line.size() && IsBlank(line[i])) i++;
    if (i == line.size()) return true;
    std::string token;
    while (i < line.size() && !EndsToken(line[i])) {
      if (line[i] == '"' || line[i] == '\'') {
        if (!ReadQuoted(line, &i, &token)) return false;
        break;
      }
      token.push_back(line[i++]);
    }
    arguments->push_back(std::move(token));
  }
}

}  // namespace resp
