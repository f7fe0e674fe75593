// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/memtable.h"

#include <cassert>
#include <cstring>
#include <new>
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

const MemTable::Node* MemTable::FindNode(uint64_t hash, std::string_view key) const {
  const HashIndex::Found found =
      index_.Find(hash, [&](Link link) { return list_.At(link)->key() == key; });
  if (found.link != Arena::kNull) return list_.At(found.link);
  if (found.sure) return nullptr;
  const Node* const node = list_.FindGreaterOrEqual(key);
  return node != nullptr && node->key() == key ? node : nullptr;
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
  const uint64_t hash = HashKey(key);
  if (const Node* const node = FindNode(hash, key); node != nullptr) {
    const Link newest = node->newest();
    const Record* const replaced = RecordAt(newest);
    assert(replaced == nullptr || replaced->sequence() <= sequence);
    const bool same = replaced != nullptr && replaced->sequence() == sequence;
    list_.SetNewest(node, NewRecord(sequence, type, same ? replaced->older : newest, value));
    if (!same) CountAdded(sequence, newest == Arena::kNull);
    return;
  }
  const Link record = NewRecord(sequence, type, Arena::kNull, value);
  index_.Insert(hash, list_.Insert(key, record));
  CountAdded(sequence, true);
}

void MemTable::CountAdded(SequenceNumber sequence, bool first_of_key) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (first_of_key) keys_.store(keys() + 1, kRelaxed);
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
  list_.SetNewest(node, newest->older);
  if (newest->older == Arena::kNull) keys_.store(keys() - 1, kRelaxed);
  records_.store(records() - 1, kRelaxed);
  if (empty()) {
    smallest_sequence_.store(0, kRelaxed);
    largest_sequence_.store(0, kRelaxed);
  } else if (largest_sequence() >= sequence) {
    // The unit's other records go the same way; what stays is older.
    largest_sequence_.store(sequence - 1, kRelaxed);
  }
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
  // A node whose only record was undone holds no key.
  const Node* first = list_.First();
  while (first != nullptr && first->newest() == Arena::kNull) first = list_.Next(first);
  if (first == nullptr) return false;
  const Node* last = list_.Last();
  while (last != first && last->newest() == Arena::kNull) last = list_.FindLessThan(last->key());
  *smallest = first->key();
  *largest = last->key();
  return true;
}

// Stands on one record. Records and nodes never go away, so this stays a good place whatever the
// writer does; a step looks at the chain as it is then.
class MemTable::Iter final : public InternalIterator {
 public:
  explicit Iter(const MemTable* table) : table_(*table) {}

  bool Valid() const override { return record_ != nullptr; }
  Status status() const override { return Status::Ok(); }

  void SeekToFirst() override { StandOnNewest(table_.list_.First()); }
  void SeekToLast() override { StandOnOldest(table_.list_.Last()); }

  void Seek(std::string_view user_key, SequenceNumber sequence) override {
    newer_.clear();
    node_ = table_.list_.FindGreaterOrEqual(user_key);
    if (node_ != nullptr && node_->key() == user_key) {
      record_ = table_.FindVisible(*node_, sequence);
      if (record_ != nullptr) return;
      node_ = table_.list_.Next(node_);
    }
    StandOnNewest(node_);
  }

  void SeekBefore(std::string_view user_key) override {
    StandOnOldest(table_.list_.FindLessThan(user_key));
  }

  void Next() override {
    assert(Valid());
    newer_.clear();
    record_ = table_.RecordAt(record_->older);
    if (record_ == nullptr) StandOnNewest(table_.list_.Next(node_));
  }

  void Prev() override {
    assert(Valid());
    // The chain leads only to older records: walk it once, and keep the way back.
    if (newer_.empty()) {
      for (const Record* record = table_.RecordAt(node_->newest());
           record != nullptr && record->sequence() > record_->sequence();
           record = table_.RecordAt(record->older)) {
        newer_.push_back(record);
      }
    }
    if (newer_.empty()) return StandOnOldest(table_.list_.FindLessThan(node_->key()));
    record_ = newer_.back();
    newer_.pop_back();
  }

  std::string_view user_key() const override { return node_->key(); }
  SequenceNumber sequence() const override { return record_->sequence(); }
  RecordType type() const override { return record_->type(); }
  std::string_view value() const override { return record_->value(); }

 private:
  // Of `node` or the next one that has records.
  void StandOnNewest(const Node* node) {
    newer_.clear();
    for (record_ = nullptr; node != nullptr; node = table_.list_.Next(node)) {
      node_ = node;
      record_ = table_.RecordAt(node->newest());
      if (record_ != nullptr) return;
    }
  }

  // Of `node` or the one before that has records.
  void StandOnOldest(const Node* node) {
    newer_.clear();
    for (record_ = nullptr; node != nullptr; node = table_.list_.FindLessThan(node->key())) {
      node_ = node;
      record_ = table_.RecordAt(node->newest());
      if (record_ == nullptr) continue;
      while (record_->older != Arena::kNull) {
        newer_.push_back(record_);
        record_ = table_.RecordAt(record_->older);
      }
      return;
    }
  }

  const MemTable& table_;
  const Node* node_ = nullptr;
  const Record* record_ = nullptr;  // null: not valid
  // For Prev: records of node_ that are newer than record_, newest first. Empty: not known.
  std::vector<const Record*> newer_;
};

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<Iter>(this);
}

}  // namespace lsm
