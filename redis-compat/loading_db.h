// SPDX-License-Identifier: BSD-3-Clause
// LoadingDb stands in for the database while that is being opened: nothing is in it, and it takes
// no writes. Commands that need data are refused before they get here (Dispatcher), so that this
// only has to be harmless.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lsm/db.h"

namespace redis {

class LoadingDb : public lsm::DB {
 public:
  lsm::Status Close() override { return {}; }
  std::unique_ptr<lsm::Writer> LockWriter() override;
  std::unique_ptr<lsm::Writer> TryLockWriter() override { return LockWriter(); }
  lsm::Status Write(const lsm::WriteBatch& unit, bool sync) override;
  std::unique_ptr<lsm::ReadView> NewReadView() override;
  std::unique_ptr<lsm::ReadView> NewReadView(const lsm::Snapshot& snapshot) override;
  std::unique_ptr<lsm::Snapshot> NewSnapshot() override;
  lsm::TreeId NewTreeId() override { return 1; }
  std::vector<lsm::TreeId> Trees() override { return {lsm::kDirectoryTree}; }
  void RequestSync() override {}
  lsm::Status SyncWal() override { return {}; }
  lsm::SequenceNumber synced_through() const override { return 0; }
  lsm::SequenceNumber visible_sequence() const override { return 0; }
  int64_t UnsyncedAgeMicros() const override { return 0; }
  lsm::WriteStall CurrentStall() const override { return {}; }
  void LimitUnsyncedAge(int64_t /*micros*/) override {}
  lsm::Status BackgroundError() const override { return {}; }
  lsm::Status Flush(lsm::TreeId tree) override;
  lsm::Status FlushAll() override;
  lsm::Status CompactRange(lsm::TreeId tree, std::optional<std::string_view> begin,
                           std::optional<std::string_view> end) override;
  lsm::Status StartCheckpoint(const std::string& directory,
                              const std::vector<std::string>& obsolete) override;
  lsm::Result<lsm::CheckpointInfo> Checkpoint(const std::string& directory) override;
  lsm::CheckpointProgress LastCheckpoint() const override { return {}; }
  void Fetch(std::shared_ptr<lsm::ColdRead>,
             std::function<void(const lsm::Status&)> done) override {
    done({});  // nothing is ever missing
  }
  void SetMemoryLimit(size_t /*bytes*/) override {}
  lsm::DbStats Stats() const override { return {}; }
};

}  // namespace redis
