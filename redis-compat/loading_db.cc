// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/loading_db.h"

#include <span>

namespace redis {
namespace {

lsm::Status NotYet() { return lsm::Status::Busy("the database is being opened"); }

class NoView : public lsm::ReadView {
 public:
  lsm::Result<lsm::Lookup> Get(lsm::TreeId, std::string_view) override { return NotYet(); }
  lsm::Result<std::unique_ptr<lsm::Iterator>> NewIterator(lsm::TreeId,
                                                          const lsm::IterateOptions&) override {
    return NotYet();
  }
  lsm::Result<lsm::TreeCounters> Counters(lsm::TreeId) override { return NotYet(); }
  lsm::SequenceNumber sequence() const override { return 0; }
  void Prefetch(lsm::TreeId, std::span<const std::string_view>) override {}
  void SetMemoryOnly(bool /*memory_only*/) override {}
  void NoteMissing(lsm::TreeId, std::span<const std::string_view>) override {}
  std::shared_ptr<lsm::ColdRead> TakeMissing() override { return nullptr; }
  void Refresh() override {}
};

class NoWriter : public lsm::Writer {
 public:
  lsm::Result<lsm::SequenceNumber> Commit(const lsm::WriteBatch&) override { return NotYet(); }
  lsm::Result<lsm::SequenceNumber> CloseGroup() override { return lsm::SequenceNumber{0}; }
  bool HasOpenGroup() const override { return false; }
  lsm::ReadView* view() override { return &view_; }

 private:
  NoView view_;
};

class NoSnapshot : public lsm::Snapshot {
 public:
  lsm::SequenceNumber sequence() const override { return 0; }
};

}  // namespace

std::unique_ptr<lsm::Writer> LoadingDb::LockWriter() { return std::make_unique<NoWriter>(); }
lsm::Status LoadingDb::Write(const lsm::WriteBatch&, bool) { return NotYet(); }
std::unique_ptr<lsm::ReadView> LoadingDb::NewReadView() { return std::make_unique<NoView>(); }
std::unique_ptr<lsm::ReadView> LoadingDb::NewReadView(const lsm::Snapshot&) {
  return std::make_unique<NoView>();
}
std::unique_ptr<lsm::Snapshot> LoadingDb::NewSnapshot() { return std::make_unique<NoSnapshot>(); }
lsm::Status LoadingDb::Flush(lsm::TreeId) { return NotYet(); }
lsm::Status LoadingDb::FlushAll() { return NotYet(); }
lsm::Status LoadingDb::CompactRange(lsm::TreeId, std::optional<std::string_view>,
                                    std::optional<std::string_view>) {
  return NotYet();
}
lsm::Status LoadingDb::StartCheckpoint(const std::string&, const std::vector<std::string>&) {
  return NotYet();
}
lsm::Result<lsm::CheckpointInfo> LoadingDb::Checkpoint(const std::string&) { return NotYet(); }

}  // namespace redis
