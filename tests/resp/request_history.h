// SPDX-License-Identifier: BSD-3-Clause
// Drives a RequestParser as a server does, and writes down what came out. Whatever TakeWhole takes
// is what Next says too.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"

namespace resp {

// What one stream of bytes means: a line for each command ("<SET><k><v>"), and the end of it
// ("error: ..." or "more").
//
// The stream arrives in pieces that end at `cuts` (ascending) and at its own end. The unconsumed
// bytes move to a new allocation of exactly their size for every piece, so that a sanitizer sees a
// stale view or a read behind the end.
inline std::string History(std::string_view stream, const std::vector<size_t>& cuts,
                           const Limits& limits = {}) {
  RequestParser parser(limits);
  std::string history;
  std::vector<char> buffer;
  size_t received = 0;
  for (size_t piece = 0; piece <= cuts.size(); piece++) {
    const size_t end = piece < cuts.size() ? cuts[piece] : stream.size();
    std::vector<char> moved(buffer.begin(), buffer.end());
    moved.insert(moved.end(), stream.begin() + static_cast<std::ptrdiff_t>(received),
                 stream.begin() + static_cast<std::ptrdiff_t>(end));
    moved.shrink_to_fit();
    buffer.swap(moved);
    received = end;
    while (true) {
      std::vector<std::string_view> whole;
      const size_t taken = parser.TakeWhole({buffer.data(), buffer.size()}, &whole);
      const auto outcome = parser.Next({buffer.data(), buffer.size()});
      if (taken != 0 && (outcome != RequestParser::Outcome::kCommand ||
                         taken != parser.consumed() || whole != parser.arguments())) {
        return history + "TakeWhole and Next disagree";
      }
      if (outcome == RequestParser::Outcome::kNeedMore) break;
      if (outcome == RequestParser::Outcome::kError) return history + "error: " + parser.error();
      if (outcome == RequestParser::Outcome::kCommand) {
        for (const std::string_view argument : parser.arguments()) {
          history.append("<").append(argument).append(">");
        }
        history.push_back('\n');
      }
      buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(parser.consumed()));
    }
  }
  return history + "more";
}

}  // namespace resp
