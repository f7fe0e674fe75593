// SPDX-License-Identifier: BSD-3-Clause
// A decoded reply as one line that a person can read.

#include "resp/reply_parser.h"
#include "resp/reply_writer.h"

namespace resp {

namespace {

void AppendQuoted(std::string_view bytes, std::string* out) {
  static constexpr std::string_view kHexDigits = "0123456789abcdef";
  out->push_back('"');
  for (const char c : bytes) {
    const unsigned char byte = static_cast<unsigned char>(c);
    static constexpr std::string_view kPlain = "\\\"\n\r\t\a\b";
    static constexpr std::string_view kEscaped = "\\\"nrtab";
    if (const size_t at = kPlain.find(c); at != std::string_view::npos) {
      out->push_back('\\');
      out->push_back(kEscaped[at]);
    } else if (byte >= 0x20 && byte < 0x7f) {
      out->push_back(c);
    } else {
      out->append("\\x");
      out->push_back(kHexDigits[byte >> 4]);
      out->push_back(kHexDigits[byte & 15]);
    }
  }
  out->push_back('"');
}

void AppendElements(const std::vector<Value>& elements, std::string_view open, char close,
                    bool pairs, std::string* out) {
  out->append(open);
  size_t index = 0;
  for (const Value& element : elements) {
    if (&element != &elements.front()) out->append(pairs && index % 2 == 1 ? " => " : ", ");
    out->append(element.ToString());
    if (element.type != Value::Type::kAttribute) index++;
  }
  out->push_back(close);
}

}  // namespace

std::string Value::ToString() const {
  std::string out;
  switch (type) {
    case Type::kNull:
      return "(nil)";
    case Type::kSimple:
      return text;
    case Type::kError:
    case Type::kBlobError:
      return "(error) " + text;
    case Type::kInteger:
      return "(integer) " + std::to_string(integer);
    case Type::kBoolean:
      return integer != 0 ? "(true)" : "(false)";
    case Type::kBigNumber:
      return "(big number) " + text;
    case Type::kDouble:
      out = "(double) ";
      AppendDouble(number, &out);
      return out;
    case Type::kBulk:
      AppendQuoted(text, &out);
      return out;
    case Type::kVerbatim:
      out = format + ":";
      AppendQuoted(text, &out);
      return out;
    case Type::kArray:
      AppendElements(elements, "[", ']', false, &out);
      return out;
    case Type::kSet:
      AppendElements(elements, "~[", ']', false, &out);
      return out;
    case Type::kPush:
      AppendElements(elements, ">[", ']', false, &out);
      return out;
    case Type::kMap:
      AppendElements(elements, "{", '}', true, &out);
      return out;
    case Type::kAttribute:
      AppendElements(elements, "|{", '}', true, &out);
      return out;
  }
  return out;
}

}  // namespace resp
