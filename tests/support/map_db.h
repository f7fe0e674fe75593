// SPDX-License-Identifier: BSD-3-Clause
// MapDb is the engine's contract over std::map: every version of every key stays in memory, and a
// view picks the one it may see. Small enough to be believed, it lets the Redis layer be tested
// without an engine, and be compared with itself on the real one.
//
// What is on its "disk" is a MapDbDisk, which outlives it: opening another MapDb on the same disk
// is a restart. Through the disk a test also decides when appends fail, syncs end, and writes stop.
//
// Thread safety: none; one thread.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "lsm/db.h"

namespace lsm {

struct MapDbTree {
  SequenceNumber created = 0;
  SequenceNumber dropped = kMaxSequence;  // the unit that dropped it
  // Newest last; absent: a tombstone.
  using Versions = std::map<SequenceNumber, std::optional<std::string>>;
  std::map<std::string, Versions> keys;
  std::map<SequenceNumber, TreeCounters> counters;
};

struct MapDbDisk {
  std::map<TreeId, MapDbTree> trees = {{kDirectoryTree, {}}};
  SequenceNumber visible = 0;
  SequenceNumber synced = 0;
  TreeId next_tree = 1;

  // Told about syncs; may be null.
  Listener* listener = nullptr;

  // Knobs.
  Status append_failure;  // not OK: CloseGroup fails with it
  bool syncs_end = true;  // false: RequestSync begins what never ends
  WriteStall stall;
  int64_t unsynced_age_us = 0;
  int64_t max_unsynced_age_us = 0;
  Status checkpoint_failure;    // not OK: how checkpoints end
  bool checkpoints_end = true;  // false: StartCheckpoint begins what never ends
};

class MapDb : public DB {
 public:
  // `disk` must outlive it.
  explicit MapDb(MapDbDisk* disk) : disk_(disk), last_(disk->visible) {}

  Status Close() override;
  std::unique_ptr<Writer> LockWriter() override;
  std::unique_ptr<Writer> TryLockWriter() override;
  Status Write(const WriteBatch& unit, bool sync) override;
  std::unique_ptr<ReadView> NewReadView() override;
  std::unique_ptr<ReadView> NewReadView(const Snapshot& snapshot) override;
  std::unique_ptr<Snapshot> NewSnapshot() override;
  TreeId NewTreeId() override { return disk_->next_tree++; }
  std::vector<TreeId> Trees() override;
  void RequestSync() override;
  Status SyncWal() override;
  SequenceNumber synced_through() const override { return disk_->synced; }
  SequenceNumber visible_sequence() const override { return disk_->visible; }
  int64_t UnsyncedAgeMicros() const override { return disk_->unsynced_age_us; }
  WriteStall CurrentStall() const override { return disk_->stall; }
  void LimitUnsyncedAge(int64_t micros) override { disk_->max_unsynced_age_us = micros; }
  Status BackgroundError() const override { return {}; }
  Status Flush(TreeId) override { return {}; }
  Status FlushAll() override { return {}; }
  Status CompactRange(TreeId, std::optional<std::string_view>,
                      std::optional<std::string_view>) override {
    return {};
  }
  Status StartCheckpoint(const std::string& directory,
                         const std::vector<std::string>& obsolete) override;
  Result<CheckpointInfo> Checkpoint(const std::string& directory) override;
  CheckpointProgress LastCheckpoint() const override { return {}; }
  void Fetch(std::shared_ptr<ColdRead>, std::function<void(const Status&)> done) override {
    done(Status::Ok());  // nothing is ever missing
  }
  void SetMemoryLimit(size_t) override {}
  DbStats Stats() const override { return {}; }

 private:
  friend class MapDbWriter;

  Result<SequenceNumber> Commit(const WriteBatch& unit);
  Result<SequenceNumber> CloseGroup();
  void TakeBack();

  MapDbDisk* const disk_;
  SequenceNumber last_;  // committed, not yet visible if above disk_->visible
  bool is_locked_ = false;
};

}  // namespace lsm
