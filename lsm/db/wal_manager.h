// SPDX-License-Identifier: BSD-3-Clause
// WalManager is the one log of a database: a chain of segments of which the newest is written, at
// most one is prepared for use next, and a few retired ones are spare.
//
// A segment is recorded in the manifest before it is used, and taken out of it before its file is
// reused or removed; both are the caller's doing.
//
// Invariants:
//   - Segments are used in the order of their numbers.
//   - synced_through() only rises, and never passes what every segment has synced.
//   - After a failed sync nothing is appended or synced until Replace has put a new segment in the
//     place of all others.
//
// Thread safety: Append under the writer lock; everything else from any thread. sync_mutex_ orders
// syncs and is held while the disk works, so only those wait for it who wait for the disk anyway;
// mutex_ is a leaf and is never held across a call to the file system.

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "lsm/clock.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/util/mutex.h"
#include "lsm/wal/log_writer.h"

namespace lsm {

class WalManager {
 public:
  // `next_segment` gives a segment that is prepared and recorded.
  WalManager(Clock* clock, size_t segment_size,
             std::function<Result<std::shared_ptr<LogWriter>>()> next_segment);

  // `recovered` segments, which end at `position` and are synced, and the segment to write to.
  void Start(std::vector<uint64_t> recovered, const LogPosition& position,
             std::shared_ptr<LogWriter> segment);

  // The largest payload that is one group; only a single unit may be bigger.
  size_t max_group_payload() const { return max_group_payload_; }

  struct Units {
    std::string_view payload;
    SequenceNumber first_sequence = 0;
    uint32_t count = 0;
  };
  // Appends framed units, or has no effect. REQUIRES: the writer lock; one unit, or a payload of at
  // most max_group_payload().
  Status Append(const Units& units);

  // Waits until everything up to `through` is on disk, or as much as is appended by then.
  Status SyncThrough(SequenceNumber through) EXCLUDES_LOCK(sync_mutex_);
  SequenceNumber synced_through() const { return synced_through_.load(std::memory_order_acquire); }
  SequenceNumber appended_through() const EXCLUDES_LOCK(mutex_);
  // A sync under way covers everything appended.
  bool SyncCoversAll() const EXCLUDES_LOCK(mutex_);
  int64_t UnsyncedAgeMicros() const EXCLUDES_LOCK(mutex_);
  // Why nothing can be appended: a sync failed.
  Status failure() const EXCLUDES_LOCK(mutex_);

  // The oldest segments, as many as are full, synced, and hold nothing from `needed` on.
  struct Removal {
    std::vector<uint64_t> segments;
    LogPosition start;  // what the oldest one that stays chains to
  };
  std::optional<Removal> Removable(SequenceNumber needed) const EXCLUDES_LOCK(mutex_);
  // Takes note that the manifest has forgotten them; returns those that are not kept as spare.
  std::vector<uint64_t> Retire(const Removal& removal) EXCLUDES_LOCK(mutex_);
  std::optional<uint64_t> TakeSpare() EXCLUDES_LOCK(mutex_);

  void SetPrepared(std::shared_ptr<LogWriter> segment) EXCLUDES_LOCK(mutex_);
  std::shared_ptr<LogWriter> TakePrepared() EXCLUDES_LOCK(mutex_);
  bool HasPrepared() const { return has_prepared_.load(std::memory_order_relaxed); }

  // `segment`, empty and recorded, takes the place of all others, whose units are in SST files.
  void Replace(std::shared_ptr<LogWriter> segment, const LogPosition& position)
      EXCLUDES_LOCK(mutex_);

  // All that the manifest names, oldest first.
  std::vector<uint64_t> Numbers() const EXCLUDES_LOCK(mutex_);
  // What the log holds at this moment, oldest first, for somebody who copies it.
  struct Part {
    uint64_t number = 0;
    uint64_t size = 0;  // 0: all of the file, which was there before the database was opened
  };
  struct Extent {
    std::vector<Part> parts;
    SequenceNumber last_sequence = 0;  // the last whole unit
  };
  Extent Capture() const EXCLUDES_LOCK(mutex_);
  // Where the log ends. REQUIRES: nobody appends.
  LogPosition End() const EXCLUDES_LOCK(mutex_);
  // The last unit that has bytes in the oldest segment, 0 if that is the one being written.
  SequenceNumber OldestSegmentLast() const EXCLUDES_LOCK(mutex_);

  struct Figures {
    uint64_t segments = 0;
    uint64_t bytes_written = 0;
    uint64_t groups = 0;
    uint64_t syncs = 0;
  };
  Figures figures() const EXCLUDES_LOCK(mutex_);
  // How many entries the log has; what was recovered counts as one.
  size_t segment_count() const { return segment_count_.load(std::memory_order_relaxed); }

 private:
  struct Segment {
    std::vector<uint64_t> numbers;   // several only for what was recovered
    std::shared_ptr<LogWriter> log;  // null once it is full and synced
    LogPosition end;
    SequenceNumber last_sequence = 0;  // of any unit with bytes here, also one cut at the end
    bool ends_inside_unit = false;
    uint64_t written = 0;  // offsets
    uint64_t synced = 0;
  };

  // Why nothing can be appended, or goes on where Replace said.
  Status TakeOver() EXCLUDES_LOCK(mutex_);
  // `last`: of what one Append appends.
  Status AddGroup(const LogWriter::Group& group, bool last) EXCLUDES_LOCK(mutex_);
  Status NextSegment();
  bool SyncSegments(SequenceNumber* target, Status* failed) REQUIRES_LOCK(sync_mutex_);

  Clock* const clock_;
  const size_t max_group_payload_;
  const std::function<Result<std::shared_ptr<LogWriter>>()> next_segment_;

  // The writer lock.
  LogPosition position_;
  std::shared_ptr<LogWriter> current_;

  std::atomic<SequenceNumber> synced_through_{0};
  // What every Append asks about, without the lock under which they change.
  std::atomic<bool> disturbed_{false};  // failure_ or replaced_at_ is set
  std::atomic<bool> has_prepared_{false};
  std::atomic<size_t> segment_count_{0};

  mutable Mutex sync_mutex_;
  mutable Mutex mutex_;
  std::deque<Segment> segments_ GUARDED_BY(mutex_);  // oldest first; the last is written
  std::shared_ptr<LogWriter> prepared_ GUARDED_BY(mutex_);
  std::vector<uint64_t> spares_ GUARDED_BY(mutex_);
  std::optional<LogPosition> replaced_at_ GUARDED_BY(mutex_);  // for Append to take over
  Status failure_ GUARDED_BY(mutex_);
  SequenceNumber appended_through_ GUARDED_BY(mutex_) = 0;
  SequenceNumber sync_target_ GUARDED_BY(mutex_) = 0;  // of the sync under way
  int64_t oldest_unsynced_ GUARDED_BY(mutex_) = 0;     // when it was appended; 0: nothing is
  int64_t first_since_capture_ GUARDED_BY(mutex_) = 0;
  Figures figures_ GUARDED_BY(mutex_);
};

}  // namespace lsm
