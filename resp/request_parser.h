// SPDX-License-Identifier: BSD-3-Clause
// RequestParser takes requests - multibulk or inline - out of a byte stream, a command at a time,
// without copying the arguments (those of inline requests are copied: people type them).
//
// The caller owns the bytes: it appends what it reads to its buffer, calls Next with all bytes that
// have not been consumed, executes the command whose arguments point into that buffer, and drops
// `consumed` bytes from the front. The parser remembers how far an incomplete command has been
// looked at, so that a large value that arrives in pieces is not scanned again.
//
// The outcome depends on the bytes alone, never on how they were cut into pieces.
//
// Thread safety: none. No I/O, no clock.

#pragma once

#include <cstddef>
#include <cstdint>
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
    kError,     // the stream is broken for good: answer "-ERR " error() and close
  };

  explicit RequestParser(const Limits& limits = {});

  // REQUIRES: `input` begins where the last command ended, and begins with what it contained at the
  // last call if that returned kNeedMore (it may have moved).
  Outcome Next(std::string_view input);

  // The usual case in one step: the multibulk request that `input` begins with, if it is whole and
  // says its lengths in few digits, is appended to `arguments` as views into the input. Returns the
  // bytes that it takes; 0 if Next has to look. Never disagrees with Next, and changes nothing that
  // it would see.
  size_t TakeWhole(std::string_view input, std::vector<std::string_view>* arguments) const;

  // After kCommand and kEmpty: how many bytes to drop from the front of the input.
  size_t consumed() const { return consumed_; }
  // After kCommand: views into the input, or into the parser for an inline command; good until the
  // next call or until the input moves.
  const std::vector<std::string_view>& arguments() const { return arguments_; }
  // After kError: Redis's text, as "Protocol error: invalid bulk length".
  const std::string& error() const { return error_; }

  // After kNeedMore: bytes of input that would complete the argument being received, 0 if unknown;
  // a hint for sizing the buffer, bounded by what the limits allow.
  size_t bytes_wanted() const { return bytes_wanted_; }

  // Forgets the incomplete or broken request: the next call of Next begins at its input's first
  // byte.
  void Restart() { state_ = State::kStart; }
  // Whether a request has begun and is not complete.
  bool in_request() const { return state_ != State::kStart && state_ != State::kBroken; }
  // What the parser has taken from the system.
  size_t memory() const {
    return spans_.capacity() * sizeof(Span) + arguments_.capacity() * sizeof(std::string_view);
  }
  // Between requests: gives back what the last ones needed. arguments() is empty then.
  void ReleaseSpareMemory();

  // Takes effect at the next length that is read.
  void set_limits(const Limits& limits) { limits_ = limits; }

 private:
  enum class State : uint8_t { kStart, kInline, kCount, kLength, kBody, kBroken };
  // Where an argument lies in the input: the input may move while a command is incomplete.
  struct Span {
    size_t offset;
    size_t length;
  };

  // These two go one step: kNeedMore if the input ends first, kCommand if the step is done.
  Outcome ReadCount(std::string_view input);
  Outcome ReadArguments(std::string_view input);
  Outcome ReadInline(std::string_view input);
  // Reads the line of a length that follows one type byte at position_: kCommand and the number, or
  // kNeedMore, or kError with one of the two texts (`long_text` if the line does not end in time).
  Outcome ReadNumber(std::string_view input, const char* long_text, const char* bad_text,
                     int64_t* number);
  Outcome Fail(std::string_view text);
  Outcome Finish(Outcome outcome, size_t consumed);

  Limits limits_;
  State state_ = State::kStart;
  size_t position_ = 0;     // everything before it is understood
  size_t scanned_ = 0;      // the current line does not end before it
  size_t remaining_ = 0;    // arguments still to come
  size_t body_length_ = 0;  // in kBody
  size_t consumed_ = 0;
  size_t bytes_wanted_ = 0;
  std::vector<Span> spans_;
  std::vector<std::string_view> arguments_;
  std::vector<std::string> unquoted_;  // the arguments of an inline command
  std::string error_;
};

// For a hint of what comes: the name and the first argument of the multibulk request that `input`
// begins with. False if they are not there as a well-behaved client writes them. Judges nothing.
bool PeekRequest(std::string_view input, std::string_view* name, std::string_view* argument);

// Splits a line as redis-cli and inline commands do: blanks, "double quotes" with \n \r \t \b \a
// \xHH escapes, 'single quotes' with \'. False if quotes are unbalanced, or if something follows a
// closing quote directly. A NUL is a byte like any other.
bool SplitArguments(std::string_view line, std::vector<std::string>* arguments);

}  // namespace resp
