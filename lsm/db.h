// SPDX-License-Identifier: BSD-3-Clause
// DB is one directory of ordered trees under one log, one manifest, one block cache, one
// write-buffer budget and one set of workers.
//
// Writing. A caller takes the writer lock (one writer at a time), commits write units - each is
// visible to that writer at once - and closes the group: one append to the log, after which the
// units are visible to everybody and survive the death of the process. Nothing the units changed
// may be shown to anyone before the group is closed. Under `appendfsync always` the caller also
// waits until synced_through() has reached the group.
//
// Reading. A ReadView shows one point of the execution order. Readers never wait for writers,
// flushes or merges.
//
// Durability: after any crash the trees equal a prefix of the execution order of units.
//
// Thread safety: DB is safe for concurrent use. A Writer belongs to the thread that locked it; a
// ReadView and its Iterators to one thread at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/iterator.h"
#include "lsm/options.h"
#include "lsm/pinned_value.h"
#include "lsm/snapshot.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"

namespace lsm {

// What a point read found. `sequence` is the unit that wrote or deleted the key, 0 if no record of
// it exists or its record is known to be synced; a caller that must not show unsynced data waits
// until DB::synced_through() reaches it.
struct Lookup {
  std::optional<PinnedValue> value;  // absent: never written, or deleted
  SequenceNumber sequence = 0;
};

// What reads in memory only have lacked. DB::Fetch brings it into memory, where it stays for as
// long as this lives: a read that is tried again meanwhile, of any view, finds it. Also keeps the
// files concerned from being removed. Must not outlive the DB.
class ColdRead {
 public:
  virtual ~ColdRead() = default;
  // Blocks to be read and files to be opened, some perhaps twice.
  virtual size_t parts() const = 0;
};

// One point of the execution order: all units up to sequence(). Holds files and memtables alive, so
// keep it for a tick, and use a Snapshot for anything longer.
class ReadView {
 public:
  virtual ~ReadView() = default;

  // kNotFound if the tree does not exist at this point.
  virtual Result<Lookup> Get(TreeId tree, std::string_view key) = 0;
  virtual Result<std::unique_ptr<Iterator>> NewIterator(TreeId tree,
                                                        const IterateOptions& options) = 0;
  virtual Result<TreeCounters> Counters(TreeId tree) = 0;
  virtual SequenceNumber sequence() const = 0;

  // A hint that these keys will be read or written soon: fetches the memory that leads to them, for
  // all of them at once. Changes nothing, and may do nothing.
  virtual void Prefetch(TreeId tree, std::span<const std::string_view> keys) = 0;

  // From now on, or no longer, this view reads in memory only. What the disk alone could answer, or
  // a block so large that to uncompress it takes as long, is refused with kWouldBlock: by Get, and
  // by iterators made meanwhile, which end there. The view notes what was lacking. To try again,
  // Fetch that, and make the iterators anew; each try comes at least one file or block further.
  virtual void SetMemoryOnly(bool memory_only) = 0;
  // Notes what Get would lack for any of these keys, so that it is fetched together.
  // REQUIRES: the view reads in memory only
  virtual void NoteMissing(TreeId tree, std::span<const std::string_view> keys) = 0;
  // What was noted since the last call or Refresh; null if nothing was.
  virtual std::shared_ptr<ColdRead> TakeMissing() = 0;

  // Moves on to the newest visible point, and lets go of what the old one held: PinnedValues and
  // Iterators made before are dead. REQUIRES: the view was not made from a Snapshot.
  virtual void Refresh() = 0;
};

// The writer lock, from DB::LockWriter until destruction. Destruction closes the group; whoever
// cares whether that worked calls CloseGroup first.
class Writer {
 public:
  virtual ~Writer() = default;

  // Applies one unit; view() sees it on return. kBusy while writes are stopped (DB::CurrentStall),
  // an error if the engine cannot take writes; then nothing was changed. While the disk is full,
  // units that drop a tree or put nothing are taken all the same. An empty batch is a no-op. Closes
  // the group first if it would exceed its size limit; if that fails, the units of that group are
  // gone as CloseGroup describes and this one was not applied.
  virtual Result<SequenceNumber> Commit(const WriteBatch& unit) = 0;

  // Appends all units committed since the last call to the log. On success they are visible to
  // everybody and survive the death of the process; returns the last one's sequence number. On
  // failure none of them has any effect, now or after a restart: the records they replaced are
  // back. OK without effect if there is nothing to append.
  virtual Result<SequenceNumber> CloseGroup() = 0;

  // Committed units of this group that are not yet appended.
  virtual bool HasOpenGroup() const = 0;

  // Sees everything that was committed, also by this writer. Values and iterators obtained from it
  // are good until the next Commit or CloseGroup.
  virtual ReadView* view() = 0;
};

struct WriteStall {
  enum class State { kNone, kSlowdown, kStop };
  enum class Reason {
    kNone,
    kMemtables,
    kWriteBufferBudget,
    kL0Files,
    kUnsyncedLog,
    kDiskFull,
    kBackgroundError
  };
  State state = State::kNone;
  Reason reason = Reason::kNone;
  // Under kSlowdown: how long whoever wants to write should wait from now on, 0 if it may go on;
  // and the pace, in bytes of write units, that all writers together are to keep.
  int64_t delay_micros = 0;
  uint64_t bytes_per_second = 0;
};
std::string_view ToString(WriteStall::State state);
std::string_view ToString(WriteStall::Reason reason);

// A checkpoint is another database, in a directory of its own, that equals this one at `sequence`:
// it holds all units up to it and none behind.
struct CheckpointInfo {
  SequenceNumber sequence = 0;
  uint64_t files = 0;         // SST and blob files
  uint64_t linked_bytes = 0;  // of files that both share: they take no space until one lets go
  uint64_t copied_bytes = 0;  // of the log, and of files that could not be linked
};
struct CheckpointProgress {
  bool running = false;
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // 0 until it is known
};

// A level of all trees together.
struct LevelStats {
  uint64_t files = 0;          // now; a file that trees share counts for each
  uint64_t bytes = 0;          // now
  uint64_t bytes_read = 0;     // by compactions, from this level
  uint64_t bytes_written = 0;  // by flushes and compactions, to this level
};

// Figures about the engine since it was opened, unless said otherwise.
struct DbStats {
  uint64_t memtable_bytes = 0;       // now, all trees
  uint64_t immutable_memtables = 0;  // now, all trees
  uint64_t trees = 0;                // now
  uint64_t sst_files = 0;            // now
  uint64_t sst_bytes = 0;            // now
  uint64_t blob_files = 0;           // now
  uint64_t blob_bytes = 0;           // now
  uint64_t blob_garbage_bytes = 0;   // now: no record points there any more
  uint64_t l0_files_max = 0;         // now, the tree that has most
  uint64_t wal_segments = 0;         // now, those that hold records still needed
  uint64_t wal_bytes_written = 0;
  uint64_t wal_groups = 0;
  uint64_t wal_syncs = 0;
  uint64_t rotations = 0;
  uint64_t flushes = 0;
  uint64_t flush_bytes_written = 0;
  uint64_t compactions = 0;
  uint64_t compaction_bytes_read = 0;
  uint64_t compaction_bytes_written = 0;
  uint64_t compaction_moves = 0;       // of trees' files to another level, unread
  uint64_t compaction_drops = 0;       // of files that nobody needed, unread
  uint64_t compaction_debt_bytes = 0;  // now: about what has to be rewritten before none is due
  std::vector<LevelStats> levels;      // L0 first
  uint64_t stall_stops = 0;
  uint64_t stall_slowdowns = 0;
  uint64_t block_cache_hits = 0;
  uint64_t block_cache_misses = 0;
  uint64_t block_cache_bytes = 0;     // now
  uint64_t block_cache_capacity = 0;  // now
  uint64_t table_bytes = 0;           // now, indexes and filters of open files
  uint64_t memory_limit = 0;          // 0: none
  uint64_t cold_fetches = 0;          // blocks read and files opened by Fetch
  uint64_t cold_joined = 0;           // those for which somebody else's read did
  uint64_t filter_useful = 0;         // point reads of a file that its filter saved
  uint64_t replayed_units = 0;        // by the last open
  uint64_t replayed_bytes = 0;
};

class DB {
 public:
  // Opens or creates the database in `directory`. Replays the log; see FORMAT.md, "Recovery", for
  // what is a crash's tail and what is corruption. kBusy if another process has it open.
  static Result<std::unique_ptr<DB>> Open(const Options& options, const std::string& directory);

  // Closes as Close does and drops what it says.
  virtual ~DB() = default;

  // Finishes background work, flushes what the options ask for, syncs, and leaves the mark of a
  // clean stop. REQUIRES: no Writer, ReadView or Snapshot is alive.
  virtual Status Close() = 0;

  virtual std::unique_ptr<Writer> LockWriter() = 0;
  // Null if somebody else has it.
  virtual std::unique_ptr<Writer> TryLockWriter() = 0;
  // One unit as a group of its own; waits while writes are stopped. `sync`: also waits for disk.
  virtual Status Write(const WriteBatch& unit, bool sync) = 0;

  virtual std::unique_ptr<ReadView> NewReadView() = 0;
  virtual std::unique_ptr<ReadView> NewReadView(const Snapshot& snapshot) = 0;
  // Pins the newest visible point: nothing it can see is merged away while it lives.
  virtual std::unique_ptr<Snapshot> NewSnapshot() = 0;

  // Never used before, never returned again, also after a crash.
  virtual TreeId NewTreeId() = 0;
  virtual std::vector<TreeId> Trees() = 0;

  // Starts a sync of the log, unless one that covers everything appended is under way, and returns
  // at once; Listener::OnSynced reports its end. Nothing happens if all is synced.
  virtual void RequestSync() = 0;
  // Waits until everything appended so far is on disk.
  virtual Status SyncWal() = 0;
  virtual SequenceNumber synced_through() const = 0;
  virtual SequenceNumber visible_sequence() const = 0;
  // Monotonic microseconds since the oldest unit that is not synced was appended; 0 if all is.
  virtual int64_t UnsyncedAgeMicros() const = 0;

  virtual WriteStall CurrentStall() const = 0;
  // Writers are slowed once the oldest unit that is not synced is half this old, so that they
  // hardly ever find it older; 0: they are not. At first 0.
  virtual void LimitUnsyncedAge(int64_t micros) = 0;
  // OK, or why writes are refused at the moment.
  virtual Status BackgroundError() const = 0;

  // Rotates and flushes the tree's memtables, and waits. Harmless with nothing to flush.
  virtual Status Flush(TreeId tree) = 0;
  virtual Status FlushAll() = 0;
  // Flushes the tree, brings all its records with keys from `begin` on and before `end` (absent: no
  // limit) into the last level, without versions and tombstones that nobody needs, and waits. It is
  // done in steps, each of which is whole by itself; kAborted if the database closes meanwhile.
  virtual Status CompactRange(TreeId tree, std::optional<std::string_view> begin,
                              std::optional<std::string_view> end) = 0;
  // The same for all keys: one sorted run.
  Status CompactTree(TreeId tree) { return CompactRange(tree, std::nullopt, std::nullopt); }

  // Begins a checkpoint of a state no older than what is visible now, and returns at once; a worker
  // does it, and Listener::OnCheckpoint tells the end. Nobody waits for it: files that it needs and
  // nobody else does are kept, and take space, until it ends. SST files are linked, or copied where
  // the file system cannot link; the log is copied.
  //   Everything is written to `directory`.tmp, synced, and renamed at the end: `directory` appears
  // whole or not at all; directories above it that do not exist are made. What an earlier attempt
  // left under that name is removed first. Close ends a checkpoint with kAborted.
  //   Once it is whole, the databases in `obsolete` are removed, which are earlier checkpoints; one
  // that cannot be removed is logged.
  //   kBusy if one is under way, kInvalidArgument if `directory` exists.
  virtual Status StartCheckpoint(const std::string& directory,
                                 const std::vector<std::string>& obsolete) = 0;
  // The same without any that is obsolete, and waits for its end.
  virtual Result<CheckpointInfo> Checkpoint(const std::string& directory) = 0;
  // Of the checkpoint under way, or of the last one.
  virtual CheckpointProgress LastCheckpoint() const = 0;

  // Reads from disk what `read` names, everything at the same time, and then calls `done` once with
  // OK or the first failure: on a worker, or, if the database is closing (kAborted), within this
  // call. What several have asked for is read once. `done` must not wait for the database.
  // What is fetched, or was and is not let go of yet, may take half the block cache; beyond that
  // one ColdRead at a time is fetched, in the order of the calls.
  // REQUIRES: `read` is from TakeMissing and was not fetched before
  virtual void Fetch(std::shared_ptr<ColdRead> read, std::function<void(const Status&)> done) = 0;

  // Changes Options::memory_limit. What is beyond it goes in the background: caches at once,
  // memtables as they are flushed, and writes slow down meanwhile.
  virtual void SetMemoryLimit(size_t bytes) = 0;

  virtual DbStats Stats() const = 0;
};

// Removes a database, its directory included. kBusy if somebody has it open, kInvalidArgument if
// files are in it that are not of a database: then nothing was removed. A crash on the way leaves
// `directory`.tmp, which is nobody's database; such a name is removed as it is.
Status RemoveDatabase(FileSystem* fs, const std::string& directory);

}  // namespace lsm
