// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/memtable.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/util/check.h"

namespace lsm {

const MemTable::Record* MemTable::RecordAt(Link link) const {
  if (link == Arena::kNull) return nullptr;
  return std::launder(reinterpret_cast<const Record*>(arena_.At(link)));
}

const MemTable::Record* MemTable::FindVisible(const Node& node, SequenceNumber sequence) const {
  const Record* record = RecordAt(node.newest());
  while (record != nullptr && record->sequence() > sequence) record = RecordAt(record->older);
  return record;
}

MemTable::Link MemTable::FindLink(uint64_t hash, std::string_view key) const {
  return index_.Find(hash, [&](Link found) { return Node::At(arena_, found)->key() == key; });
}

const MemTable::Node* MemTable::FindNode(uint64_t hash, std::string_view key) const {
  const Link link = FindLink(hash, key);
  return link == Arena::kNull ? nullptr : Node::At(arena_, link);
}

// The four looks into memory of a Get or Add; each fetches what the next one reads.
std::span<HashedKey> MemTable::Prefetch(std::span<HashedKey> keys) const {
  assert(keys.size() <= kMaxPrefetch);
  for (const HashedKey& key : keys) index_.PrefetchSegment(key.hash);
  for (const HashedKey& key : keys) index_.PrefetchSlot(key.hash);
  std::array<Link, kMaxPrefetch> nodes;
  size_t found = 0;
  const auto present = std::partition(keys.begin(), keys.end(), [&](const HashedKey& key) {
    const Link node = index_.FirstWithTag(key.hash);
    if (node == Arena::kNull) return true;
    Node::Prefetch(arena_, node);
    nodes[found++] = node;
    return false;
  });
  for (size_t i = 0; i < found; ++i) Node::At(arena_, nodes[i])->PrefetchNewest(arena_);
  return keys.first(static_cast<size_t>(present - keys.begin()));
}

MemTable::Link MemTable::NewRecord(SequenceNumber sequence, RecordType type, Link older,
                                   std::string_view value) {
  const Link link = arena_.Allocate(sizeof(Record) + value.size());
  char* const memory = arena_.At(link);
  new (memory) Record{(sequence << 8) | static_cast<uint64_t>(type), older,
                      static_cast<uint32_t>(value.size())};
  if (!value.empty()) std::memcpy(memory + sizeof(Record), value.data(), value.size());
  return link;
}

void MemTable::Add(SequenceNumber sequence, RecordType type, std::string_view key,
                   std::string_view value) {
  assert(sequence <= kMaxSequence);
  assert(sequence >= largest_sequence());
  assert(type != RecordType::kTombstone || value.empty());
  VARVE_CHECK(key.size() <= kMaxKeySize && value.size() < (uint64_t{1} << 32));
  if (type == RecordType::kTombstone) {
    const uint32_t before = tombstones_.load(std::memory_order_relaxed);
    tombstones_.store(std::max(before, before + 1), std::memory_order_relaxed);
  }
  const uint64_t hash = HashKey(key);
  if (const Link link = FindLink(hash, key); link != Arena::kNull) {
    const Node* const node = Node::At(arena_, link);
    const Link newest = node->newest();
    const Record* const replaced = RecordAt(newest);
    assert(replaced == nullptr || replaced->sequence() <= sequence);
    const bool same = replaced != nullptr && replaced->sequence() == sequence;
    node->SetNewest(NewRecord(sequence, type, same ? replaced->older : newest, value));
    if (same) return;
    // A chain that was there already has its note.
    if (replaced != nullptr && replaced->older == Arena::kNull) {
      replaced_.push_back({sequence, link});
    }
    CountAdded(sequence, newest == Arena::kNull);
    return;
  }
  const Link node = Node::Make(&arena_, key);
  Node::At(arena_, node)->SetNewest(NewRecord(sequence, type, Arena::kNull, value));
  index_.Insert(hash, node);
  order_.Append(node);
  CountAdded(sequence, true);
}

void MemTable::CountAdded(SequenceNumber sequence, bool first_of_key) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (first_of_key) keys_.store(static_cast<uint32_t>(keys() + 1), kRelaxed);
  if (empty()) smallest_sequence_.store(sequence, kRelaxed);
  largest_sequence_.store(sequence, kRelaxed);
  records_.store(records() + 1, kRelaxed);
}

void MemTable::Undo(SequenceNumber sequence, std::string_view key) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  const Node* const node = FindNode(HashKey(key), key);
  if (node == nullptr) return;
  const Record* const newest = RecordAt(node->newest());
  if (newest == nullptr || newest->sequence() != sequence) return;
  node->SetNewest(newest->older);
  if (newest->older == Arena::kNull) keys_.store(static_cast<uint32_t>(keys() - 1), kRelaxed);
  records_.store(records() - 1, kRelaxed);
  if (empty()) {
    smallest_sequence_.store(0, kRelaxed);
    largest_sequence_.store(0, kRelaxed);
  } else if (largest_sequence() >= sequence) {
    // The unit's other records go the same way; what stays is older.
    largest_sequence_.store(sequence - 1, kRelaxed);
  }
}

void MemTable::Reclaim(SequenceNumber floor) {
  while (!replaced_.empty() && replaced_.front().by <= floor) {
    const Link link = replaced_.front().node;
    replaced_.pop_front();
    const Node& node = *Node::At(arena_, link);
    CutChain(node, floor);
    const Record* const newest = RecordAt(node.newest());
    // What is left of the chain is for points behind the floor, and waits for a later one.
    if (newest != nullptr && newest->older != Arena::kNull) {
      replaced_.push_back({newest->sequence(), link});
    }
  }
}

void MemTable::CutChain(const Node& node, SequenceNumber floor) {
  const Record* const kept = FindVisible(node, floor);
  if (kept == nullptr) return;
  Link older = std::exchange(kept->older, Arena::kNull);
  uint64_t freed = 0;
  while (older != Arena::kNull) {
    const Link link = older;
    const Record* const record = RecordAt(link);
    older = record->older;
    arena_.Free(link, sizeof(Record) + record->value_size);
    ++freed;
  }
  records_.store(records() - freed, std::memory_order_relaxed);
}

TableLookup MemTable::Get(std::string_view key, SequenceNumber sequence,
                          std::string_view* value) const {
  const Node* const node = FindNode(HashKey(key), key);
  if (node == nullptr) return {};
  const Record* const record = FindVisible(*node, sequence);
  if (record == nullptr) return {};
  *value = record->value();
  return {.found = true, .type = record->type(), .sequence = record->sequence()};
}

bool MemTable::KeyRange(std::string_view* smallest, std::string_view* largest) const {
  // A node whose only record was undone holds no key; that may happen between any two looks.
  KeyOrder::Cursor cursor(&arena_, order_.Sorted());
  const auto is_without_key = [&cursor] {
    return cursor.node() != nullptr && cursor.node()->newest() == Arena::kNull;
  };
  cursor.SeekToFirst();
  while (is_without_key()) cursor.Next();
  if (cursor.node() == nullptr) return false;
  *smallest = cursor.node()->key();
  cursor.SeekToLast();
  while (is_without_key()) cursor.Prev();
  if (cursor.node() == nullptr) return false;
  *largest = cursor.node()->key();
  return true;
}

// Stands on one record. Nodes never go away, and records do not while this lives, so it stays a
// good place whatever the writer does; a step looks at the chain as it is then.
class MemTable::Iter final : public InternalIterator {
 public:
  explicit Iter(const MemTable* table)
      : table_(*table), cursor_(&table->arena_, table->order_.Sorted()) {}

  Status status() const override { return Status::Ok(); }

  void SeekToFirst() override {
    cursor_.SeekToFirst();
    StandOnNewest();
  }
  void SeekToLast() override {
    cursor_.SeekToLast();
    StandOnOldest();
  }

  void Seek(std::string_view user_key, SequenceNumber sequence) override {
    newer_.clear();
    cursor_.Seek(user_key);
    if (const Node* const node = cursor_.node(); node != nullptr && node->key() == user_key) {
      at_ = table_.FindVisible(*node, sequence);
      if (at_ != nullptr) return Show();
      cursor_.Next();
    }
    StandOnNewest();
  }

  void SeekBefore(std::string_view user_key) override {
    cursor_.SeekBefore(user_key);
    StandOnOldest();
  }

  void Next() override {
    assert(Valid());
    newer_.clear();
    at_ = table_.RecordAt(at_->older);
    if (at_ != nullptr) return Show();
    cursor_.Next();
    StandOnNewest();
  }

  void Prev() override {
    assert(Valid());
    // The chain leads only to older records: walk it once, and keep the way back.
    if (newer_.empty()) {
      for (const Record* record = table_.RecordAt(cursor_.node()->newest());
           record != nullptr && record->sequence() > at_->sequence();
           record = table_.RecordAt(record->older)) {
        newer_.push_back(record);
      }
    }
    if (newer_.empty()) {
      cursor_.Prev();
      return StandOnOldest();
    }
    at_ = newer_.back();
    newer_.pop_back();
    Show();
  }

 private:
  // Of the cursor's node or the next one that has records.
  void StandOnNewest() {
    newer_.clear();
    for (at_ = nullptr; cursor_.node() != nullptr; cursor_.Next()) {
      at_ = table_.RecordAt(cursor_.node()->newest());
      if (at_ != nullptr) break;
    }
    Show();
  }

  // Of the cursor's node or the one before that has records.
  void StandOnOldest() {
    newer_.clear();
    for (at_ = nullptr; cursor_.node() != nullptr; cursor_.Prev()) {
      at_ = table_.RecordAt(cursor_.node()->newest());
      if (at_ == nullptr) continue;
      while (at_->older != Arena::kNull) {
        newer_.push_back(at_);
        at_ = table_.RecordAt(at_->older);
      }
      break;
    }
    Show();
  }

  void Show() {
    if (at_ == nullptr) return StandOn(nullptr);
    shown_ = {cursor_.node()->key(), at_->sequence(), at_->type(), at_->value()};
    StandOn(&shown_);
  }

  const MemTable& table_;
  KeyOrder::Cursor cursor_;
  const Record* at_ = nullptr;  // null: not valid
  InternalRecord shown_;
  // For Prev: records of the node that are newer than at_, newest first. Empty: not known.
  std::vector<const Record*> newer_;
};

// Stands on the one record of its node that the point sees, which is not reclaimed while the point
// is pinned.
class MemTable::NewestIter final : public InternalIterator {
 public:
  NewestIter(const MemTable* table, SequenceNumber sequence)
      : table_(*table), sequence_(sequence), cursor_(&table->arena_, table->order_.Sorted()) {}

  Status status() const override { return Status::Ok(); }

  void SeekToFirst() override {
    cursor_.SeekToFirst();
    SkipForward();
  }
  void SeekToLast() override {
    cursor_.SeekToLast();
    SkipBack();
  }
  void Seek(std::string_view user_key, SequenceNumber sequence) override {
    cursor_.Seek(user_key);
    SkipForward();
    if (Valid() && record().user_key == user_key && record().sequence > sequence) Next();
  }
  void SeekBefore(std::string_view user_key) override {
    cursor_.SeekBefore(user_key);
    SkipBack();
  }
  void Next() override {
    assert(Valid());
    cursor_.Next();
    SkipForward();
  }
  void Prev() override {
    assert(Valid());
    cursor_.Prev();
    SkipBack();
  }

 private:
  // Over nodes that the point does not see.
  void SkipForward() {
    while (!Stand()) cursor_.Next();
  }
  void SkipBack() {
    while (!Stand()) cursor_.Prev();
  }
  // True if there is a record here, or no node.
  bool Stand() {
    StandOn(nullptr);
    const Node* const node = cursor_.node();
    if (node == nullptr) return true;
    const Record* const record = table_.FindVisible(*node, sequence_);
    if (record == nullptr) return false;
    shown_ = {node->key(), record->sequence(), record->type(), record->value()};
    StandOn(&shown_);
    return true;
  }

  const MemTable& table_;
  const SequenceNumber sequence_;
  KeyOrder::Cursor cursor_;
  InternalRecord shown_;
};

std::unique_ptr<InternalIterator> MemTable::NewIterator(SequenceNumber sequence) const {
  return std::make_unique<NewestIter>(this, sequence);
}

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<Iter>(this);
}

}  // namespace lsm
