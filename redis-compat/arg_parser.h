// SPDX-License-Identifier: BSD-3-Clause
// ArgParser walks over a command's arguments and remembers the first thing that is wrong with them,
// so that a handler asks once, at the end:
//
//   ArgParser parser(context.args, 2);
//   while (parser.More()) {
//     if (parser.Take("COUNT", 1)) options.count = parser.Integer();
//     else parser.Fail(errors::kSyntax);
//   }
//   if (parser.ReplyError(context.reply)) return lsm::Status::Ok();
//
// After an error More() is false and values are zero or empty.
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "redis-compat/errors.h"
#include "redis-compat/letters.h"
#include "resp/integer.h"
#include "resp/reply_writer.h"

namespace redis {

class ArgParser {
 public:
  ArgParser(std::span<const std::string_view> args, size_t first) : args_(args), next_(first) {}

  bool More() const { return error_.empty() && next_ < args_.size(); }

  // Consumes the next argument if it is `name` in any case and at least `values` more follow.
  bool Take(std::string_view name, size_t values = 0) {
    if (!More() || args_.size() - next_ - 1 < values) return false;
    if (!EqualsIgnoringCase(args_[next_], name)) return false;
    ++next_;
    return true;
  }
  std::string_view Peek() const { return More() ? args_[next_] : std::string_view(); }
  std::string_view Text() {
    if (!More()) return Missing();
    return args_[next_++];
  }
  int64_t Integer() {
    int64_t value = 0;
    if (!resp::ParseInteger(Text(), &value)) Fail(errors::kNotInteger);
    return value;
  }

  // The error's text begins with its code. The first one stays.
  void Fail(std::string_view error) {
    if (error_.empty()) error_ = error;
  }
  // Replies the error if there is one.
  bool ReplyError(resp::ReplyWriter& reply) const {
    if (error_.empty()) return false;
    reply.Error(error_);
    return true;
  }

 private:
  std::string_view Missing() {
    Fail(errors::kSyntax);
    return {};
  }

  const std::span<const std::string_view> args_;
  size_t next_;
  std::string error_;
};

}  // namespace redis
