// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/argument_docs.h"

#include <algorithm>

namespace redis {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // Arguments with `separator` between them, up to the end of the text or a closing bracket.
  bool ParseList(char separator, std::vector<ArgumentDoc>* arguments) {
    if (text_.empty()) return true;
    for (;;) {
      ArgumentDoc argument;
      if (!ParseArgument(&argument)) return false;
      arguments->push_back(std::move(argument));
      if (!Skip(separator)) return true;
    }
  }
  bool AtEnd() const { return text_.empty(); }

 private:
  bool Skip(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view TakeUntil(std::string_view stops) {
    const std::string_view word = text_.substr(0, text_.find_first_of(stops));
    text_.remove_prefix(word.size());
    return word;
  }

  bool ParseArgument(ArgumentDoc* argument) {
    if (Skip('[')) {
      argument->optional = true;
      return ParseBody(argument) && Skip(']');
    }
    return ParseBody(argument);
  }

  bool ParseBody(ArgumentDoc* argument) {
    argument->name = TakeUntil("=!({: |)}]");
    if (Skip('=')) {
      argument->token = argument->name;
      argument->name = TakeUntil("!({: |)}]");
    }
    return !argument->name.empty() && ParseType(argument) && ParseSuffixes(argument);
  }

  bool ParseType(ArgumentDoc* argument) {
    if (Skip('!')) {
      argument->type = "pure-token";
      argument->token = TakeUntil(" |)}]@.");
      return !argument->token.empty();
    }
    if (Skip('(')) {
      argument->type = "oneof";
      return ParseList('|', &argument->arguments) && Skip(')');
    }
    if (Skip('{')) {
      argument->type = "block";
      return ParseList(' ', &argument->arguments) && Skip('}');
    }
    if (!Skip(':')) return false;
    argument->type = TakeUntil(" |)}]@.");
    return !argument->type.empty();
  }

  bool ParseSuffixes(ArgumentDoc* argument) {
    while (Skip('@')) {
      std::string_view* const version = Skip('!') ? &argument->deprecated_since : &argument->since;
      const size_t end = std::min(text_.find_first_not_of("0123456789."), text_.size());
      *version = text_.substr(0, end);
      text_.remove_prefix(end);
      if (version->empty()) return false;
    }
    if (text_.starts_with("...")) {
      argument->multiple = true;
      text_.remove_prefix(3);
      argument->multiple_token = Skip('*');
    }
    return true;
  }

  std::string_view text_;
};

}  // namespace

bool ParseArgumentDocs(std::string_view text, std::vector<ArgumentDoc>* arguments) {
  Parser parser(text);
  return parser.ParseList(' ', arguments) && parser.AtEnd();
}

}  // namespace redis
