// SPDX-License-Identifier: BSD-3-Clause
// A reply is decoded from its own bytes alone: bytes behind it change nothing, and every shorter
// input asks for more.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_parser.h"

namespace {

constexpr size_t kMaxElements = 1000;
constexpr size_t kPrefixesTried = 64;

resp::ReplyOutcome Parse(std::string_view input, resp::Value* value, size_t* consumed) {
  const std::vector<char> bytes(input.begin(), input.end());
  std::string error;
  return resp::ParseReply({bytes.data(), bytes.size()}, value, consumed, &error, kMaxElements);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  resp::Value value;
  size_t consumed = 0;
  if (Parse(input, &value, &consumed) != resp::ReplyOutcome::kReply) return 0;
  if (consumed == 0 || consumed > size) std::abort();
  if (value.ToString().empty() && !value.text.empty()) std::abort();

  resp::Value again;
  size_t consumed_again = 0;
  if (Parse(input.substr(0, consumed), &again, &consumed_again) != resp::ReplyOutcome::kReply ||
      consumed_again != consumed || !(again == value)) {
    std::abort();
  }
  const size_t step = 1 + consumed / kPrefixesTried;
  for (size_t length = 0; length < consumed; length += step) {
    if (Parse(input.substr(0, length), &again, &consumed_again) != resp::ReplyOutcome::kNeedMore) {
      std::abort();
    }
  }
  return 0;
}
