// SPDX-License-Identifier: BSD-3-Clause
// The algorithm:
//   1. The first byte decides: '*' begins a multibulk request, anything else an inline one.
//   2. Multibulk: read "*COUNT\r\n", then COUNT times "$LENGTH\r\n", LENGTH bytes and two more
//      bytes, which Redis does not look at and neither do we. Each argument is noted as a span of
//      the input; views are made when the last one is complete.
//   3. Inline: read up to "\n", drop one "\r" before it, split at blanks.
//   4. Where the input ends first, keep the state: `position_` before the piece being read and
//      `scanned_` before the first byte that has not been searched for the line's end.

#include "resp/request_parser.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "resp/integer.h"

namespace resp {

namespace {

// A client's parser lives as long as its connection: one large command must not make it big.
constexpr size_t kKeptArguments = 1024;

// Takes "TYPE DIGITS \r" and the byte behind it, for a number of few digits. Returns what follows,
// null if something else is there.
const char* TakeNumber(const char* at, const char* end, char type, size_t* number) {
  constexpr ptrdiff_t kMaxDigits = 6;
  if (at == end || *at != type) return nullptr;
  const char* const first = at + 1;
  const char* const last = end - first < kMaxDigits ? end : first + kMaxDigits;
  size_t value = 0;
  for (at = first; at < last && *at >= '0' && *at <= '9'; ++at) {
    value = value * 10 + static_cast<size_t>(*at - '0');
  }
  if (at == first || end - at < 2 || *at != '\r') return nullptr;
  if (*first == '0' && at - first > 1) return nullptr;
  *number = value;
  return at + 2;
}

// The same for an argument of at most `max_length` bytes.
const char* TakeArgument(const char* at, const char* end, size_t max_length,
                         std::string_view* argument) {
  size_t length = 0;
  at = TakeNumber(at, end, '$', &length);
  if (at == nullptr || length > max_length || static_cast<size_t>(end - at) < length + 2) {
    return nullptr;
  }
  *argument = {at, length};
  return at + length + 2;
}

}  // namespace

RequestParser::RequestParser(const Limits& limits) : limits_(limits) {}

RequestParser::Outcome RequestParser::Next(std::string_view input) {
  bytes_wanted_ = 0;
  if (state_ == State::kStart) {
    if (input.empty()) return Outcome::kNeedMore;
    if (spans_.capacity() > kKeptArguments) ReleaseSpareMemory();
    spans_.clear();
    arguments_.clear();
    position_ = 0;
    scanned_ = 0;
    state_ = input[0] == '*' ? State::kCount : State::kInline;
  }
  if (state_ == State::kInline) return ReadInline(input);
  if (state_ == State::kCount) {
    const Outcome outcome = ReadCount(input);
    if (outcome != Outcome::kCommand) return outcome;
  }
  if (state_ == State::kBroken) return Outcome::kError;
  return ReadArguments(input);
}

size_t RequestParser::TakeWhole(std::string_view input,
                                std::vector<std::string_view>* arguments) const {
  if (state_ != State::kStart || !limits_.authenticated) return 0;
  const char* const end = input.data() + input.size();
  size_t count = 0;
  const char* at = TakeNumber(input.data(), end, '*', &count);
  if (at == nullptr || count == 0 || count > limits_.max_multibulk_count) return 0;
  const size_t before = arguments->size();
  for (; count > 0; --count) {
    std::string_view argument;
    at = TakeArgument(at, end, limits_.max_bulk_length, &argument);
    if (at == nullptr) {
      arguments->resize(before);
      return 0;
    }
    arguments->push_back(argument);
  }
  return static_cast<size_t>(at - input.data());
}

void RequestParser::ReleaseSpareMemory() {
  if (state_ != State::kStart) return;
  std::vector<Span>().swap(spans_);
  std::vector<std::string_view>().swap(arguments_);
  std::vector<std::string>().swap(unquoted_);
}

RequestParser::Outcome RequestParser::ReadCount(std::string_view input) {
  int64_t count = 0;
  const Outcome outcome =
      ReadNumber(input, "too big mbulk count string", "invalid multibulk length", &count);
  if (outcome != Outcome::kCommand) return outcome;
  if (count <= 0) return Finish(Outcome::kEmpty, position_);
  if (static_cast<uint64_t>(count) > limits_.max_multibulk_count) {
    return Fail("invalid multibulk length");
  }
  if (!limits_.authenticated && static_cast<uint64_t>(count) > kUnauthenticatedMultibulkCount) {
    return Fail("unauthenticated multibulk length");
  }
  remaining_ = static_cast<size_t>(count);
  state_ = State::kLength;
  return Outcome::kCommand;
}

RequestParser::Outcome RequestParser::ReadArguments(std::string_view input) {
  while (remaining_ > 0) {
    if (state_ == State::kLength) {
      int64_t length = 0;
      const Outcome outcome =
          ReadNumber(input, "too big bulk count string", "invalid bulk length", &length);
      if (outcome != Outcome::kCommand) return outcome;
      if (length < 0 || static_cast<uint64_t>(length) > limits_.max_bulk_length) {
        return Fail("invalid bulk length");
      }
      if (!limits_.authenticated && static_cast<uint64_t>(length) > kUnauthenticatedBulkLength) {
        return Fail("unauthenticated bulk length");
      }
      body_length_ = static_cast<size_t>(length);
      state_ = State::kBody;
    }
    const size_t available = input.size() - position_;
    if (available < body_length_ + 2) {
      bytes_wanted_ = body_length_ + 2 - available;
      return Outcome::kNeedMore;
    }
    spans_.push_back({position_, body_length_});
    position_ += body_length_ + 2;
    scanned_ = position_;
    remaining_--;
    state_ = State::kLength;
  }
  arguments_.reserve(spans_.size());
  for (const Span& span : spans_) arguments_.emplace_back(input.data() + span.offset, span.length);
  return Finish(Outcome::kCommand, position_);
}

RequestParser::Outcome RequestParser::ReadNumber(std::string_view input, const char* long_text,
                                                 const char* bad_text, int64_t* number) {
  if (scanned_ < input.size()) {
    const void* found = std::memchr(input.data() + scanned_, '\r', input.size() - scanned_);
    scanned_ = found == nullptr
                   ? input.size()
                   : static_cast<size_t>(static_cast<const char*>(found) - input.data());
  }
  if (scanned_ - position_ > limits_.max_line_length) return Fail(long_text);
  // The byte behind the "\r" belongs to the line, whatever it is.
  if (scanned_ + 2 > input.size()) return Outcome::kNeedMore;
  const std::string_view line = input.substr(position_, scanned_ - position_);
  if (state_ == State::kLength && (line.empty() || line[0] != '$')) {
    return Fail(std::string("expected '$', got '") + input[position_] + "'");
  }
  if (!ParseInteger(line.substr(1), number)) return Fail(bad_text);
  position_ = scanned_ + 2;
  scanned_ = position_;
  return Outcome::kCommand;
}

RequestParser::Outcome RequestParser::ReadInline(std::string_view input) {
  const void* found = nullptr;
  if (scanned_ < input.size()) {
    found = std::memchr(input.data() + scanned_, '\n', input.size() - scanned_);
  }
  scanned_ = found == nullptr ? input.size()
                              : static_cast<size_t>(static_cast<const char*>(found) - input.data());
  if (scanned_ > limits_.max_line_length) return Fail("too big inline request");
  if (found == nullptr) return Outcome::kNeedMore;

  std::string_view line = input.substr(0, scanned_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  unquoted_.clear();
  if (!SplitArguments(line, &unquoted_)) return Fail("unbalanced quotes in request");
  arguments_.assign(unquoted_.begin(), unquoted_.end());
  return Finish(arguments_.empty() ? Outcome::kEmpty : Outcome::kCommand, scanned_ + 1);
}

RequestParser::Outcome RequestParser::Fail(std::string_view text) {
  state_ = State::kBroken;
  error_ = "Protocol error: ";
  error_ += text;
  return Outcome::kError;
}

RequestParser::Outcome RequestParser::Finish(Outcome outcome, size_t consumed) {
  state_ = State::kStart;
  consumed_ = consumed;
  return outcome;
}

bool PeekRequest(std::string_view input, std::string_view* name, std::string_view* argument) {
  const char* const end = input.data() + input.size();
  size_t count = 0;
  const char* at = TakeNumber(input.data(), end, '*', &count);
  if (at == nullptr || count < 2) return false;
  at = TakeArgument(at, end, SIZE_MAX, name);
  return at != nullptr && TakeArgument(at, end, SIZE_MAX, argument) != nullptr;
}

}  // namespace resp
