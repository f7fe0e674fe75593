// SPDX-License-Identifier: BSD-3-Clause
// The workloads of RocksDB's db_bench for engines that come without it: same keys, same values,
// same order of calls, and result lines of the same form, so that one reader understands both.
//
// A driver implements Engine and calls RunWorkloads from its main.
//
// Thread safety: an Engine is safe for one thread that writes and any number of Readers; a Reader
// belongs to one thread.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bench {

// What a failed call does: nothing that is measured may fail.
[[noreturn]] void Die(std::string_view what);

class Reader {
 public:
  virtual ~Reader() = default;
  // Reads the newest value; false if there is none.
  virtual bool Get(std::string_view key) = 0;
  // How many of the keys exist. All are known before the first is read.
  virtual size_t GetBatch(std::span<const std::string_view> keys) = 0;
  // A new iterator, positioned at the first key >= target; true if it is the target.
  virtual bool Seek(std::string_view target) = 0;
  // Every key and value in order; how many there were.
  virtual uint64_t ReadAll() = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // A unit each: logged, not synced.
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;
  virtual std::unique_ptr<Reader> NewReader() = 0;
  // Everything into one sorted run.
  virtual void Compact() = 0;
  // Writes what is in memory to files.
  virtual void Flush() = 0;
};

struct Settings {
  std::string directory;
  std::string workloads;  // names, separated by commas
  uint64_t keys = 1000000;
  uint64_t reads = 1000000;
  uint64_t cache_bytes = uint64_t{256} << 20;
  uint64_t memtable_bytes = uint64_t{64} << 20;
  int bloom_bits = 10;
  uint64_t write_rate = 10000000;  // bytes a second beside readwhilewriting
};

// Reads settings from `--name value` pairs, opens the engine and runs the workloads. What main
// returns.
int RunWorkloads(int argc, char** argv,
                 const std::function<std::unique_ptr<Engine>(const Settings&)>& open);

}  // namespace bench
