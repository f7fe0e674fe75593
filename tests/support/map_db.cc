// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/map_db.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace lsm {

namespace {

// Null if the tree does not exist at this point.
const MapDbTree* FindTree(const MapDbDisk& disk, TreeId tree, SequenceNumber at) {
  const auto found = disk.trees.find(tree);
  if (found == disk.trees.end()) return nullptr;
  const MapDbTree& candidate = found->second;
  return candidate.created <= at && at < candidate.dropped ? &candidate : nullptr;
}

// The newest version at this point; null if there is none.
const MapDbTree::Versions::value_type* FindVersion(const MapDbTree::Versions& versions,
                                                   SequenceNumber at) {
  auto it = versions.upper_bound(at);
  return it == versions.begin() ? nullptr : &*--it;
}

class MapDbIterator : public Iterator {
 public:
  MapDbIterator(const MapDbTree* tree, SequenceNumber at, const IterateOptions& options)
      : tree_(tree), at_(at), options_(options), it_(tree->keys.end()) {}

  bool Valid() const override { return it_ != tree_->keys.end(); }
  Status status() const override { return {}; }
  void SeekToFirst() override { Seek(""); }
  void SeekToLast() override {
    it_ = tree_->keys.end();
    StepBack();
  }
  void Seek(std::string_view target) override {
    std::string from(target);
    if (options_.lower) from = std::max(from, options_.lower->key);
    it_ = tree_->keys.lower_bound(std::max(from, options_.prefix));
    StepForward();
  }
  void SeekForPrev(std::string_view target) override {
    it_ = tree_->keys.upper_bound(std::string(target));
    StepBack();
  }
  void Next() override {
    assert(Valid());
    ++it_;
    StepForward();
  }
  void Prev() override {
    assert(Valid());
    StepBack();
  }
  std::string_view key() const override { return it_->first; }
  std::string_view value() const override { return *FindVersion(it_->second, at_)->second; }
  SequenceNumber sequence() const override { return FindVersion(it_->second, at_)->first; }
  int num_active_iterators() const override { return 1; }

 private:
  bool IsShown() const {
    const std::string& key = it_->first;
    if (!key.starts_with(options_.prefix)) return false;
    const auto& lower = options_.lower;
    const auto& upper = options_.upper;
    if (lower && (key < lower->key || (key == lower->key && !lower->inclusive))) return false;
    if (upper && (key > upper->key || (key == upper->key && !upper->inclusive))) return false;
    const auto* version = FindVersion(it_->second, at_);
    return version != nullptr && version->second;
  }
  // To the first shown key from it_ on; the end if there is none.
  void StepForward() {
    while (Valid() && !IsShown()) {
      const std::string& key = it_->first;
      const bool is_behind = (options_.upper && key > options_.upper->key) ||
                             (key > options_.prefix && !key.starts_with(options_.prefix));
      it_ = is_behind ? tree_->keys.end() : std::next(it_);
    }
  }
  // To the last shown key before it_; the end if there is none.
  void StepBack() {
    while (it_ != tree_->keys.begin()) {
      --it_;
      if (IsShown()) return;
    }
    it_ = tree_->keys.end();
  }

  const MapDbTree* const tree_;
  const SequenceNumber at_;
  const IterateOptions options_;
  std::map<std::string, MapDbTree::Versions>::const_iterator it_;
};

class MapDbView : public ReadView {
 public:
  // `at` is read anew by Refresh.
  MapDbView(const MapDbDisk* disk, const SequenceNumber* at) : disk_(disk), source_(at), at_(*at) {}

  Result<Lookup> Get(TreeId tree, std::string_view key) override {
    const MapDbTree* found = FindTree(*disk_, tree, at_);
    if (found == nullptr) return Status::NotFound("no such tree");
    Lookup lookup;
    const auto entry = found->keys.find(std::string(key));
    if (entry == found->keys.end()) return lookup;
    const auto* version = FindVersion(entry->second, at_);
    if (version == nullptr) return lookup;
    if (version->first > disk_->synced) lookup.sequence = version->first;
    if (version->second) lookup.value = PinnedValue(*version->second);
    return lookup;
  }
  Result<std::unique_ptr<Iterator>> NewIterator(TreeId tree,
                                                const IterateOptions& options) override {
    const MapDbTree* found = FindTree(*disk_, tree, at_);
    if (found == nullptr) return Status::NotFound("no such tree");
    return std::unique_ptr<Iterator>(std::make_unique<MapDbIterator>(found, at_, options));
  }
  Result<TreeCounters> Counters(TreeId tree) override {
    const MapDbTree* found = FindTree(*disk_, tree, at_);
    if (found == nullptr) return Status::NotFound("no such tree");
    auto it = found->counters.upper_bound(at_);
    return it == found->counters.begin() ? TreeCounters{} : (--it)->second;
  }
  SequenceNumber sequence() const override { return at_; }
  void Prefetch(TreeId, std::span<const std::string_view>) override {}
  void SetMemoryOnly(bool) override {}
  void NoteMissing(TreeId, std::span<const std::string_view>) override {}
  std::shared_ptr<ColdRead> TakeMissing() override { return nullptr; }
  void Refresh() override { at_ = *source_; }

 private:
  const MapDbDisk* const disk_;
  const SequenceNumber* const source_;
  SequenceNumber at_;
};

class MapDbSnapshot : public Snapshot {
 public:
  explicit MapDbSnapshot(SequenceNumber sequence) : sequence_(sequence) {}
  SequenceNumber sequence() const override { return sequence_; }

 private:
  const SequenceNumber sequence_;
};

class Applier : public WriteBatch::Handler {
 public:
  Applier(MapDbDisk* disk, SequenceNumber sequence) : disk_(disk), sequence_(sequence) {}

  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    Tree(tree).keys[std::string(key)][sequence_] = std::string(value);
    return {};
  }
  Status Delete(TreeId tree, std::string_view key) override {
    Tree(tree).keys[std::string(key)][sequence_] = std::nullopt;
    return {};
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    MapDbTree& changed = Tree(tree);
    TreeCounters counters{};
    if (!changed.counters.empty()) counters = changed.counters.rbegin()->second;
    counters[counter] += delta;
    changed.counters[sequence_] = counters;
    return {};
  }
  Status CreateTree(TreeId tree) override {
    MapDbTree created;
    created.created = sequence_;
    const bool is_new = disk_->trees.emplace(tree, std::move(created)).second;
    assert(is_new);
    static_cast<void>(is_new);
    return {};
  }
  Status DropTree(TreeId tree) override {
    Tree(tree).dropped = sequence_;
    return {};
  }
  Status ForkTree(TreeId tree, TreeId source) override {
    MapDbTree forked = Tree(source);
    forked.created = sequence_;
    const bool is_new = disk_->trees.emplace(tree, std::move(forked)).second;
    assert(is_new);
    static_cast<void>(is_new);
    return {};
  }

 private:
  MapDbTree& Tree(TreeId tree) {
    const auto found = disk_->trees.find(tree);
    assert(found != disk_->trees.end() && sequence_ < found->second.dropped);
    return found->second;
  }

  MapDbDisk* const disk_;
  const SequenceNumber sequence_;
};

}  // namespace

class MapDbWriter : public Writer {
 public:
  explicit MapDbWriter(MapDb* db) : db_(db), view_(db->disk_, &db->last_) {
    assert(!db->is_locked_);
    db->is_locked_ = true;
  }
  ~MapDbWriter() override {
    static_cast<void>(db_->CloseGroup().ok());
    db_->is_locked_ = false;
  }
  Result<SequenceNumber> Commit(const WriteBatch& unit) override {
    Result<SequenceNumber> result = db_->Commit(unit);
    view_.Refresh();
    return result;
  }
  Result<SequenceNumber> CloseGroup() override {
    Result<SequenceNumber> result = db_->CloseGroup();
    view_.Refresh();
    return result;
  }
  bool HasOpenGroup() const override { return db_->last_ > db_->disk_->visible; }
  ReadView* view() override { return &view_; }

 private:
  MapDb* const db_;
  MapDbView view_;
};

namespace {

// Whether a unit puts anything.
bool Puts(const WriteBatch& unit) {
  class Handler final : public WriteBatch::Handler {
   public:
    Status Put(TreeId, std::string_view, std::string_view) override {
      puts = true;
      return {};
    }
    Status Delete(TreeId, std::string_view) override { return {}; }
    Status AddCounter(TreeId, size_t, int64_t) override { return {}; }
    Status CreateTree(TreeId) override { return {}; }
    Status DropTree(TreeId) override { return {}; }
    Status ForkTree(TreeId, TreeId) override {
      puts = true;
      return {};
    }
    bool puts = false;
  };
  Handler handler;
  return !WriteBatch::Iterate(unit.rep(), unit.count(), &handler).ok() || handler.puts;
}

}  // namespace

Result<SequenceNumber> MapDb::Commit(const WriteBatch& unit) {
  if (disk_->stall.state == WriteStall::State::kStop) {
    if (disk_->stall.reason != WriteStall::Reason::kDiskFull) {
      return Status::Busy("writes are stopped");
    }
    if (Puts(unit)) return Status::NoSpace("the disk is full");
  }
  if (unit.empty()) return last_;
  Applier applier(disk_, last_ + 1);
  const Status applied = WriteBatch::Iterate(unit.rep(), unit.count(), &applier);
  assert(applied.ok());
  static_cast<void>(applied.ok());
  return ++last_;
}

Result<SequenceNumber> MapDb::CloseGroup() {
  if (last_ == disk_->visible) return last_;
  if (!disk_->append_failure.ok()) {
    TakeBack();
    return disk_->append_failure;
  }
  disk_->visible = last_;
  return last_;
}

void MapDb::TakeBack() {
  const SequenceNumber keep = disk_->visible;
  std::erase_if(disk_->trees, [&](const auto& tree) { return tree.second.created > keep; });
  for (auto& [id, tree] : disk_->trees) {
    if (tree.dropped > keep) tree.dropped = kMaxSequence;
    tree.counters.erase(tree.counters.upper_bound(keep), tree.counters.end());
    for (auto& [key, versions] : tree.keys) {
      versions.erase(versions.upper_bound(keep), versions.end());
    }
  }
  last_ = keep;
}

Status MapDb::Close() {
  assert(!is_locked_);
  return SyncWal();
}

std::unique_ptr<Writer> MapDb::LockWriter() { return std::make_unique<MapDbWriter>(this); }

std::unique_ptr<Writer> MapDb::TryLockWriter() { return is_locked_ ? nullptr : LockWriter(); }

Status MapDb::Write(const WriteBatch& unit, bool sync) {
  {
    const std::unique_ptr<Writer> writer = LockWriter();
    const Result<SequenceNumber> committed = writer->Commit(unit);
    if (!committed.ok()) return committed.status();
    const Result<SequenceNumber> closed = writer->CloseGroup();
    if (!closed.ok()) return closed.status();
  }
  return sync ? SyncWal() : Status::Ok();
}

std::unique_ptr<ReadView> MapDb::NewReadView() {
  return std::make_unique<MapDbView>(disk_, &disk_->visible);
}

std::unique_ptr<ReadView> MapDb::NewReadView(const Snapshot& snapshot) {
  const SequenceNumber at = snapshot.sequence();
  return std::make_unique<MapDbView>(disk_, &at);
}

std::unique_ptr<Snapshot> MapDb::NewSnapshot() {
  return std::make_unique<MapDbSnapshot>(disk_->visible);
}

std::vector<TreeId> MapDb::Trees() {
  std::vector<TreeId> ids;
  for (const auto& [id, tree] : disk_->trees) {
    if (tree.dropped == kMaxSequence) ids.push_back(id);
  }
  return ids;
}

Status MapDb::StartCheckpoint(const std::string&, const std::vector<std::string>&) {
  if (disk_->listener != nullptr && disk_->checkpoints_end) {
    disk_->listener->OnCheckpoint(disk_->checkpoint_failure, {disk_->visible, 0, 0, 0});
  }
  return {};
}

Result<CheckpointInfo> MapDb::Checkpoint(const std::string&) {
  RETURN_IF_ERROR(disk_->checkpoint_failure);
  return CheckpointInfo{disk_->visible, 0, 0, 0};
}

void MapDb::RequestSync() {
  if (disk_->syncs_end) static_cast<void>(SyncWal().ok());
}

Status MapDb::SyncWal() {
  if (disk_->synced == disk_->visible) return {};
  disk_->synced = disk_->visible;
  if (disk_->listener != nullptr) disk_->listener->OnSynced(disk_->synced);
  return {};
}

}  // namespace lsm
