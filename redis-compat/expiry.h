// SPDX-License-Identifier: BSD-3-Clause
// ActiveExpiry removes keys whose time has come, driven by the expiry index (ENCODING.md): it reads
// the index from its front and never looks for expired keys elsewhere.
//
// For each database that has an index, round robin, within a budget of entries and time:
//   1. Seek to the first entry that was not dealt with in an earlier run.
//   2. While its time has come: remove it, and with it the key if the key's own time has come; if
//      the key expires later, put an entry at that time. One unit for each entry.
//   3. Remember up to which time everything is done: what lies before are tombstones, and no entry
//      will be added there, because new expiries lie ahead of the clock.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <map>

#include "lsm/status.h"
#include "lsm/types.h"

namespace redis {

class Instance;

class ActiveExpiry {
 public:
  explicit ActiveExpiry(Instance* instance) : instance_(instance) {}

  // Some of the work that is due. To be called within a tick, while writes are possible.
  void Run();
  // Units were taken back: what is done is not known any more.
  void Forget() { progress_.clear(); }

 private:
  // Entries of `tree` before `time_ms` are gone.
  struct Progress {
    lsm::TreeId tree = lsm::kDirectoryTree;
    int64_t time_ms = 0;
  };

  void RunDatabases(int64_t deadline_us);
  // Returns whether everything that was due is done. `budget` is in entries.
  lsm::Result<bool> RunDatabase(int database, int* budget, int64_t deadline_us);
  lsm::Status Fire(int database, int64_t entry_ms, std::string_view key);

  Instance* const instance_;
  int next_database_ = 0;
  std::map<int, Progress> progress_;  // by database
};

}  // namespace redis
