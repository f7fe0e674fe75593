// SPDX-License-Identifier: BSD-3-Clause
// ColdReader brings what reads in memory only have lacked from disk, many parts at a time, on the
// executor's kRead lane.
//
//   1. Fetch puts the ColdRead at a queue's end. Its head begins if what it lacks finds room beside
//      what is pinned (half the block cache), or if none is under way.
//   2. A job is made of each part that nobody else is reading.
//   3. A job reads its part, checks it, and puts it into its cache.
//   4. Each ColdRead that waits for the part pins it there; the one that lacks nothing any more is
//      done, and its caller is told, on the thread that did the last step.
// So two that wait for one block cause one device read, and what was fetched cannot leave memory
// before the ColdRead is gone: the read that is tried again finds it however small the caches are.
// A command that needs more than there is room for, or several that hold each a part of it, still
// come to their ends, one step at a time.
//
// Thread safety: safe for concurrent use. Its lock is a leaf; neither reads nor callers' functions
// run under it, and no ColdRead is let go of.
// Invariants: a part under way is in flight_ until its waiters are told; jobs_ counts jobs that are
// scheduled or running, and a job reads nothing once the reader has been stopped; pinned_ is the
// sum of the bytes_ of those that have begun and live.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/executor.h"
#include "lsm/iter/missing_parts.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/table_cache.h"
#include "lsm/util/mutex.h"

namespace lsm {

class ColdReader;

class ColdReadImpl final : public ColdRead {
 public:
  explicit ColdReadImpl(std::vector<MissingPart> parts) : parts_(std::move(parts)) {}
  ~ColdReadImpl() override;
  size_t parts() const override { return parts_.size(); }

 private:
  friend class ColdReader;

  std::vector<MissingPart> parts_;  // until its end
  ColdReader* reader_ = nullptr;    // null: it was not fetched
  // The reader's lock, until it is done.
  size_t bytes_ = 0;  // of blocks: of those that have come in memory, of the others as stored
  std::vector<BlockCache::Pin> blocks_;
  std::vector<std::shared_ptr<const TableReader>> tables_;
  std::function<void(const Status&)> done_;
  size_t waiting_for_ = 0;  // parts
  Status status_;           // the first failure
};

class ColdReader {
 public:
  // What is given must outlive the reader. `blocks` is the cache of `tables`.
  // `released` is called when a ColdRead that was fetched has let go of its files.
  ColdReader(Executor* executor, TableCache* tables, const BlockCache* blocks,
             std::function<void()> released)
      : executor_(executor), tables_(tables), blocks_(blocks), released_(std::move(released)) {}

  // See DB::Fetch. REQUIRES: `read` was not fetched before
  void Fetch(std::shared_ptr<ColdReadImpl> read, std::function<void(const Status&)> done)
      EXCLUDES_LOCK(mutex_);
  // Ends what is under way with kAborted, and waits for it. What is fetched later is aborted too.
  void Stop() EXCLUDES_LOCK(mutex_);

  struct Figures {
    uint64_t fetched = 0;  // parts that were read
    uint64_t joined = 0;   // parts that somebody else was reading already
  };
  Figures figures() const EXCLUDES_LOCK(mutex_);

 private:
  friend class ColdReadImpl;

  // Who waits for a part. `ahead`: only in case.
  struct Waiter {
    std::shared_ptr<ColdReadImpl> read;
    bool ahead = false;
  };
  using Waiters = std::vector<Waiter>;
  using Jobs = std::vector<MissingPart>;
  // File, slice, and block; kNoBlock stands for the table itself. Or blob file, 0, and offset.
  using PartKey = std::tuple<uint64_t, TreeId, size_t>;
  static PartKey KeyOf(const MissingPart& part);
  // Of a block; a table counts for nothing.
  static size_t StoredSize(const MissingPart& part);

  // What a part has become: a table, or a block and the table that it is of.
  struct Fetched {
    std::shared_ptr<const TableReader> table;
    BlockCache::Pin block;
    Status status;
  };
  // From memory if it is there.
  Fetched Read(const MissingPart& part);
  // Begins what may begin.
  Jobs TakeJobs() REQUIRES_LOCK(mutex_);
  void Schedule(Jobs jobs) EXCLUDES_LOCK(mutex_);
  void RunJob(MissingPart part) EXCLUDES_LOCK(mutex_);
  // Notes a part, and tells the caller if it was the last one.
  void Receive(Fetched fetched, size_t stored_size, const Waiter& waiter) EXCLUDES_LOCK(mutex_);
  static void Finish(const std::shared_ptr<ColdReadImpl>& read);
  // A ColdRead that was fetched has let go of everything.
  void Release(size_t bytes) EXCLUDES_LOCK(mutex_);

  Executor* const executor_;
  TableCache* const tables_;
  const BlockCache* const blocks_;
  const std::function<void()> released_;
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<ColdReadImpl>> queue_ GUARDED_BY(mutex_);
  size_t under_way_ GUARDED_BY(mutex_) = 0;  // that have begun and are not done
  size_t pinned_ GUARDED_BY(mutex_) = 0;     // bytes
  CondVar idle_;
  std::map<PartKey, Waiters> flight_ GUARDED_BY(mutex_);
  size_t jobs_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  Figures figures_ GUARDED_BY(mutex_);
};

}  // namespace lsm
