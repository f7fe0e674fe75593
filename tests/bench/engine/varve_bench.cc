// SPDX-License-Identifier: BSD-3-Clause
// Varve's engine under db_bench's workloads, used as any program would use it: through lsm/db.h,
// a unit a write, the newest state for each read.

#include <utility>

#include "lsm/db.h"
#include "tests/bench/engine/workloads.h"

namespace bench {
namespace {

void Demand(const lsm::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

class VarveReader final : public Reader {
 public:
  explicit VarveReader(lsm::DB* db) : view_(db->NewReadView()) {}

  bool Get(std::string_view key) override {
    view_->Refresh();
    return Find(key);
  }

  size_t GetBatch(std::span<const std::string_view> keys) override {
    view_->Refresh();
    view_->Prefetch(lsm::kDirectoryTree, keys);
    size_t found = 0;
    for (const std::string_view key : keys) found += Find(key);
    return found;
  }

  bool Seek(std::string_view target) override {
    view_->Refresh();
    const std::unique_ptr<lsm::Iterator> it = NewIterator();
    it->Seek(target);
    Demand(it->status());
    return it->Valid() && it->key() == target;
  }

  uint64_t ReadAll() override {
    view_->Refresh();
    const std::unique_ptr<lsm::Iterator> it = NewIterator();
    uint64_t keys = 0;
    uint64_t bytes = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      bytes += it->key().size() + it->value().size();
      ++keys;
    }
    Demand(it->status());
    if (bytes < keys) Die("keys without bytes");
    return keys;
  }

 private:
  bool Find(std::string_view key) {
    const lsm::Result<lsm::Lookup> found = view_->Get(lsm::kDirectoryTree, key);
    Demand(found.status());
    return found->value.has_value();
  }
  std::unique_ptr<lsm::Iterator> NewIterator() {
    auto it = view_->NewIterator(lsm::kDirectoryTree, {});
    Demand(it.status());
    return std::move(*it);
  }

  const std::unique_ptr<lsm::ReadView> view_;
};

class VarveEngine final : public Engine {
 public:
  explicit VarveEngine(const Settings& settings) {
    lsm::Options options;
    options.memtable_size = settings.memtable_bytes;
    options.block_cache_size = settings.cache_bytes;
    options.filter_bits_per_key = settings.bloom_bits;
    options.compression = lsm::Compression::kNone;
    auto opened = lsm::DB::Open(options, settings.directory);
    Demand(opened.status());
    db_ = std::move(*opened);
  }
  ~VarveEngine() override { Demand(db_->Close()); }

  void Put(std::string_view key, std::string_view value) override {
    unit_.Clear();
    unit_.Put(lsm::kDirectoryTree, key, value);
    Demand(db_->Write(unit_, /*sync=*/false));
  }
  void Delete(std::string_view key) override {
    unit_.Clear();
    unit_.Delete(lsm::kDirectoryTree, key);
    Demand(db_->Write(unit_, /*sync=*/false));
  }
  std::unique_ptr<Reader> NewReader() override { return std::make_unique<VarveReader>(db_.get()); }
  void Compact() override { Demand(db_->CompactTree(lsm::kDirectoryTree)); }
  void Flush() override { Demand(db_->FlushAll()); }

 private:
  std::unique_ptr<lsm::DB> db_;
  lsm::WriteBatch unit_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunWorkloads(argc, argv, [](const bench::Settings& settings) {
    return std::make_unique<bench::VarveEngine>(settings);
  });
}
