// SPDX-License-Identifier: BSD-3-Clause
// What the programs share that keep a database of 16-byte keys and 100-byte values busy.
//
// Thread safety: Put belongs to one thread; the database is safe for others beside it.

#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "lsm/db.h"
#include "lsm/random.h"

namespace bench {

inline constexpr size_t kValueSize = 100;
inline constexpr size_t kKeySize = 16;

// Nothing that is measured may fail.
inline void Demand(const lsm::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// Sixteen digits. REQUIRES: i < 10^16
inline std::string KeyOf(uint64_t i) {
  std::string key(kKeySize, '0');
  for (size_t at = kKeySize; at > 0 && i > 0; i /= 10) key[--at] = static_cast<char>('0' + i % 10);
  return key;
}

class Overwriter {
 public:
  Overwriter(const lsm::Options& options, const std::string& directory) {
    auto opened = lsm::DB::Open(options, directory);
    Demand(opened.status());
    db_ = std::move(*opened);
    for (char& c : noise_) c = static_cast<char>(random_.Next64());
  }

  lsm::DB* db() { return db_.get(); }
  lsm::Random* random() { return &random_; }

  // A unit of its own, with random bytes for a value.
  void Put(uint64_t i) {
    unit_.Clear();
    const char* const value = noise_ + random_.Uniform(sizeof noise_ - kValueSize);
    unit_.Put(lsm::kDirectoryTree, KeyOf(i), {value, kValueSize});
    Demand(db_->Write(unit_, /*sync=*/false));
  }

  // Until nothing has been written for a while that is longer than the engine waits before it takes
  // up work that nobody is in need of.
  void WaitForQuiet() {
    using Clock = std::chrono::steady_clock;
    uint64_t last = 0;
    for (auto since = Clock::now(); Clock::now() - since < std::chrono::seconds(20);) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      const lsm::DbStats stats = db_->Stats();
      const uint64_t now =
          stats.wal_bytes_written + stats.flush_bytes_written + stats.compaction_bytes_written;
      if (now != last) since = Clock::now();
      last = now;
    }
  }

 private:
  std::unique_ptr<lsm::DB> db_;
  lsm::Random random_{1};
  lsm::WriteBatch unit_;
  char noise_[size_t{1} << 20];
};

}  // namespace bench
