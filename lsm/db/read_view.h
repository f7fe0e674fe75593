// SPDX-License-Identifier: BSD-3-Clause
// ReadViewImpl is one point of the execution order, pinned for as long as the view is there.
//
// The tables of a tree are looked up once, under the state lock, and kept: later reads of that tree
// take no lock but those of the caches. The tables may be newer than the point; records above it
// are ignored, and records it needs cannot have been merged away, because the pin is older than the
// lookup.
//
// A writer's view is at the writer's last unit. Nobody else can see that far, so it needs no pin:
// the newest record of a key is never dropped.
//
// Thread safety: none.

#pragma once

#include <memory>
#include <optional>
#include <unordered_map>

#include "lsm/db.h"
#include "lsm/db/tree.h"
#include "lsm/iter/missing_parts.h"
#include "lsm/sst/table_cache.h"

namespace lsm {

class DBImpl;

class ReadViewImpl final : public ReadView {
 public:
  enum class Kind { kNewest, kSnapshot, kWriter };

  ReadViewImpl(DBImpl* db, Kind kind);                   // kNewest, kWriter
  ReadViewImpl(DBImpl* db, SequenceNumber of_snapshot);  // kSnapshot
  ~ReadViewImpl() override;

  Result<Lookup> Get(TreeId tree, std::string_view key) override;
  Result<std::unique_ptr<Iterator>> NewIterator(TreeId tree,
                                                const IterateOptions& options) override;
  Result<TreeCounters> Counters(TreeId tree) override;
  SequenceNumber sequence() const override { return sequence_; }
  void Prefetch(TreeId tree, std::span<const std::string_view> keys) override;
  void SetMemoryOnly(bool memory_only) override { memory_only_ = memory_only; }
  void NoteMissing(TreeId tree, std::span<const std::string_view> keys) override;
  std::shared_ptr<ColdRead> TakeMissing() override;
  void Refresh() override;

  // For the writer: a later point, and letting go of tables.
  void MoveTo(SequenceNumber sequence) { sequence_ = sequence; }
  void Forget();

 private:
  struct Entry {
    std::shared_ptr<Tree> tree;
    std::shared_ptr<const TreeState> state;
  };
  // Null if the tree does not exist at this point.
  const Entry* Use(TreeId tree);
  void PrefetchFrom(const TreeState& state, std::span<HashedKey> keys);
  void PrefetchFromFiles(const Version& version, std::span<const HashedKey> keys);
  // The value that the record of type kBlob in `value` points to.
  Status ResolveBlob(const FileRef& file, PinnedValue* value);
  Result<Lookup> GetFromFiles(const TreeState& state, std::string_view key);
  // As the view reads: in memory only, noting what is missing, or from wherever it is.
  Result<const TableReader*> FindTable(const FileRef& file);
  Result<TableLookup> Ask(const TableReader& table, const FileRef& file, const HashedKey& key,
                          PinnedValue* value);

  DBImpl* const db_;
  const Kind kind_;
  SequenceNumber sequence_ = 0;
  uint64_t seen_changes_ = 0;  // kNewest: DBImpl's state_changes_ before any table was looked up
  // The tree that was used last, and all that were.
  TreeId last_id_ = 0;
  const Entry* last_ = nullptr;
  std::unordered_map<TreeId, Entry> entries_;
  PinnedTables tables_;  // of the files that were asked
  bool memory_only_ = false;
  MissingParts missing_;
};

class SnapshotImpl final : public Snapshot {
 public:
  explicit SnapshotImpl(DBImpl* db);
  ~SnapshotImpl() override;
  SequenceNumber sequence() const override { return sequence_; }

 private:
  DBImpl* const db_;
  const SequenceNumber sequence_;
};

}  // namespace lsm
