// SPDX-License-Identifier: BSD-3-Clause
// ClientPause is what CLIENT PAUSE has asked for: until a time, commands that may write, or all
// commands, wait. While it lasts the server writes nothing of its own either: no key expires on
// disk, though readers see it as gone.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <algorithm>
#include <cstdint>

namespace redis {

class ClientPause {
 public:
  enum class Mode : uint8_t { kNone, kWrites, kAll };

  // A pause that is under way keeps its end if it is later, and its mode if it is stricter.
  void Start(Mode mode, int64_t end_us) {
    mode_ = std::max(mode_, mode);
    end_us_ = std::max(end_us_, end_us);
  }
  void End() { *this = ClientPause(); }
  bool is_on() const { return mode_ != Mode::kNone; }
  bool IsOver(int64_t now_us) const { return is_on() && now_us >= end_us_; }
  bool StopsCommand(bool may_write) const {
    return mode_ == Mode::kAll || (may_write && mode_ == Mode::kWrites);
  }
  int64_t end_us() const { return end_us_; }  // monotonic

 private:
  Mode mode_ = Mode::kNone;
  int64_t end_us_ = 0;
};

}  // namespace redis
