// SPDX-License-Identifier: BSD-3-Clause
// What the sections of INFO are written with, and the sections.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <fmt/format.h>
#include <sys/time.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "redis-compat/command.h"
#include "redis-compat/info.h"

namespace redis {

// "name:value" lines.
class InfoFields {
 public:
  explicit InfoFields(std::string* out) : out_(out) {}

  template <typename T>
  void Add(std::string_view name, const T& value) {
    fmt::format_to(std::back_inserter(*out_), "{}:{}\r\n", name, value);
  }
  void AddSeconds(std::string_view name, const timeval& time) {
    fmt::format_to(std::back_inserter(*out_), "{}:{}.{:06}\r\n", name, time.tv_sec, time.tv_usec);
  }
  void AddSize(std::string_view name, uint64_t bytes) {
    Add(name, bytes);
    fmt::format_to(std::back_inserter(*out_), "{}_human:{}\r\n", name, HumanSize(bytes));
  }
  // With two digits; 0 if there is nothing to divide by.
  void AddRatio(std::string_view name, uint64_t part, uint64_t whole) {
    Add(name, fmt::format("{:.2f}", Ratio(part, whole)));
  }
  void AddPercent(std::string_view name, uint64_t part, uint64_t whole) {
    Add(name, fmt::format("{:.2f}%", 100 * Ratio(part, whole)));
  }

 private:
  static double Ratio(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }

  std::string* const out_;
};

namespace info {

using AddSection = lsm::Status(CommandContext& context, std::string* out);

// info_server.cc
AddSection AddServer, AddClients, AddMemory, AddPersistence, AddReplication, AddCpu;
// info_stats.cc
AddSection AddStats, AddCommandStats, AddErrorStats, AddLatencyStats, AddEngine, AddKeyspace;

}  // namespace info

}  // namespace redis
