// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/tool/command.h"

#include <charconv>
#include <cstdio>

namespace lsm::tool {

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int Fail(const Status& status) {
  std::fprintf(stderr, "varve-tool: %s\n", status.ToString().c_str());
  return kFailed;
}

int Misused(std::string_view what, std::string_view usage) {
  std::fprintf(stderr, "varve-tool: %.*s\n%.*s", static_cast<int>(what.size()), what.data(),
               static_cast<int>(usage.size()), usage.data());
  return kUsage;
}

void AppendHex(std::string_view bytes, std::string* to) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    to->push_back(kDigits[byte >> 4]);
    to->push_back(kDigits[byte & 15]);
  }
}

bool ParseNumber(std::string_view text, uint64_t limit, uint64_t* number) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && rest == end && *number <= limit;
}

}  // namespace lsm::tool
