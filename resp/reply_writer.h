// SPDX-License-Identifier: BSD-3-Clause
// ReplyWriter appends replies to a caller's buffer in RESP2 or RESP3. What RESP3 has a type for and
// RESP2 has not is written in the form that Redis 7.2 gives it for RESP2.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "resp/protocol.h"

namespace resp {

// Appends a number as Redis 7.2 prints scores and floating-point replies: the shortest digits that
// read back as the same value; "inf", "-inf", "nan", "-0".
void AppendDouble(double value, std::string* out);

class ReplyWriter {
 public:
  // Strings that would make `out` larger than `max_size` are left out.
  ReplyWriter(std::string* out, Version version, size_t max_size = SIZE_MAX)
      : out_(out), max_size_(max_size), version_(version) {}

  Version version() const { return version_; }
  void set_version(Version version) { version_ = version; }
  // Something was left out, so that what was written is no reply: it must not be sent, and whoever
  // makes a long reply need not go on.
  bool overflowed() const { return overflowed_; }
  // The same after a look at what was written by now: numbers and headers are never left out, and
  // many of them may be too large too.
  bool CheckOverflow() { return !Fits(0) || overflowed_; }

  void Simple(std::string_view text);  // "+OK"; CR and LF in it become spaces
  void Ok() { out_->append("+OK\r\n"); }
  // "-ERR text": the text begins with its code. CR and LF at its end are left out, others become
  // spaces.
  void Error(std::string_view text);
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void BulkInteger(int64_t value);  // the decimal digits as a bulk string
  void Null();                      // "_" or "$-1"
  void NullArray();                 // "_" or "*-1"
  void Boolean(bool value);         // "#t" or ":1"
  void Double(double value);        // "," or a bulk string; shortest form, "inf", "-inf", "nan"
  void BigNumber(std::string_view digits);
  // `format` has three characters, as "txt" or "mkd"; a bulk string in RESP2.
  void Verbatim(std::string_view format, std::string_view text);

  // Headers; the elements follow. A map has 2 * pairs elements, and is an array of them in RESP2.
  void Array(size_t count);
  // An array whose size is known behind its elements: the place that BeginArray returns is where
  // EndArray puts the header.
  size_t BeginArray() const { return out_->size(); }
  void EndArray(size_t place, size_t count);
  void Map(size_t pairs);
  void Set(size_t count);
  void Push(size_t count);
  void Attribute(size_t pairs);  // RESP3 only: writes nothing in RESP2, so skip its elements too
  // What a writer of the same version has written elsewhere.
  void Encoded(std::string_view bytes) { out_->append(bytes); }

 private:
  bool Fits(size_t size) {
    if (size <= max_size_ && out_->size() <= max_size_ - size) return true;
    overflowed_ = true;
    return false;
  }

  std::string* out_;
  size_t max_size_;
  Version version_;
  bool overflowed_ = false;
};

}  // namespace resp
