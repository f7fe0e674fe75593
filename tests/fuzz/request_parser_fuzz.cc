// SPDX-License-Identifier: BSD-3-Clause
// A stream of requests means the same in one piece and in many.
//
// Input: the first byte says whether the client has authenticated, the second the length of the
// pieces, the rest is the stream.

#include <cstdint>
#include <cstdlib>

#include "tests/resp/request_history.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data + 2), size - 2);
  resp::Limits limits;
  limits.authenticated = (data[0] & 1) == 0;
  limits.max_line_length = 64;  // so that short inputs reach it
  const size_t piece = 1 + data[1] % 32;
  std::vector<size_t> cuts;
  for (size_t at = piece; at < stream.size(); at += piece) cuts.push_back(at);
  if (resp::History(stream, cuts, limits) != resp::History(stream, {}, limits)) std::abort();
  return 0;
}
