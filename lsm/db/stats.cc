// SPDX-License-Identifier: BSD-3-Clause

#include <algorithm>
#include <string>
#include <unordered_set>

#include "lsm/db/db_impl.h"

namespace lsm {

void DBImpl::CountTree(const Tree& tree, bool add) {
  if (tree.discounted) return;
  const size_t tables = tree.memtables();
  const size_t files = tree.state->version->files(0).size();
  // Most trees have one table and no file in L0; they are not counted.
  const auto count = [add](std::multiset<size_t>* counts, size_t value, size_t common) {
    if (value <= common) return;
    if (add) {
      counts->insert(value);
    } else {
      counts->erase(counts->find(value));
    }
  };
  count(&memtable_counts_, tables, 1);
  count(&l0_counts_, files, 0);
}

void DBImpl::DiscountTree(Tree* tree) {
  if (tree->discounted) return;
  CountTree(*tree, /*add=*/false);
  tree->discounted = true;
  memtable_bytes_ -= tree->active_bytes;
  LeaveTables(tree);
}

bool DBImpl::UpdateStall() {
  StallInput input;
  memory_.SetMemtables(memtable_bytes_);
  input.memtable_bytes = memtable_bytes_;
  input.write_buffer_budget = memory_.write_buffer_budget();
  input.max_memtables = memtable_counts_.empty() ? 1 : *memtable_counts_.rbegin();
  input.max_l0_files = l0_counts_.empty() ? 0 : *l0_counts_.rbegin();
  input.max_unsynced_age = max_unsynced_age_.load(std::memory_order_relaxed);
  if (input.max_unsynced_age != 0) input.unsynced_age = wal_.UnsyncedAgeMicros();
  input.flush_rate = flush_drain_.BytesPerSecond();
  input.compaction_rate = compaction_drain_.BytesPerSecond();
  input.sync_rate = sync_drain_.BytesPerSecond();
  input.log_failed = rescue_wanted_.load();
  input.flush_failed = !flush_error_.ok();
  const Status compaction_error = CompactionError();
  input.compaction_failed = !compaction_error.ok();
  input.disk_full = flush_error_.IsNoSpace() || compaction_error.IsNoSpace();
  const WriteStall before = stall_;
  stall_ = ComputeStall(options_, input);
  if (stall_.state != before.state) {
    if (stall_.state == WriteStall::State::kStop) ++stats_.stall_stops;
    if (stall_.state == WriteStall::State::kSlowdown) ++stats_.stall_slowdowns;
  }
  if (stall_.bytes_per_second != before.bytes_per_second) {
    pacer_.SetPace(stall_.bytes_per_second);
  }
  stopped_.store(stall_.state == WriteStall::State::kStop, std::memory_order_release);
  stalled_.store(stall_.state != WriteStall::State::kNone, std::memory_order_release);
  if (!IsRelief(before, stall_)) return false;
  changed_.SignalAll();
  return true;
}

WriteStall DBImpl::CurrentStall() const {
  if (!stalled_.load(std::memory_order_acquire)) return {};
  WriteStall stall;
  {
    MutexLock lock(&mutex_);
    stall = stall_;
  }
  if (stall.state == WriteStall::State::kSlowdown) {
    stall.delay_micros = pacer_.DelayMicros(options_.clock->MonotonicMicros());
  }
  return stall;
}

Status DBImpl::BackgroundError() const {
  MutexLock lock(&mutex_);
  if (stall_.reason != WriteStall::Reason::kBackgroundError &&
      stall_.reason != WriteStall::Reason::kDiskFull) {
    return {};
  }
  return CauseOfStop();
}

Status DBImpl::CauseOfStop() const {
  if (Status log = wal_.failure(); !log.ok()) return log;
  return flush_error_.ok() ? CompactionError() : flush_error_;
}

void DBImpl::SetMemoryLimit(size_t bytes) {
  memory_.SetLimit(bytes);
  limit_changed_.store(true);
  bool relieved = false;
  {
    MutexLock lock(&mutex_);
    relieved = UpdateStall();
    ScheduleFlush();
    if (!shrink_scheduled_ && opened_ && !closed_) {
      shrink_scheduled_ = true;
      ++jobs_;
      executor_->Schedule(Executor::Lane::kRead, [this] { BackgroundShrink(); });
    }
  }
  if (relieved && options_.listener != nullptr) options_.listener->OnStallRelieved();
}

// No lock is held from one entry to the next, so nobody waits for this.
void DBImpl::BackgroundShrink() {
  {
    MutexLock lock(&mutex_);
    shrink_scheduled_ = false;
  }
  tables_.ShrinkToLimits();
  constexpr size_t kEntries = 1024;
  while (!closing_.load() && block_cache_.Shrink(kEntries)) {
  }
  MutexLock lock(&mutex_);
  --jobs_;
  changed_.SignalAll();
}

void DBImpl::CountFiles(const std::vector<std::shared_ptr<const Version>>& versions,
                        DbStats* stats) const {
  std::unordered_set<uint64_t> files;
  for (const auto& version : versions) {
    stats->compaction_debt_bytes += picker_.PendingBytes(*version);
    for (int level = 0; level < kMaxLevels; ++level) {
      stats->levels[static_cast<size_t>(level)].files += version->files(level).size();
      stats->levels[static_cast<size_t>(level)].bytes += version->sums(level).bytes;
      for (const FileRef& file : version->files(level)) {
        if (files.insert(file->file).second) stats->sst_bytes += file->file_size;
      }
    }
  }
  stats->sst_files = files.size();
}

DbStats DBImpl::Stats() const {
  const WalManager::Figures log = wal_.figures();
  const ColdReader::Figures cold = cold_reader_.figures();
  DbStats stats;
  std::vector<std::shared_ptr<const Version>> versions;  // looked through without the lock
  {
    MutexLock lock(&mutex_);
    stats = stats_;
    stats.memtable_bytes = memtable_bytes_;
    stats.immutable_memtables = frozen_tables_;
    stats.trees = trees_.size() - dropped_.size();
    stats.l0_files_max = l0_counts_.empty() ? 0 : *l0_counts_.rbegin();
    versions.reserve(trees_.size());
    for (const auto& [id, tree] : trees_) versions.push_back(tree->state->version);
  }
  CountFiles(versions, &stats);
  const BlobFiles::Figures blobs = blob_files_->figures();
  stats.blob_files = blobs.files;
  stats.blob_bytes = blobs.bytes;
  // Forks may count a value more than once.
  stats.blob_garbage_bytes = blobs.bytes - std::min(blobs.bytes, blobs.needed_bytes);
  stats.wal_segments = log.segments;
  stats.wal_bytes_written = log.bytes_written;
  stats.wal_groups = log.groups;
  stats.wal_syncs = log.syncs;
  stats.block_cache_hits = block_cache_.hits();
  stats.block_cache_misses = block_cache_.misses();
  stats.block_cache_bytes = block_cache_.usage_bytes();
  stats.block_cache_capacity = block_cache_.capacity_bytes();
  stats.table_bytes = memory_.tables();
  stats.memory_limit = memory_.limit();
  stats.cold_fetches = cold.fetched;
  stats.cold_joined = cold.joined;
  stats.filter_useful = filter_useful_.load(std::memory_order_relaxed);
  return stats;
}

void DBImpl::DescribeTree(TreeId tree, const std::function<void(std::string_view line)>& line) {
  std::shared_ptr<const TreeState> state;
  {
    MutexLock lock(&mutex_);
    const auto found = trees_.find(tree);
    if (found == trees_.end() || found->second->dropped != 0) return line("no such tree");
    state = found->second->state;
  }
  const auto describe_table = [&line](const std::string& name, const MemTable& table) {
    line(name + ": keys=" + std::to_string(table.keys()) +
         " records=" + std::to_string(table.records()) +
         " bytes=" + std::to_string(table.ApproximateMemoryUsage()));
  };
  describe_table("memtable", *state->active);
  for (const auto& frozen : state->frozen) describe_table("immutable", *frozen->table);
  for (int level = 0; level < kMaxLevels; ++level) {
    const std::vector<FileRef>& files = state->version->files(level);
    if (files.empty()) continue;
    line("level " + std::to_string(level) + ": files=" + std::to_string(files.size()));
    for (const FileRef& file : files) {
      line("  " + std::to_string(file->file) + ".sst entries=" + std::to_string(file->entries) +
           " tombstones=" + std::to_string(file->tombstones) +
           " bytes=" + std::to_string(file->file_size));
    }
  }
}

}  // namespace lsm
