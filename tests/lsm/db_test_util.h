// SPDX-License-Identifier: BSD-3-Clause
// A database on files in memory whose background work a test steps by hand.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"

namespace lsm::db_test {

inline constexpr char kDirectory[] = "db";

// Small enough for a test to reach every limit.
inline Options SmallOptions() {
  Options options;
  options.memtable_size = size_t{16} << 10;
  options.write_buffer_budget = size_t{1} << 20;
  options.block_cache_size = size_t{256} << 10;
  options.target_file_size = size_t{16} << 10;
  options.block_size = 512;
  options.wal_segment_size = size_t{32} << 10;
  options.wal_size_limit = size_t{256} << 10;
  options.max_open_files = 16;
  return options;
}

// Declares nothing about the order of members by chance: the database goes first.
class TestDb {
 public:
  explicit TestDb(Options options = SmallOptions())
      : fs_(std::make_unique<MemFileSystem>()), options_(options) {}

  MemFileSystem* fs() { return fs_.get(); }
  ManualClock* clock() { return &clock_; }
  ManualExecutor* executor() { return executor_.get(); }
  Options* options() { return &options_; }
  DB* db() { return db_.get(); }
  DB* operator->() { return db_.get(); }

  Status Open() {
    if (executor_ == nullptr) executor_ = std::make_unique<ManualExecutor>();
    options_.file_system = fs_.get();
    options_.clock = &clock_;
    options_.executor = executor_.get();
    Result<std::unique_ptr<DB>> db = DB::Open(options_, kDirectory);
    if (!db.ok()) return db.status();
    db_ = std::move(db).value();
    return {};
  }
  Status Close() {
    const Status closed = db_->Close();
    db_.reset();
    return closed;
  }
  Status Reopen() {
    RETURN_IF_ERROR(Close());
    return Open();
  }
  // As if the process had been killed at this moment.
  Status Kill() { return Replace(fs_->AfterKill()); }
  // As if the power had been cut at this moment.
  Status CutPower(Random* random, PowerLoss loss) {
    return Replace(fs_->AfterPowerCut(random, loss));
  }
  void RunAll() { executor_->RunAll(); }

  Status Put(std::string_view key, std::string_view value, TreeId tree = 0) {
    WriteBatch unit;
    unit.Put(tree, key, value);
    return db_->Write(unit, /*sync=*/false);
  }
  Status Delete(std::string_view key, TreeId tree = 0) {
    WriteBatch unit;
    unit.Delete(tree, key);
    return db_->Write(unit, /*sync=*/false);
  }
  // The value, "(absent)", or "(error) ...".
  std::string Get(std::string_view key, TreeId tree = 0) {
    return GetFrom(db_->NewReadView().get(), key, tree);
  }
  static std::string GetFrom(ReadView* view, std::string_view key, TreeId tree = 0) {
    const Result<Lookup> found = view->Get(tree, key);
    if (!found.ok()) return "(error) " + found.status().ToString();
    return found->value ? std::string(found->value->view()) : "(absent)";
  }
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  Pairs Scan(const IterateOptions& options = {}, TreeId tree = 0) {
    return ScanOf(db_->NewReadView().get(), options, tree);
  }
  static Pairs ScanOf(ReadView* view, const IterateOptions& options = {}, TreeId tree = 0) {
    Pairs pairs;
    const Result<std::unique_ptr<Iterator>> iterator = view->NewIterator(tree, options);
    if (!iterator.ok()) return {{"(error)", iterator.status().ToString()}};
    Iterator* it = iterator->get();
    for (it->SeekToFirst(); it->Valid(); it->Next()) pairs.emplace_back(it->key(), it->value());
    if (!it->status().ok()) pairs.emplace_back("(error)", it->status().ToString());
    return pairs;
  }
  TreeCounters Counters(TreeId tree = 0) {
    const Result<TreeCounters> counters = db_->NewReadView()->Counters(tree);
    return counters.ok() ? *counters : TreeCounters{-1, -1, -1, -1};
  }

 private:
  Status Replace(std::unique_ptr<MemFileSystem> image) {
    // The old database ends on the old files, unseen by the image.
    executor_->RunAll();
    db_.reset();
    executor_.reset();
    fs_ = std::move(image);
    return Open();
  }

  std::unique_ptr<MemFileSystem> fs_;
  ManualClock clock_;
  std::unique_ptr<ManualExecutor> executor_;
  Options options_;
  std::unique_ptr<DB> db_;
};

inline std::string Key(int i) {
  std::string digits = std::to_string(i);
  return "key" + std::string(6 - digits.size(), '0') + digits;
}

}  // namespace lsm::db_test
