// SPDX-License-Identifier: BSD-3-Clause
// A point read asks, in this order, and the first record decides, value or tombstone:
//   1. the active memtable, 2. the frozen ones, newest first,
//   3. the files that may hold the key: L0, newest first, then level by level.
// A file is passed over for its key range, then for its filter, before any of its blocks is read.

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "lsm/db/db_impl.h"
#include "lsm/db/read_view.h"
#include "lsm/format/checksum.h"
#include "lsm/format/file_names.h"
#include "lsm/iter/db_iterator.h"
#include "lsm/iter/level_iterator.h"
#include "lsm/iter/merging_iterator.h"
#include "lsm/sst/table_prefetch.h"
#include "lsm/util/check.h"

namespace lsm {

std::pair<TreeRef, std::shared_ptr<const TreeState>> DBImpl::FindForRead(TreeId tree,
                                                                         SequenceNumber sequence) {
  MutexLock lock(&mutex_);
  const auto found = trees_.find(tree);
  if (found == trees_.end()) return {};
  const Tree& candidate = *found->second;
  if (candidate.created > sequence) return {};
  if (candidate.dropped != 0 && candidate.dropped <= sequence) return {};
  return {found->second, candidate.state};
}

void DBImpl::Unpin(SequenceNumber sequence) {
  pins_.Unpin(sequence);
  NudgeHousekeeping();
}

ReadViewImpl::ReadViewImpl(DBImpl* db, Kind kind) : db_(db), kind_(kind), tables_(&db->tables_) {
  if (kind_ != Kind::kNewest) return;
  seen_changes_ = db_->state_changes_.load(std::memory_order_acquire);
  sequence_ = db_->pins_.Pin();
}

ReadViewImpl::ReadViewImpl(DBImpl* db, SequenceNumber of_snapshot)
    : db_(db), kind_(Kind::kSnapshot), sequence_(of_snapshot), tables_(&db->tables_) {
  db_->pins_.PinAgain(sequence_);
}

ReadViewImpl::~ReadViewImpl() {
  Forget();
  if (kind_ != Kind::kWriter) db_->Unpin(sequence_);
}

void ReadViewImpl::Forget() {
  last_ = nullptr;
  entries_.clear();
  tables_.Clear();
  (void)missing_.Take();
}

void ReadViewImpl::Refresh() {
  VARVE_CHECK(kind_ != Kind::kSnapshot);
  if (kind_ == Kind::kWriter) return Forget();
  // Where nothing has changed since, the point stays the newest and its tables are what there is.
  const uint64_t changes = db_->state_changes_.load(std::memory_order_acquire);
  if (changes == seen_changes_ && db_->visible_sequence() == sequence_) {
    if (!missing_.empty()) (void)missing_.Take();
    return;
  }
  seen_changes_ = changes;
  Forget();
  const SequenceNumber newest = db_->pins_.Pin();
  db_->Unpin(sequence_);
  sequence_ = newest;
}

const ReadViewImpl::Entry* ReadViewImpl::Use(TreeId tree) {
  if (last_ != nullptr && last_id_ == tree) return last_;
  auto found = entries_.find(tree);
  if (found == entries_.end()) {
    auto [ref, state] = db_->FindForRead(tree, sequence_);
    if (ref == nullptr) return nullptr;
    found = entries_.emplace(tree, Entry{std::move(ref), std::move(state)}).first;
  }
  last_id_ = tree;
  last_ = &found->second;
  return last_;
}

namespace {

Status NoTree(TreeId tree) {
  return Status::NotFound("tree " + std::to_string(tree) + " does not exist");
}

Lookup FromMemTable(const TableLookup& found, std::string_view value, SequenceNumber synced) {
  Lookup lookup;
  if (found.type == RecordType::kValue) lookup.value.emplace(value);
  if (found.sequence > synced) lookup.sequence = found.sequence;
  return lookup;
}

}  // namespace

Result<Lookup> ReadViewImpl::Get(TreeId tree, std::string_view key) {
  const Entry* entry = Use(tree);
  if (entry == nullptr) return NoTree(tree);
  const TreeState& state = *entry->state;
  std::string_view value;
  TableLookup found = state.active->Get(key, sequence_, &value);
  if (found.found) return FromMemTable(found, value, db_->synced_through());
  for (const std::shared_ptr<const FrozenTable>& frozen : state.frozen) {
    found = frozen->table->Get(key, sequence_, &value);
    if (found.found) return FromMemTable(found, value, db_->synced_through());
  }
  return GetFromFiles(state, key);
}

void ReadViewImpl::Prefetch(TreeId tree, std::span<const std::string_view> keys) {
  const Entry* entry = Use(tree);
  if (entry == nullptr) return;
  constexpr size_t kBatch = MemTable::kMaxPrefetch;
  for (; !keys.empty(); keys = keys.subspan(std::min(keys.size(), kBatch))) {
    std::array<HashedKey, kBatch> hashed;
    const size_t count = std::min(keys.size(), kBatch);
    for (size_t i = 0; i < count; ++i) hashed[i] = HashedKey::Of(keys[i]);
    PrefetchFrom(*entry->state, std::span(hashed).first(count));
  }
}

// Looks into one table after the other, as Get does, for those that are not in an earlier one.
void ReadViewImpl::PrefetchFrom(const TreeState& state, std::span<HashedKey> keys) {
  keys = state.active->Prefetch(keys);
  for (const std::shared_ptr<const FrozenTable>& frozen : state.frozen) {
    keys = frozen->table->Prefetch(keys);
  }
  if (!keys.empty()) PrefetchFromFiles(*state.version, keys);
}

static_assert(TablePrefetch::kKeys >= MemTable::kMaxPrefetch);

void ReadViewImpl::PrefetchFromFiles(const Version& version, std::span<const HashedKey> keys) {
  TablePrefetch prefetch(sequence_);
  for (const HashedKey& key : keys) {
    version.FilesForKey(key.key, [&](const FileRef& file) {
      const TableReader* const table = tables_.FindOpen(file->file, file->slice_tree);
      // A read would have to open the file first, and would ask no other one until then.
      if (table != nullptr) prefetch.Add(table, key.key, key.hash);
      return table != nullptr;
    });
  }
  prefetch.Run();
}

Result<const TableReader*> ReadViewImpl::FindTable(const FileRef& file) {
  if (!memory_only_) return tables_.Find(file->file, file->slice_tree);
  const TableReader* const open = tables_.FindInMemory(file->file, file->slice_tree);
  if (open != nullptr) return open;
  missing_.AddTable(file);
  return Status::WouldBlock("a file is not open");
}

Result<TableLookup> ReadViewImpl::Ask(const TableReader& table, const FileRef& file,
                                      const HashedKey& key, PinnedValue* value) {
  bool filtered = false;
  size_t block = 0;
  const Result<TableLookup> got =
      memory_only_ ? table.GetFromMemory(key.key, key.hash, sequence_, value, &filtered, &block)
                   : table.Get(key.key, key.hash, sequence_, value, &filtered);
  if (filtered) db_->filter_useful_.fetch_add(1, std::memory_order_relaxed);
  if (!got.status().IsWouldBlock()) return got;
  // The view has it, so it is in use, and the cache has not let go of it.
  std::shared_ptr<const TableReader> shared = db_->tables_.FindOpen(file->file, file->slice_tree);
  if (shared == nullptr) {
    missing_.AddTable(file);
  } else {
    missing_.AddBlock(file, std::move(shared), block);
  }
  return got;
}

void ReadViewImpl::NoteMissing(TreeId tree, std::span<const std::string_view> keys) {
  VARVE_CHECK(memory_only_);
  for (const std::string_view key : keys) {
    // What else is wrong with a key is for the read itself to say.
    if (!Get(tree, key).ok()) continue;
  }
}

std::shared_ptr<ColdRead> ReadViewImpl::TakeMissing() {
  if (missing_.empty()) return nullptr;
  return std::make_shared<ColdReadImpl>(missing_.Take());
}

void DBImpl::Fetch(std::shared_ptr<ColdRead> read, std::function<void(const Status&)> done) {
  cold_reader_.Fetch(std::static_pointer_cast<ColdReadImpl>(std::move(read)), std::move(done));
}

Status ReadViewImpl::ResolveBlob(const FileRef& file, PinnedValue* value) {
  BlobPointer pointer;
  if (const char* why = DecodeBlobPointer(value->view(), &pointer)) {
    return Status::Corruption(SstFileName(db_->directory_, file->file) + ": " + why);
  }
  Result<PinnedValue> read = db_->tables_.ReadBlob(pointer, /*fill_cache=*/true, memory_only_);
  if (read.status().IsWouldBlock()) missing_.AddBlob(pointer, file);
  RETURN_IF_ERROR(read.status());
  *value = std::move(*read);
  return {};
}

Result<Lookup> ReadViewImpl::GetFromFiles(const TreeState& state, std::string_view key) {
  const HashedKey hashed = HashedKey::Of(key);
  Status status;
  TableLookup found;
  Lookup lookup;  // the log is synced through everything in files: sequence stays 0
  PinnedValue value;
  state.version->FilesForKey(key, [&](const FileRef& file) {
    const Result<const TableReader*> table = FindTable(file);
    status = table.status();
    if (!status.ok()) return false;
    const Result<TableLookup> got = Ask(**table, file, hashed, &value);
    status = got.status();
    if (!status.ok()) return false;
    found = *got;
    if (found.found && found.type == RecordType::kBlob) status = ResolveBlob(file, &value);
    return !found.found;
  });
  RETURN_IF_ERROR(status);
  if (found.found && found.type != RecordType::kTombstone) lookup.value = std::move(value);
  return lookup;
}

namespace {

// Those of a level's files, which are in order and apart, that may hold keys of the range.
std::span<const FileRef> FilesInRange(std::span<const FileRef> files, const KeyRange& range) {
  if (range.empty) return {};
  const auto begin = std::partition_point(files.begin(), files.end(), [&](const FileRef& file) {
    return !range.AboveLower(file->largest_key);
  });
  const auto end = std::partition_point(begin, files.end(), [&](const FileRef& file) {
    return range.BelowUpper(file->smallest_key);
  });
  return {begin, end};
}

}  // namespace

Result<std::unique_ptr<Iterator>> ReadViewImpl::NewIterator(TreeId tree,
                                                            const IterateOptions& options) {
  const Entry* entry = Use(tree);
  if (entry == nullptr) return NoTree(tree);
  const TreeState& state = *entry->state;
  KeyRange range = KeyRange::From(options);
  std::vector<IteratorSource> sources;
  int tables = 0;
  MissingParts* const missing = memory_only_ ? &missing_ : nullptr;
  const auto add_memtable = [&](const MemTable& table) {
    std::string_view smallest;
    std::string_view largest;
    if (!table.KeyRange(&smallest, &largest) || !range.Overlaps(smallest, largest)) return;
    sources.push_back(table.NewIterator(sequence_));
    ++tables;
  };
  add_memtable(*state.active);
  for (const std::shared_ptr<const FrozenTable>& frozen : state.frozen)
    add_memtable(*frozen->table);
  const auto add_files = [&](std::span<const FileRef> files) {
    if (files.empty()) return;
    sources.push_back(std::make_unique<LevelIterator>(files, &db_->tables_, options.fill_cache,
                                                      missing, range.upper));
    tables += static_cast<int>(files.size());
  };
  // Files of L0 overlap each other: each is a source of its own.
  const std::vector<FileRef>& newest = state.version->files(0);
  for (size_t i = 0; i < newest.size(); ++i) {
    if (!range.Overlaps(newest[i]->smallest_key, newest[i]->largest_key)) continue;
    add_files(std::span(newest).subspan(i, 1));
  }
  for (int level = 1; level < kMaxLevels; ++level) {
    add_files(FilesInRange(state.version->files(level), range));
  }
  std::unique_ptr<InternalIterator> source;
  if (sources.size() == 1) {
    source = std::move(sources.front());  // nothing to merge
  } else {
    source = std::make_unique<MergingIterator>(std::move(sources));
  }
  // The state holds the files that the sources name.
  return std::unique_ptr<Iterator>(std::make_unique<DbIterator>(
      std::move(source), sequence_, std::move(range), tables, entry->state,
      BlobSource{options.keys_only ? nullptr : &db_->tables_, options.fill_cache, missing}));
}

Result<TreeCounters> ReadViewImpl::Counters(TreeId tree) {
  const Entry* entry = Use(tree);
  if (entry == nullptr) return NoTree(tree);
  return entry->tree->counters.At(sequence_);
}

SnapshotImpl::SnapshotImpl(DBImpl* db) : db_(db), sequence_(db->pins_.Pin()) {}

SnapshotImpl::~SnapshotImpl() { db_->Unpin(sequence_); }

std::unique_ptr<ReadView> DBImpl::NewReadView() {
  return std::make_unique<ReadViewImpl>(this, ReadViewImpl::Kind::kNewest);
}

std::unique_ptr<ReadView> DBImpl::NewReadView(const Snapshot& snapshot) {
  return std::make_unique<ReadViewImpl>(this, snapshot.sequence());
}

std::unique_ptr<Snapshot> DBImpl::NewSnapshot() { return std::make_unique<SnapshotImpl>(this); }

std::vector<TreeId> DBImpl::Trees() {
  std::vector<TreeId> ids;
  const SequenceNumber visible = visible_sequence();
  MutexLock lock(&mutex_);
  for (const auto& [id, tree] : trees_) {
    const bool dropped = tree->dropped != 0 && tree->dropped <= visible;
    if (tree->created <= visible && !dropped) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace lsm
