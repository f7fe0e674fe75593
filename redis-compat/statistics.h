// SPDX-License-Identifier: BSD-3-Clause
// What is counted about a server and its commands, for INFO.
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "redis-compat/rate_sampler.h"

namespace redis {

struct CommandStats {
  uint64_t calls = 0;
  uint64_t microseconds = 0;
  uint64_t rejected = 0;  // before the handler: arity, authentication
  uint64_t failed = 0;    // the handler's reply was an error
};

// Rates of the counters of Statistics.
struct Rates {
  RateSampler commands;
  RateSampler ticks;
  RateSampler input_bytes;
  RateSampler output_bytes;
};

struct Statistics {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;
  uint64_t evicted_clients = 0;               // closed because of maxmemory-clients
  uint64_t query_buffer_disconnections = 0;   // because of client-query-buffer-limit
  uint64_t output_buffer_disconnections = 0;  // because of client-output-buffer-limit
  uint64_t commands_processed = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys = 0;
  uint64_t expire_cycle_us = 0;          // spent on removing expired keys in the background
  uint64_t expire_cycles_cut_short = 0;  // rounds that ended before all expired keys were removed
  uint64_t error_replies = 0;
  uint64_t unexpected_errors = 0;  // groups that could not be appended
  uint64_t ticks = 0;
  uint64_t socket_reads = 0;
  uint64_t socket_writes = 0;
  uint64_t write_pauses = 0;  // sessions that waited because writes were stopped or slowed
  // Bytes that were allocated when the server had started, and the most ever seen. Reset keeps
  // them.
  uint64_t memory_at_start = 0;
  uint64_t memory_peak = 0;
  std::map<std::string, uint64_t, std::less<>> errors_by_code;  // "ERR", "WRONGTYPE", ...
  std::vector<CommandStats> commands;                           // by CommandIndex

  Rates rates;

  // Ten times a second or so.
  void SampleRates(int64_t now_ms) {
    rates.commands.Sample(now_ms, commands_processed);
    rates.ticks.Sample(now_ms, ticks);
    rates.input_bytes.Sample(now_ms, input_bytes);
    rates.output_bytes.Sample(now_ms, output_bytes);
  }
  // CONFIG RESETSTAT.
  void Reset() {
    Statistics fresh;
    fresh.memory_at_start = memory_at_start;
    fresh.memory_peak = memory_peak;
    fresh.commands.resize(commands.size());
    *this = std::move(fresh);
  }
};

}  // namespace redis
