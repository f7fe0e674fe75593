// SPDX-License-Identifier: BSD-3-Clause
// What is counted about a server and its commands, for INFO.
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace redis {

struct CommandStats {
  uint64_t calls = 0;
  uint64_t microseconds = 0;
  uint64_t rejected = 0;  // before the handler: arity, authentication
  uint64_t failed = 0;    // the handler's reply was an error
};

struct Statistics {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;
  uint64_t commands_processed = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys = 0;
  uint64_t error_replies = 0;
  uint64_t unexpected_errors = 0;  // groups that could not be appended
  uint64_t write_pauses = 0;       // sessions that waited because writes were stopped or slowed
  std::map<std::string, uint64_t, std::less<>> errors_by_code;  // "ERR", "WRONGTYPE", ...
  std::vector<CommandStats> commands;                           // by CommandIndex

  // CONFIG RESETSTAT.
  void Reset() {
    const size_t rows = commands.size();
    *this = Statistics();
    commands.resize(rows);
  }
};

}  // namespace redis
