// SPDX-License-Identifier: BSD-3-Clause
// RequestParser takes requests - multibulk or inline - out of a byte stream, a command at a time,
// without copying the arguments.
//
// The caller owns the bytes: it appends what it reads to its buffer, calls Next with all bytes that
// have not been consumed, executes the command whose arguments point into that buffer, and drops
// `consumed` bytes from the front. The parser remembers how far an incomplete command has been
// looked at, so that a large value that arrives in pieces is not scanned again.
//
// Thread safety: none. No I/O, no clock.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "resp/protocol.h"

namespace resp {

class RequestParser {
 public:
  enum class Outcome {
    kCommand,   // arguments() is a whole command of at least one argument
    kEmpty,     // bytes were consumed that ask for nothing ("\r\n", "*0\r\n", "*-1\r\n")
    kNeedMore,  // no whole command in the input yet; call again with more behind the same bytes
    kError,     // the stream is broken: answer "-ERR " error() and close
  };

  explicit RequestParser(const Limits& limits = {});

  // REQUIRES: `input` begins where the last command ended, and contains what it contained at the
  // last call if that returned kNeedMore (it may have moved).
  Outcome Next(std::string_view input);

  // After kCommand and kEmpty: how many bytes to drop from the front of the input.
  size_t consumed() const;
  // After kCommand: views into the input, or for inline commands with quotes into the parser; good
  // until the next call or until the input moves.
  const std::vector<std::string_view>& arguments() const;
  // After kError: Redis's text, as "Protocol error: invalid bulk length".
  const std::string& error() const;

  // After kNeedMore: bytes of input that would complete the argument being received, 0 if unknown;
  // a hint for sizing the buffer, bounded by what the limits allow.
  size_t bytes_wanted() const;

  void set_limits(const Limits& limits);

 private:
  Limits limits_;
};

// Splits a line as redis-cli and inline commands do: blanks, "double quotes" with \n \r \t \b \a
// \xHH escapes, 'single quotes' with \'. False if quotes are unbalanced.
bool SplitArguments(std::string_view line, std::vector<std::string>* arguments);

}  // namespace resp
