// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/expiry.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis-compat/databases.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/observer.h"

namespace redis {

namespace {

constexpr int kEntriesPerRun = 20'000;
// The share of the loop's time, in percent, that a round may take at effort 1, and what each
// further effort adds: rounds are as long as `hz` makes them rare.
constexpr int64_t kLeastShare = 10;
constexpr int64_t kMoreShare = 2;

int64_t RoundMicros(const Settings& settings) {
  const int64_t share = kLeastShare + kMoreShare * (settings.active_expire_effort - 1);
  return 1'000'000 / std::max(settings.hz, 1) * share / 100;
}

// Read before they are fired: firing commits, which ends the iterator.
constexpr size_t kEntriesPerBatch = 128;

struct Entry {
  int64_t time_ms;
  std::string key;
};

}  // namespace

void ActiveExpiry::Run() {
  const int64_t started_us = instance_->clock().MonotonicMicros();
  RunDatabases(started_us + RoundMicros(instance_->settings()));
  const int64_t took_us = instance_->clock().MonotonicMicros() - started_us;
  instance_->statistics().expire_cycle_us += static_cast<uint64_t>(took_us);
  instance_->observer().NoteEvent("expire-cycle", took_us, instance_->now_ms());
}

void ActiveExpiry::RunDatabases(int64_t deadline_us) {
  std::vector<int> databases = instance_->databases().NonEmpty();
  if (databases.empty()) return;
  // Some are of trees that are gone.
  if (progress_.size() > databases.size()) progress_.clear();
  // Begin where the last run stopped, so that one busy database does not starve the others.
  std::rotate(databases.begin(),
              std::lower_bound(databases.begin(), databases.end(), next_database_),
              databases.end());
  int budget = kEntriesPerRun;
  for (const int database : databases) {
    const lsm::Result<bool> done = RunDatabase(database, &budget, deadline_us);
    if (!done.ok()) {
      instance_->host().Log(lsm::LogLevel::kWarning,
                            "cannot expire keys: " + done.status().ToString());
      return;
    }
    if (!done.value()) {
      next_database_ = database;
      ++instance_->statistics().expire_cycles_cut_short;
      return;
    }
  }
  next_database_ = 0;
}

lsm::Result<bool> ActiveExpiry::RunDatabase(int database, int* budget, int64_t deadline_us) {
  const lsm::TreeId tree = instance_->databases().Find(database).tree;
  const int64_t now_ms = instance_->now_ms();
  Progress& progress = progress_[tree];
  if (now_ms < progress.next_ms) return true;
  std::vector<Entry> due;
  while (true) {
    lsm::IterateOptions options;
    options.lower.emplace();
    EncodeExpiryKey(progress.done_ms, "", &options.lower->key);
    options.prefix = kExpiryPrefix;
    int64_t next_ms = std::numeric_limits<int64_t>::max();
    due.clear();
    {
      auto iterator = instance_->view()->NewIterator(tree, options);
      if (!iterator.ok()) return iterator.status();
      lsm::Iterator& entries = **iterator;
      for (entries.SeekToFirst(); entries.Valid() && due.size() < kEntriesPerBatch;
           entries.Next()) {
        const lsm::Result<ExpiryKeyView> entry = DecodeExpiryKey(entries.key());
        if (!entry.ok()) return entry.status();
        if (entry.value().time_ms > now_ms) {
          next_ms = entry.value().time_ms;
          break;
        }
        due.push_back({entry.value().time_ms, std::string(entry.value().key)});
      }
      RETURN_IF_ERROR(entries.status());
    }
    if (due.empty()) {
      progress = {now_ms, next_ms};
      return true;
    }
    for (const Entry& entry : due) {
      RETURN_IF_ERROR(Fire(database, entry.time_ms, entry.key));
      if (--*budget <= 0 || instance_->clock().MonotonicMicros() > deadline_us) return false;
      progress.done_ms = entry.time_ms;
    }
  }
}

void ActiveExpiry::Expect(lsm::TreeId tree, int64_t time_ms) {
  const auto progress = progress_.find(tree);
  if (progress == progress_.end()) return;
  progress->second.next_ms = std::min(progress->second.next_ms, time_ms);
}

lsm::Status ActiveExpiry::Fire(int database, int64_t entry_ms, std::string_view key) {
  instance_->BeginWrite();
  WriteUnit unit(instance_);
  Keyspace keys(instance_, &unit, database, instance_->now_ms());
  const lsm::TreeId tree = keys.tree();
  // Deletes the key with the entry of its own time, if it is expired.
  const lsm::Result<KeySlot> slot = keys.FindForWrite(key);
  if (!slot.ok()) return slot.status();
  std::string index_key;
  if (slot.value().exists && slot.value().header.expiry_ms) {
    EncodeExpiryKey(*slot.value().header.expiry_ms, key, &index_key);
    unit.Put(tree, index_key, "");
    Expect(tree, *slot.value().header.expiry_ms);
  }
  EncodeExpiryKey(entry_ms, key, &index_key);
  unit.Delete(tree, index_key);
  return instance_->Commit(&unit);
}

}  // namespace redis
