// SPDX-License-Identifier: BSD-3-Clause
// A reply is one line - a type byte and text up to "\r\n" - that may announce bytes or elements.
// The decoder walks the input once by recursive descent; running out of input anywhere means
// kNeedMore.

#include "resp/reply_parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "resp/integer.h"
#include "resp/reply_writer.h"

namespace resp {

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxLineLength = size_t{64} * 1024 * 1024;
constexpr int64_t kMaxBytes = std::numeric_limits<int32_t>::max();
constexpr size_t kShortestElement = 3;  // "_\r\n": bounds what is reserved for an announced count

class Decoder {
 public:
  Decoder(std::string_view input, size_t max_elements)
      : input_(input), max_elements_(max_elements) {}

  ReplyOutcome Decode(Value* value, int depth);
  size_t position() const { return position_; }
  const std::string& error() const { return error_; }

 private:
  ReplyOutcome ReadLine(std::string_view* line);
  ReplyOutcome ReadBytes(std::string_view line, Value* value);
  ReplyOutcome ReadElements(std::string_view line, size_t per_count, Value* value, int depth);
  ReplyOutcome ReadScalar(char type, std::string_view line, Value* value);
  ReplyOutcome ReadDouble(std::string_view line, Value* value);
  ReplyOutcome Fail(std::string text) {
    error_ = std::move(text);
    return ReplyOutcome::kError;
  }

  const std::string_view input_;
  const size_t max_elements_;
  size_t position_ = 0;
  std::string error_;
};

ReplyOutcome Decoder::ReadLine(std::string_view* line) {
  const std::string_view rest = input_.substr(position_);
  const size_t end = rest.substr(0, kMaxLineLength).find('\r');
  if (end == std::string_view::npos || end + 1 == rest.size()) {
    if (end == std::string_view::npos && rest.size() >= kMaxLineLength)
      return Fail("line too long");
    return ReplyOutcome::kNeedMore;
  }
  if (rest[end + 1] != '\n') return Fail("CR without LF");
  *line = rest.substr(0, end);
  position_ += end + 2;
  return ReplyOutcome::kReply;
}

ReplyOutcome Decoder::ReadBytes(std::string_view line, Value* value) {
  int64_t length = 0;
  if (!ParseInteger(line, &length) || length < -1 || length > kMaxBytes) {
    return Fail("invalid length");
  }
  if (length == -1) {
    if (value->type != Value::Type::kBulk) return Fail("invalid length");
    value->type = Value::Type::kNull;
    return ReplyOutcome::kReply;
  }
  const std::string_view rest = input_.substr(position_);
  const size_t size = static_cast<size_t>(length);
  if (rest.size() < size + 2) return ReplyOutcome::kNeedMore;
  if (rest.substr(size, 2) != "\r\n") return Fail("bytes without CRLF behind them");
  value->text = rest.substr(0, size);
  position_ += size + 2;
  if (value->type == Value::Type::kVerbatim) {
    if (size < 4 || value->text[3] != ':') return Fail("invalid verbatim string");
    value->format = value->text.substr(0, 3);
    value->text.erase(0, 4);
  }
  return ReplyOutcome::kReply;
}

ReplyOutcome Decoder::ReadElements(std::string_view line, size_t per_count, Value* value,
                                   int depth) {
  int64_t count = 0;
  if (!ParseInteger(line, &count) || count < -1) return Fail("invalid count");
  if (count == -1) {
    if (value->type != Value::Type::kArray) return Fail("invalid count");
    value->type = Value::Type::kNull;
    return ReplyOutcome::kReply;
  }
  if (static_cast<uint64_t>(count) > max_elements_ / per_count) return Fail("too many elements");
  if (count > 0 && depth == kMaxDepth) return Fail("nested too deep");
  size_t left = static_cast<size_t>(count) * per_count;
  value->elements.reserve(std::min(left, (input_.size() - position_) / kShortestElement));
  while (left > 0) {
    Value& element = value->elements.emplace_back();
    const ReplyOutcome outcome = Decode(&element, depth + 1);
    if (outcome != ReplyOutcome::kReply) return outcome;
    if (element.type != Value::Type::kAttribute) left--;
  }
  return ReplyOutcome::kReply;
}

ReplyOutcome Decoder::ReadDouble(std::string_view line, Value* value) {
  value->type = Value::Type::kDouble;
  if (line == "inf" || line == "-inf") {
    value->number = line[0] == '-' ? -std::numeric_limits<double>::infinity()
                                   : std::numeric_limits<double>::infinity();
    return ReplyOutcome::kReply;
  }
  if (line == "nan") {
    value->number = std::numeric_limits<double>::quiet_NaN();
    return ReplyOutcome::kReply;
  }
  const auto [stop, failure] =
      std::from_chars(line.data(), line.data() + line.size(), value->number);
  const bool spelled = !line.empty() && (line.back() >= '0' && line.back() <= '9');
  if (failure != std::errc() || stop != line.data() + line.size() || !spelled) {
    return Fail("invalid double");
  }
  return ReplyOutcome::kReply;
}

ReplyOutcome Decoder::ReadScalar(char type, std::string_view line, Value* value) {
  switch (type) {
    case '+':
      value->type = Value::Type::kSimple;
      value->text = line;
      return ReplyOutcome::kReply;
    case '-':
      value->type = Value::Type::kError;
      value->text = line;
      return ReplyOutcome::kReply;
    case ':':
      value->type = Value::Type::kInteger;
      if (!ParseInteger(line, &value->integer)) return Fail("invalid integer");
      return ReplyOutcome::kReply;
    case '_':
      if (!line.empty()) return Fail("invalid null");
      return ReplyOutcome::kReply;
    case '#':
      value->type = Value::Type::kBoolean;
      if (line != "t" && line != "f") return Fail("invalid boolean");
      value->integer = line == "t" ? 1 : 0;
      return ReplyOutcome::kReply;
    case ',':
      return ReadDouble(line, value);
    case '(': {
      const std::string_view digits = line.starts_with('-') ? line.substr(1) : line;
      value->type = Value::Type::kBigNumber;
      if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
        return Fail("invalid big number");
      }
      value->text = line;
      return ReplyOutcome::kReply;
    }
    default: {
      std::string text = "unknown type byte '";
      text += type;
      return Fail(text + "'");
    }
  }
}

ReplyOutcome Decoder::Decode(Value* value, int depth) {
  if (position_ == input_.size()) return ReplyOutcome::kNeedMore;
  const char type = input_[position_];
  if (std::string_view("+-:_#,($!=*%~>|").find(type) == std::string_view::npos) {
    return ReadScalar(type, {}, value);
  }
  std::string_view line;
  if (const ReplyOutcome outcome = ReadLine(&line); outcome != ReplyOutcome::kReply) return outcome;
  line.remove_prefix(1);
  switch (type) {
    case '$':
      value->type = Value::Type::kBulk;
      return ReadBytes(line, value);
    case '!':
      value->type = Value::Type::kBlobError;
      return ReadBytes(line, value);
    case '=':
      value->type = Value::Type::kVerbatim;
      return ReadBytes(line, value);
    case '*':
      value->type = Value::Type::kArray;
      return ReadElements(line, 1, value, depth);
    case '~':
      value->type = Value::Type::kSet;
      return ReadElements(line, 1, value, depth);
    case '>':
      value->type = Value::Type::kPush;
      return ReadElements(line, 1, value, depth);
    case '%':
      value->type = Value::Type::kMap;
      return ReadElements(line, 2, value, depth);
    case '|':
      value->type = Value::Type::kAttribute;
      return ReadElements(line, 2, value, depth);
    default:
      return ReadScalar(type, line, value);
  }
}

}  // namespace

ReplyOutcome ParseReply(std::string_view input, Value* value, size_t* consumed, std::string* error,
                        size_t max_elements) {
  *value = Value();
  Decoder decoder(input, max_elements);
  const ReplyOutcome outcome = decoder.Decode(value, 0);
  if (outcome == ReplyOutcome::kReply) *consumed = decoder.position();
  if (outcome == ReplyOutcome::kError) *error = decoder.error();
  return outcome;
}

bool Value::operator==(const Value& other) const {
  const bool same_number =
      number == other.number || (std::isnan(number) && std::isnan(other.number));
  return type == other.type && text == other.text && format == other.format &&
         integer == other.integer && same_number && elements == other.elements;
}

}  // namespace resp
