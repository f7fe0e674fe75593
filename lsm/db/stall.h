// SPDX-License-Identifier: BSD-3-Clause
// When writers are slowed and stopped.
//
// Writers meet a wall when memory is full of tables that wait for their flush, when L0 has more
// files than reads can bear, or when the oldest unit that only the log holds has not been synced
// for too long. Each of these figures has a mark at which slowing begins and one where the wall is;
// its *pressure* is how far it has come from the one to the other. From the first mark on, writers
// are held to a pace: the rate at which that figure's background work was measured to get things
// done, twice that at no pressure, all of it half way, nothing at the wall. So a load that the
// background cannot keep up with settles where pace and work are equal, instead of running into the
// wall and waiting there for the length of a whole job. (SILK, Balmau et al. 2019, has measurements
// of what walls do to latencies.)
//
// Thread safety: ComputeStall and IsRelief need none; DrainMeter none; WritePacer is safe for
// concurrent use.

#pragma once

#include <cstddef>
#include <cstdint>

#include "lsm/db.h"
#include "lsm/options.h"
#include "lsm/status.h"
#include "lsm/util/mutex.h"

namespace lsm {

struct StallInput {
  size_t memtable_bytes = 0;       // of all trees
  size_t write_buffer_budget = 0;  // for them; 0: what the options say
  size_t max_memtables = 0;        // of the tree that has most
  size_t max_l0_files = 0;         // of the tree that has most
  int64_t unsynced_age = 0;        // microseconds
  int64_t max_unsynced_age = 0;    // 0: no limit
  // Bytes a second.
  uint64_t flush_rate = 0;
  uint64_t compaction_rate = 0;
  uint64_t sync_rate = 0;
  bool log_failed = false;         // a sync of the log failed and its data are not rewritten yet
  bool flush_failed = false;       // the last flush failed
  bool compaction_failed = false;  // the last compaction failed
  bool disk_full = false;          // one of them for want of space
};

// The most severe of what applies; its delay is left to a WritePacer.
WriteStall ComputeStall(const Options& options, const StallInput& input);

// Whether `after` lets a writer go on sooner than `before`.
bool IsRelief(const WriteStall& before, const WriteStall& after);

// How fast a kind of background work gets things done while it works: what it did lately counts
// most, by the time it took.
class DrainMeter {
 public:
  void Note(uint64_t bytes, int64_t micros);
  // A guess until anything was noted.
  uint64_t BytesPerSecond() const;

 private:
  double bytes_ = 0;
  double micros_ = 0;
};

// Holds writers to a pace: a leaky bucket that may run a millisecond ahead, the grain of timers.
class WritePacer {
 public:
  // 0: no pace is to be kept.
  void SetPace(uint64_t bytes_per_second) EXCLUDES_LOCK(mutex_);
  // `now`: monotonic microseconds.
  void Charge(uint64_t bytes, int64_t now) EXCLUDES_LOCK(mutex_);
  // How long from `now` until somebody may write.
  int64_t DelayMicros(int64_t now) const EXCLUDES_LOCK(mutex_);

 private:
  mutable Mutex mutex_;
  uint64_t pace_ GUARDED_BY(mutex_) = 0;
  int64_t paid_until_nanos_ GUARDED_BY(mutex_) =
      0;  // what was charged is worth the time up to here
};

}  // namespace lsm
