// SPDX-License-Identifier: BSD-3-Clause
// What a line splits into, quoted with every byte escaped, splits into the same again.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace {

std::string Quoted(const std::string& argument) {
  static constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : argument) {
    const auto byte = static_cast<unsigned char>(c);
    text += "\\x";
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text + "\" ";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> arguments;
  if (!resp::SplitArguments(line, &arguments)) return 0;
  std::string quoted;
  for (const std::string& argument : arguments) quoted += Quoted(argument);
  std::vector<std::string> again;
  if (!resp::SplitArguments(quoted, &again) || again != arguments) std::abort();
  return 0;
}
