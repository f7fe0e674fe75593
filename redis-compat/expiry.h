// SPDX-License-Identifier: BSD-3-Clause
// ActiveExpiry removes keys whose time has come, driven by the expiry index (ENCODING.md): it reads
// the index from its front and never looks for expired keys elsewhere.
//
// For each database, round robin, within a budget of entries and time:
//   1. Pass it over while its first entry lies ahead of the clock.
//   2. Seek to the first entry that was not dealt with in an earlier run.
//   3. While its time has come: remove it, and with it the key if the key's own time has come; if
//      the key expires later, put an entry at that time. One unit for each entry.
//   4. Remember up to which time everything is done: what lies before are tombstones, and no entry
//      will be added there, because new expiries lie ahead of the clock. Remember the first entry
//      too, which a look into the tree would have to sort its newest keys for.
//
// Invariant: whoever adds an entry to an index says so by Expect.
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
  // The tree gets an index entry of that time.
  void Expect(lsm::TreeId tree, int64_t time_ms);
  // Units were taken back: what is done is not known any more.
  void Forget() { progress_.clear(); }

 private:
  struct Progress {
    int64_t done_ms = 0;  // entries before are gone
    int64_t next_ms = 0;  // no entry lies before
  };

  void RunDatabases(int64_t deadline_us);
  // Returns whether everything that was due is done. `budget` is in entries.
  lsm::Result<bool> RunDatabase(int database, int* budget, int64_t deadline_us);
  lsm::Status Fire(int database, int64_t entry_ms, std::string_view key);

  Instance* const instance_;
  int next_database_ = 0;
  std::map<lsm::TreeId, Progress> progress_;  // nothing is known of others
};

}  // namespace redis
