// SPDX-License-Identifier: BSD-3-Clause
// SlowLog keeps the last commands that took long, newest first. What it keeps of a command is
// bounded: 32 arguments and the client's name, of 128 bytes each.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace redis {

class SlowLog {
 public:
  static constexpr size_t kMaxArguments = 32;
  static constexpr size_t kMaxArgumentBytes = 128;

  struct Entry {
    uint64_t id = 0;  // 0, 1, 2, ...; never used again
    int64_t second = 0;
    int64_t micros = 0;
    std::vector<std::string> arguments;
    std::string client_address;
    std::string client_name;
  };

  // `arguments` without secrets; those beyond the limits are replaced by how much is missing.
  void Add(int64_t second, int64_t micros, std::span<const std::string_view> arguments,
           std::string_view client_address, std::string_view client_name);
  // Newest first.
  const std::deque<Entry>& entries() const { return entries_; }
  // The oldest entries beyond it go.
  void set_max_length(size_t length);
  void Reset() { entries_.clear(); }

 private:
  size_t max_length_ = 128;
  uint64_t next_id_ = 0;
  std::deque<Entry> entries_;
};

}  // namespace redis
