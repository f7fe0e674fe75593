// SPDX-License-Identifier: BSD-3-Clause
// LevelDB under db_bench's workloads: Debian ships the library without its benchmark.

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

#include "tests/bench/engine/workloads.h"

namespace bench {
namespace {

void Demand(const leveldb::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

leveldb::Slice SliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

class LevelDbReader final : public Reader {
 public:
  explicit LevelDbReader(leveldb::DB* db) : db_(db) {}

  bool Get(std::string_view key) override {
    const leveldb::Status status = db_->Get({}, SliceOf(key), &value_);
    if (!status.IsNotFound()) Demand(status);
    return status.ok();
  }

  size_t GetBatch(std::span<const std::string_view> keys) override {
    size_t found = 0;
    for (const std::string_view key : keys) found += Get(key);
    return found;
  }

  bool Seek(std::string_view target) override {
    const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator({}));
    it->Seek(SliceOf(target));
    Demand(it->status());
    return it->Valid() && it->key() == SliceOf(target);
  }

  uint64_t ReadAll() override {
    const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator({}));
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
  leveldb::DB* const db_;
  std::string value_;
};

class LevelDbEngine final : public Engine {
 public:
  explicit LevelDbEngine(const Settings& settings)
      : cache_(leveldb::NewLRUCache(settings.cache_bytes)),
        filter_(leveldb::NewBloomFilterPolicy(settings.bloom_bits)) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = settings.memtable_bytes;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    options.compression = leveldb::kNoCompression;
    leveldb::DB* db = nullptr;
    Demand(leveldb::DB::Open(options, settings.directory, &db));
    db_.reset(db);
  }

  void Put(std::string_view key, std::string_view value) override {
    Demand(db_->Put({}, SliceOf(key), SliceOf(value)));
  }
  void Delete(std::string_view key) override { Demand(db_->Delete({}, SliceOf(key))); }
  std::unique_ptr<Reader> NewReader() override {
    return std::make_unique<LevelDbReader>(db_.get());
  }
  void Compact() override { db_->CompactRange(nullptr, nullptr); }
  // There is no call for it, but every range's compaction begins with a flush.
  void Flush() override {
    const leveldb::Slice behind_all("\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    db_->CompactRange(&behind_all, &behind_all);
  }

 private:
  const std::unique_ptr<leveldb::Cache> cache_;
  const std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;  // goes before what it uses
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::RunWorkloads(argc, argv, [](const bench::Settings& settings) {
    return std::make_unique<bench::LevelDbEngine>(settings);
  });
}
