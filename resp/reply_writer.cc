// SPDX-License-Identifier: BSD-3-Clause

#include "resp/reply_writer.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace resp {

namespace {

constexpr size_t kIntegerDigits = 24;  // of any integer of 64 bits, with its sign

// "<type><number>\r\n"
void AppendHeader(char type, int64_t number, std::string* out) {
  char buffer[kIntegerDigits + 3];
  buffer[0] = type;
  char* end = std::to_chars(buffer + 1, buffer + 1 + kIntegerDigits, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out->append(buffer, static_cast<size_t>(end - buffer));
}

void AppendCount(char type, size_t count, std::string* out) {
  AppendHeader(type, static_cast<int64_t>(count), out);
}

// A line that carries a client's bytes must stay one line.
void AppendLine(char type, std::string_view text, std::string* out) {
  out->push_back(type);
  const size_t start = out->size();
  out->append(text);
  std::replace_if(
      out->begin() + static_cast<std::string::difference_type>(start), out->end(),
      [](char c) { return c == '\r' || c == '\n'; }, ' ');
  out->append("\r\n");
}

// Writes the decimal `digits` (d1 d2 ... dn) whose value is d1.d2...dn * 10^exponent in the layout
// that Redis 7.2 uses:
//   1. All digits before the point, if at most seven zeros have to be added: "1200".
//   2. A point and no exponent, if at most six digits follow it, or the exponent is below four in
//      size: "0.001", "123.456789012".
//   3. Otherwise with an exponent, signed and without leading zeros: "1.5e-9", "1e+300".
void AppendDigits(std::string_view digits, int exponent, std::string* out) {
  const int count = static_cast<int>(digits.size());
  const int zeros = exponent - count + 1;  // behind the last digit; negative: digits after a point
  if (zeros >= 0 && std::abs(exponent) < count + 7) {
    out->append(digits);
    out->append(static_cast<size_t>(zeros), '0');
    return;
  }
  if (zeros < 0 && (zeros > -7 || std::abs(exponent) < 4)) {
    if (exponent < 0) {
      out->append("0.");
      out->append(static_cast<size_t>(-exponent - 1), '0');
      out->append(digits);
    } else {
      const size_t whole = static_cast<size_t>(exponent) + 1;
      out->append(digits.substr(0, whole));
      out->push_back('.');
      out->append(digits.substr(whole));
    }
    return;
  }
  out->push_back(digits[0]);
  if (count > 1) {
    out->push_back('.');
    out->append(digits.substr(1));
  }
  out->append(exponent < 0 ? "e-" : "e+");
  out->append(std::to_string(std::abs(exponent)));
}

}  // namespace

void AppendDouble(double value, std::string* out) {
  // Integers in this range are written as such: beyond it a double's neighbours are far apart.
  constexpr double kIntegerLimit = 4611686018427387904.0;  // 2^62
  if (std::isnan(value)) {
    out->append("nan");
  } else if (std::isinf(value)) {
    out->append(value < 0 ? "-inf" : "inf");
  } else if (value == 0) {
    out->append(std::signbit(value) ? "-0" : "0");
  } else if (std::abs(value) <= kIntegerLimit && std::trunc(value) == value) {
    char buffer[kIntegerDigits];
    char* end = std::to_chars(buffer, buffer + sizeof(buffer), static_cast<int64_t>(value)).ptr;
    out->append(buffer, static_cast<size_t>(end - buffer));
  } else {
    // "d.ddde-XX": the shortest digits that read back as this value.
    char buffer[40];
    char* end = std::to_chars(buffer, buffer + sizeof(buffer), std::abs(value),
                              std::chars_format::scientific)
                    .ptr;
    const char* mark = std::find(buffer, end, 'e');
    std::string digits(buffer, static_cast<size_t>(mark - buffer));
    if (digits.size() > 1) digits.erase(1, 1);
    int exponent = 0;
    std::from_chars(mark[1] == '+' ? mark + 2 : mark + 1, end, exponent);
    if (value < 0) out->push_back('-');
    AppendDigits(digits, exponent, out);
  }
}

void ReplyWriter::Simple(std::string_view text) { AppendLine('+', text, out_); }

void ReplyWriter::Error(std::string_view text) {
  AppendLine('-', text.substr(0, text.find_last_not_of("\r\n") + 1), out_);
}

void ReplyWriter::Integer(int64_t value) { AppendHeader(':', value, out_); }

void ReplyWriter::Bulk(std::string_view bytes) {
  if (!Fits(bytes.size())) return;
  AppendCount('$', bytes.size(), out_);
  out_->append(bytes);
  out_->append("\r\n");
}

void ReplyWriter::BulkInteger(int64_t value) {
  char buffer[kIntegerDigits];
  char* end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  Bulk({buffer, static_cast<size_t>(end - buffer)});
}

void ReplyWriter::Null() { out_->append(version_ == Version::kResp3 ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::NullArray() { out_->append(version_ == Version::kResp3 ? "_\r\n" : "*-1\r\n"); }

void ReplyWriter::Boolean(bool value) {
  if (version_ == Version::kResp3) {
    out_->append(value ? "#t\r\n" : "#f\r\n");
  } else {
    Integer(value ? 1 : 0);
  }
}

void ReplyWriter::Double(double value) {
  std::string text;
  AppendDouble(value, &text);
  if (version_ == Version::kResp3) {
    AppendLine(',', text, out_);
  } else {
    Bulk(text);
  }
}

void ReplyWriter::BigNumber(std::string_view digits) {
  if (version_ == Version::kResp3) {
    AppendLine('(', digits, out_);
  } else {
    Bulk(digits);
  }
}

void ReplyWriter::Verbatim(std::string_view format, std::string_view text) {
  assert(format.size() == 3);
  if (version_ == Version::kResp2) {
    Bulk(text);
    return;
  }
  if (!Fits(text.size())) return;
  AppendCount('=', format.size() + 1 + text.size(), out_);
  out_->append(format);
  out_->push_back(':');
  out_->append(text);
  out_->append("\r\n");
}

void ReplyWriter::Array(size_t count) { AppendCount('*', count, out_); }

void ReplyWriter::EndArray(size_t place, size_t count) {
  std::string header;
  AppendCount('*', count, &header);
  out_->insert(place, header);
}

void ReplyWriter::Map(size_t pairs) {
  if (version_ == Version::kResp3) {
    AppendCount('%', pairs, out_);
  } else {
    AppendCount('*', 2 * pairs, out_);
  }
}

void ReplyWriter::Set(size_t count) {
  AppendCount(version_ == Version::kResp3 ? '~' : '*', count, out_);
}

void ReplyWriter::Push(size_t count) {
  AppendCount(version_ == Version::kResp3 ? '>' : '*', count, out_);
}

void ReplyWriter::Attribute(size_t pairs) {
  if (version_ == Version::kResp3) AppendCount('|', pairs, out_);
}

}  // namespace resp
