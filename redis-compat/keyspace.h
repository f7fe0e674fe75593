// SPDX-License-Identifier: BSD-3-Clause
// Keyspace is one database as commands see it: user keys with their headers. It hides expired keys,
// and keeps the counters and the expiry index in step with what is written, in the same unit.
//
// Writing goes through a slot: FindForWrite says what is there (an expired key is deleted first),
// Put and Remove change it. A slot is good until the next Put or Remove of the same key.
//
// Thread safety: none; lives for one command.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/iterator.h"
#include "lsm/pinned_value.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "redis-compat/key_codec.h"
#include "redis-compat/write_unit.h"

namespace redis {

class Instance;

struct KeySlot {
  std::string_view key;
  bool exists = false;
  Header header;  // if it exists; the payload is in `pin`
  lsm::PinnedValue pin;

  bool IsString() const { return exists && header.type == ValueType::kString; }
};

// The database's keys in order, expired ones included, as they are with what the current unit
// wrote before it was made.
class KeyIterator {
 public:
  void SeekToFirst() {
    if (iterator_ != nullptr) iterator_->SeekToFirst();
  }
  void SeekToLast() {
    if (iterator_ != nullptr) iterator_->SeekToLast();
  }
  void Seek(std::string_view key);
  void SeekForPrev(std::string_view key);
  bool Valid() const { return iterator_ != nullptr && iterator_->Valid(); }
  // REQUIRES: Valid()
  void Next() { iterator_->Next(); }
  void Prev() { iterator_->Prev(); }
  lsm::Status status() const { return iterator_ ? iterator_->status() : lsm::Status(); }
  // Good until the iterator moves. REQUIRES: Valid()
  std::string_view key() const { return DecodeUserKey(iterator_->key()); }
  lsm::Result<Header> header() const { return DecodeHeader(iterator_->value()); }

 private:
  friend class Keyspace;
  std::unique_ptr<lsm::Iterator> iterator_;  // null: no keys
  std::string buffer_;
};

class Keyspace {
 public:
  Keyspace(Instance* instance, WriteUnit* unit, int database, int64_t now_ms);

  int database() const { return database_; }

  // For a command that reads a value: counts as a hit or a miss.
  lsm::Result<KeySlot> FindForRead(std::string_view key);
  // The same, uncounted.
  lsm::Result<KeySlot> Find(std::string_view key);
  // For a command that may write it.
  lsm::Result<KeySlot> FindForWrite(std::string_view key);

  // Writes `header` (its payload may lie in the slot) and updates the slot's header, but for the
  // payload. REQUIRES: the slot is from FindForWrite.
  void Put(KeySlot* slot, const Header& header);
  // REQUIRES: the slot is from FindForWrite and exists
  void Remove(KeySlot* slot);
  // Keys, and those that have an expiry; expired ones that were not removed yet are counted.
  lsm::Result<int64_t> KeyCount();
  lsm::Result<int64_t> ExpiryCount();
  // Everything goes, at once.
  void Flush();

  bool IsExpired(const Header& header) const {
    return header.expiry_ms && *header.expiry_ms <= now_ms_;
  }

  // `options` holds user keys. The iterator is good until the unit is committed.
  lsm::Result<KeyIterator> NewIterator(lsm::IterateOptions options);
  // A key that is not expired, picked by chance without reading all; absent if there is none.
  lsm::Result<std::optional<std::string>> RandomKey();

  // The tree, kDirectoryTree if the database has none.
  lsm::TreeId tree();
  WriteUnit& unit() { return *unit_; }

 private:
  lsm::Result<KeySlot> Load(std::string_view key);

  Instance* const instance_;
  WriteUnit* const unit_;
  const int database_;
  const int64_t now_ms_;
};

}  // namespace redis
