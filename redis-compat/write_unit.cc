// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/write_unit.h"

#include <algorithm>
#include <memory>

#include "redis-compat/databases.h"
#include "redis-compat/instance.h"
#include "redis-compat/key_codec.h"
#include "redis-compat/seeded_hash.h"

namespace redis {

namespace {

// Few enough writes to look through without an index.
constexpr size_t kLinearSearch = 16;

size_t HashOf(lsm::TreeId tree, std::string_view key) {
  return SeededHash()(key) ^ (size_t{tree} * 0x9e3779b97f4a7c15u);
}

}  // namespace

const WriteUnit::Write* WriteUnit::FindWrite(lsm::TreeId tree, std::string_view key) {
  if (writes_.size() <= kLinearSearch) {
    for (size_t i = writes_.size(); i-- > 0;) {
      if (writes_[i].tree == tree && KeyOf(writes_[i]) == key) return &writes_[i];
    }
    return nullptr;
  }
  for (; indexed_ < writes_.size(); ++indexed_) {
    const Write& write = writes_[indexed_];
    if (size_t* position = FindIndexed(write.tree, KeyOf(write))) {
      *position = indexed_;
    } else {
      index_.emplace(HashOf(write.tree, KeyOf(write)), indexed_);
    }
  }
  const size_t* position = FindIndexed(tree, key);
  return position == nullptr ? nullptr : &writes_[*position];
}

size_t* WriteUnit::FindIndexed(lsm::TreeId tree, std::string_view key) {
  const auto [begin, end] = index_.equal_range(HashOf(tree, key));
  for (auto it = begin; it != end; ++it) {
    const Write& write = writes_[it->second];
    if (write.tree == tree && KeyOf(write) == key) return &it->second;
  }
  return nullptr;
}

lsm::Result<std::optional<lsm::PinnedValue>> WriteUnit::Get(lsm::TreeId tree,
                                                            std::string_view key) {
  using Found = std::optional<lsm::PinnedValue>;
  if (const Write* write = FindWrite(tree, key)) {
    if (write->deleted) return Found();
    // A copy: the batch's bytes move when it grows.
    auto copy = std::make_shared<const std::string>(
        batch_.rep().substr(write->value_begin, write->value_size));
    const std::string_view bytes = *copy;
    return Found(lsm::PinnedValue(bytes, std::move(copy)));
  }
  if (CreatesTree(tree)) return Found();
  lsm::Result<lsm::Lookup> lookup = instance_->view()->Get(tree, key);
  if (!lookup.ok()) return lookup.status();
  Reflect(lookup->sequence);
  return std::move(lookup->value);
}

lsm::Result<std::unique_ptr<lsm::Iterator>> WriteUnit::NewIterator(
    lsm::TreeId tree, const lsm::IterateOptions& options) {
  ReflectEverything();
  std::unique_ptr<lsm::Iterator> base;
  if (!CreatesTree(tree)) {
    lsm::Result<std::unique_ptr<lsm::Iterator>> opened =
        instance_->view()->NewIterator(tree, options);
    if (!opened.ok()) return opened.status();
    base = std::move(*opened);
    if (writes_.empty()) return base;
  }
  for (; ordered_count_ < writes_.size(); ++ordered_count_) {
    const Write& write = writes_[ordered_count_];
    std::optional<ValuePlace>& place = ordered_[{write.tree, std::string(KeyOf(write))}];
    place.reset();
    if (!write.deleted) place = ValuePlace{write.value_begin, write.value_size};
  }
  auto iterator =
      std::make_unique<UnitIterator>(std::move(base), &ordered_, &batch_, tree, options);
  if (!CreatesTree(tree) && !iterator->HasOwnWrites()) return iterator->TakeBase();
  return std::unique_ptr<lsm::Iterator>(std::move(iterator));
}

void WriteUnit::Put(lsm::TreeId tree, std::string_view key, std::string_view value) {
  batch_.Put(tree, key, value);
  // The operation ends with the key, the value's length and the value.
  size_t length_size = 1;
  for (size_t rest = value.size() >> 7; rest != 0; rest >>= 7) ++length_size;
  const size_t value_begin = batch_.rep().size() - value.size();
  writes_.push_back({.tree = tree,
                     .deleted = false,
                     .key_begin = value_begin - length_size - key.size(),
                     .key_size = key.size(),
                     .value_begin = value_begin,
                     .value_size = value.size()});
}

void WriteUnit::Delete(lsm::TreeId tree, std::string_view key) {
  batch_.Delete(tree, key);
  writes_.push_back({.tree = tree,
                     .deleted = true,
                     .key_begin = batch_.rep().size() - key.size(),
                     .key_size = key.size(),
                     .value_begin = 0,
                     .value_size = 0});
}

void WriteUnit::AddCounter(lsm::TreeId tree, size_t counter, int64_t delta) {
  for (CounterChange& change : counter_changes_) {
    if (change.tree != tree || change.counter != counter) continue;
    change.delta += delta;
    return;
  }
  counter_changes_.push_back({tree, counter, delta});
}

lsm::Result<int64_t> WriteUnit::Counter(lsm::TreeId tree, size_t counter) {
  ReflectEverything();
  int64_t value = 0;
  if (!CreatesTree(tree)) {
    lsm::Result<lsm::TreeCounters> counters = instance_->view()->Counters(tree);
    if (!counters.ok()) return counters.status();
    value = counters.value()[counter];
  }
  for (const CounterChange& change : counter_changes_) {
    if (change.tree == tree && change.counter == counter) value += change.delta;
  }
  return value;
}

bool WriteUnit::CreatesTree(lsm::TreeId tree) const {
  return std::find(created_trees_.begin(), created_trees_.end(), tree) != created_trees_.end();
}

const lsm::WriteBatch& WriteUnit::Seal() {
  for (const CounterChange& change : counter_changes_) {
    if (change.delta != 0) batch_.AddCounter(change.tree, change.counter, change.delta);
  }
  counter_changes_.clear();
  return batch_;
}

lsm::TreeId WriteUnit::DatabaseTree(int database) {
  for (size_t i = tree_changes_.size(); i-- > 0;) {
    if (tree_changes_[i].database == database) return tree_changes_[i].tree;
  }
  const Databases::Entry& entry = instance_->databases().Find(database);
  Reflect(entry.changed);
  return entry.tree;
}

lsm::TreeId WriteUnit::CreateDatabaseTree(int database) {
  if (const lsm::TreeId tree = DatabaseTree(database); tree != lsm::kDirectoryTree) return tree;
  const lsm::TreeId tree = instance_->db().NewTreeId();
  batch_.CreateTree(tree);
  SetDatabaseTree(database, tree);
  created_trees_.push_back(tree);
  return tree;
}

void WriteUnit::DropDatabaseTree(int database) {
  const lsm::TreeId tree = DatabaseTree(database);
  if (tree == lsm::kDirectoryTree) return;
  batch_.DropTree(tree);
  SetDatabaseTree(database, lsm::kDirectoryTree);
  std::erase_if(counter_changes_,
                [tree](const CounterChange& change) { return change.tree == tree; });
}

void WriteUnit::SwapDatabases(int a, int b) {
  const lsm::TreeId tree_a = DatabaseTree(a);
  const lsm::TreeId tree_b = DatabaseTree(b);
  if (tree_a == tree_b) return;
  SetDatabaseTree(a, tree_b);
  SetDatabaseTree(b, tree_a);
}

void WriteUnit::SetDatabaseTree(int database, lsm::TreeId tree) {
  const std::string key = EncodeDatabaseKey(static_cast<uint32_t>(database));
  if (tree == lsm::kDirectoryTree) {
    batch_.Delete(lsm::kDirectoryTree, key);
  } else {
    batch_.Put(lsm::kDirectoryTree, key, EncodeFixed32(tree));
  }
  tree_changes_.push_back({database, tree});
}

std::vector<int> WriteUnit::NonEmptyDatabases() {
  // That a database is empty may be the doing of a unit that can still be lost.
  ReflectEverything();
  std::vector<int> numbers = instance_->databases().NonEmpty();
  for (const TreeChange& change : tree_changes_) numbers.push_back(change.database);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::erase_if(numbers,
                [this](int database) { return DatabaseTree(database) == lsm::kDirectoryTree; });
  return numbers;
}

void WriteUnit::ReflectEverything() { Reflect(instance_->view()->sequence()); }

void WriteUnit::DropWrites() {
  if (batch_.empty()) return;
  batch_.Clear();
  writes_.clear();
  index_.clear();
  indexed_ = 0;
  if (ordered_count_ != 0) ordered_.clear();
  ordered_count_ = 0;
  tree_changes_.clear();
  created_trees_.clear();
  counter_changes_.clear();
}

void WriteUnit::Clear() {
  DropWrites();
  reflects_ = 0;
  // One very large value shall not be paid for until the end.
  constexpr size_t kKeptCapacity = size_t{4} << 20;
  if (key_buffer.capacity() + value_buffer.capacity() > kKeptCapacity) [[unlikely]] {
    std::string().swap(key_buffer);
    std::string().swap(value_buffer);
  }
}

}  // namespace redis
