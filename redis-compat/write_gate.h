// SPDX-License-Identifier: BSD-3-Clause
// WriteGate decides whether a write command may run now or has to wait.
//
//   - The engine has stopped writes for a reason that passes by itself (memtables, L0 files): wait
//     until it says that it is relieved.
//   - The engine slows writes: wait for as long as it says.
//   - `appendfsync everysec`, and the oldest unsynced unit is two seconds old: wait for the sync.
//     The engine is told of that limit, and slows writes before it is reached.
//   - The disk is full or background work failed: run. The engine knows what it can take - a full
//     disk takes what frees space - and says why it refuses the rest.
//
// Reads never ask.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "lsm/db.h"
#include "redis-compat/config.h"
#include "redis-compat/host.h"

namespace redis {

class WriteGate {
 public:
  WriteGate(lsm::DB* db, Host* host, const Settings* settings)
      : db_(db), host_(host), settings_(settings) {}

  // Whether the sync is late is looked at once a tick.
  void BeginTick();

  enum class Answer { kGo, kWait };
  // After kGo the caller writes. After kWait the client is woken when it should ask again.
  Answer Ask(ClientId client);
  // Whether a write of the server's own may run now.
  bool IsOpen() const;

  // To be called when the engine has news, and from time to time: whoever waits is woken if it need
  // not wait any more.
  void WakeIfDecided();
  // Whoever waits may ask again.
  void WakeAll();

 private:
  bool SyncIsLate() const;
  bool MustWait(const lsm::WriteStall& stall) const;

  lsm::DB* const db_;
  Host* const host_;
  const Settings* const settings_;
  bool sync_is_late_ = false;
  int64_t max_unsynced_age_us_ = 0;  // as the engine was told
  uint64_t memory_limit_ = 0;        // that was set here last
  std::unordered_set<ClientId> is_waiting_;
  std::vector<ClientId> waiting_;  // in the order they came
};

}  // namespace redis
