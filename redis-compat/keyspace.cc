// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/keyspace.h"

#include <cassert>
#include <utility>

#include "redis-compat/expiry.h"
#include "redis-compat/instance.h"

namespace redis {

void KeyIterator::Seek(std::string_view key) {
  if (iterator_ == nullptr) return;
  EncodeUserKey(key, &buffer_);
  iterator_->Seek(buffer_);
}

void KeyIterator::SeekForPrev(std::string_view key) {
  if (iterator_ == nullptr) return;
  EncodeUserKey(key, &buffer_);
  iterator_->SeekForPrev(buffer_);
}

Keyspace::Keyspace(Instance* instance, WriteUnit* unit, int database, int64_t now_ms)
    : instance_(instance), unit_(unit), database_(database), now_ms_(now_ms) {}

lsm::TreeId Keyspace::tree() { return unit_->DatabaseTree(database_); }

lsm::Result<KeySlot> Keyspace::Load(std::string_view key) {
  KeySlot slot;
  slot.key = key;
  const lsm::TreeId tree_id = tree();
  if (tree_id == lsm::kDirectoryTree) return slot;
  EncodeUserKey(key, &unit_->key_buffer);
  auto found = unit_->Get(tree_id, unit_->key_buffer);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return slot;
  slot.pin = std::move(**found);
  const lsm::Result<Header> header = DecodeHeader(slot.pin.view());
  if (!header.ok()) return header.status();
  slot.exists = true;
  slot.header = header.value();
  return slot;
}

lsm::Result<KeySlot> Keyspace::Find(std::string_view key) {
  lsm::Result<KeySlot> slot = Load(key);
  if (slot.ok() && slot->exists && IsExpired(slot->header)) slot->exists = false;
  return slot;
}

lsm::Result<KeySlot> Keyspace::FindForRead(std::string_view key) {
  lsm::Result<KeySlot> slot = Find(key);
  if (slot.ok()) {
    Statistics& statistics = instance_->statistics();
    ++(slot->exists ? statistics.keyspace_hits : statistics.keyspace_misses);
  }
  return slot;
}

lsm::Result<KeySlot> Keyspace::FindForWrite(std::string_view key) {
  lsm::Result<KeySlot> slot = Load(key);
  if (slot.ok() && slot->exists && IsExpired(slot->header)) {
    Remove(&slot.value());
    ++instance_->statistics().expired_keys;
  }
  return slot;
}

void Keyspace::Put(KeySlot* slot, const Header& header) {
  const lsm::TreeId tree_id = unit_->CreateDatabaseTree(database_);
  const bool did_expire = slot->exists && slot->header.expiry_ms.has_value();
  const bool will_expire = header.expiry_ms.has_value();
  const int64_t before = did_expire ? *slot->header.expiry_ms : 0;
  const int64_t after = will_expire ? *header.expiry_ms : 0;

  EncodeUserKey(slot->key, &unit_->key_buffer);
  EncodeHeader(header, &unit_->value_buffer);
  unit_->Put(tree_id, unit_->key_buffer, unit_->value_buffer);

  // The index holds a lower bound of each expiry: see ENCODING.md, "Expiry index".
  if (did_expire && (!will_expire || after < before)) {
    EncodeExpiryKey(before, slot->key, &unit_->key_buffer);
    unit_->Delete(tree_id, unit_->key_buffer);
  }
  if (will_expire && (!did_expire || after < before)) {
    EncodeExpiryKey(after, slot->key, &unit_->key_buffer);
    unit_->Put(tree_id, unit_->key_buffer, "");
    instance_->active_expiry().Expect(tree_id, after);
  }

  if (!slot->exists) unit_->AddCounter(tree_id, kKeyCounter, 1);
  const int64_t expiries = (will_expire ? 1 : 0) - (did_expire ? 1 : 0);
  if (expiries != 0) unit_->AddCounter(tree_id, kExpiryCounter, expiries);
  slot->exists = true;
  slot->header = header;
  slot->header.payload = {};
}

void Keyspace::Remove(KeySlot* slot) {
  assert(slot->exists);
  const lsm::TreeId tree_id = tree();
  EncodeUserKey(slot->key, &unit_->key_buffer);
  unit_->Delete(tree_id, unit_->key_buffer);
  unit_->AddCounter(tree_id, kKeyCounter, -1);
  if (slot->header.expiry_ms) {
    EncodeExpiryKey(*slot->header.expiry_ms, slot->key, &unit_->key_buffer);
    unit_->Delete(tree_id, unit_->key_buffer);
    unit_->AddCounter(tree_id, kExpiryCounter, -1);
  }
  slot->exists = false;
}

lsm::Result<int64_t> Keyspace::KeyCount() {
  const lsm::TreeId tree_id = tree();
  if (tree_id == lsm::kDirectoryTree) return int64_t{0};
  return unit_->Counter(tree_id, kKeyCounter);
}

lsm::Result<int64_t> Keyspace::ExpiryCount() {
  const lsm::TreeId tree_id = tree();
  if (tree_id == lsm::kDirectoryTree) return int64_t{0};
  return unit_->Counter(tree_id, kExpiryCounter);
}

void Keyspace::Flush() { unit_->DropDatabaseTree(database_); }

lsm::Result<KeyIterator> Keyspace::NewIterator(lsm::IterateOptions options) {
  KeyIterator keys;
  const lsm::TreeId tree_id = tree();
  if (tree_id == lsm::kDirectoryTree) {
    unit_->ReflectEverything();
    return keys;
  }
  for (std::optional<lsm::Bound>* bound : {&options.lower, &options.upper}) {
    if (*bound) (*bound)->key.insert((*bound)->key.begin(), kUserKeyPrefix);
  }
  options.prefix.insert(options.prefix.begin(), kUserKeyPrefix);
  auto iterator = unit_->NewIterator(tree_id, options);
  if (!iterator.ok()) return iterator.status();
  keys.iterator_ = std::move(*iterator);
  return keys;
}

}  // namespace redis
