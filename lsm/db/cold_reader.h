// SPDX-License-Identifier: BSD-3-Clause
// ColdReader brings what reads in memory only have lacked from disk, many parts at a time, on the
// executor's kRead lane.
//
//   1. Fetch makes a job of each part that is not in memory, and nobody else is reading.
//   2. A job reads its part, checks it, and puts it into its cache.
//   3. Each ColdRead that waits for the part pins it there; the one that lacks nothing any more is
//      done, and its caller is told, on the thread that did the last step.
// So two that wait for one block cause one device read, and what was fetched cannot leave memory
// before the ColdRead is gone: the read that is tried again finds it however small the caches are.
//
// Thread safety: safe for concurrent use. Its lock is a leaf; neither reads nor callers' functions
// run under it.
// Invariants: a part under way is in flight_ until its waiters are told; jobs_ counts jobs that are
// scheduled or running, and a job reads nothing once the reader has been stopped.

#pragma once

#include <cstdint>
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

class ColdReadImpl final : public ColdRead {
 public:
  explicit ColdReadImpl(std::vector<MissingPart> parts) : parts_(std::move(parts)) {}
  size_t parts() const override { return parts_.size(); }

 private:
  friend class ColdReader;

  const std::vector<MissingPart> parts_;
  // The reader's lock, until it is done.
  std::vector<BlockCache::Pin> blocks_;
  std::vector<std::shared_ptr<const TableReader>> tables_;
  bool fetched_ = false;
  std::function<void(const Status&)> done_;
  size_t waiting_for_ = 0;  // parts
  Status status_;           // the first failure
};

class ColdReader {
 public:
  // What is given must outlive the reader.
  ColdReader(Executor* executor, TableCache* tables) : executor_(executor), tables_(tables) {}

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
  using Waiters = std::vector<std::shared_ptr<ColdReadImpl>>;
  // File, slice, and block; kNoBlock stands for the table itself. Or blob file, 0, and offset.
  using PartKey = std::tuple<uint64_t, TreeId, size_t>;
  static PartKey KeyOf(const MissingPart& part);

  // What a part has become: a table, or a block and the table that it is of.
  struct Fetched {
    std::shared_ptr<const TableReader> table;
    BlockCache::Pin block;
    Status status;
  };
  // From memory if it is there.
  Fetched Read(const MissingPart& part);
  void RunJob(MissingPart part) EXCLUDES_LOCK(mutex_);
  // Notes a part of `read`. True if it was the last one.
  static bool Receive(Fetched fetched, ColdReadImpl* read);
  static void Finish(const std::shared_ptr<ColdReadImpl>& read);

  Executor* const executor_;
  TableCache* const tables_;
  mutable Mutex mutex_;
  CondVar idle_;
  std::map<PartKey, Waiters> flight_ GUARDED_BY(mutex_);
  size_t jobs_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  Figures figures_ GUARDED_BY(mutex_);
};

}  // namespace lsm
