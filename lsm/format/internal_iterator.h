// SPDX-License-Identifier: BSD-3-Clause
// InternalIterator walks records - every stored version, tombstones included - in the order of
// internal_key.h. Memtables, SST files and merges of them all look like this.
//
// The base class knows the record that an iterator stands on, so that those above it look at it
// without a call through each layer: only moves are virtual.
//
// After an error it is !Valid() and status() says why. Thread safety: none.

#pragma once

#include <cassert>
#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/status.h"

namespace lsm {

// A stored version of a key.
struct InternalRecord {
  std::string_view user_key;
  SequenceNumber sequence = 0;
  RecordType type = RecordType::kValue;
  std::string_view value;
};

class InternalIterator {
 public:
  InternalIterator() = default;
  virtual ~InternalIterator() = default;
  InternalIterator(const InternalIterator&) = delete;
  InternalIterator& operator=(const InternalIterator&) = delete;

  bool Valid() const { return record_ != nullptr; }
  virtual Status status() const = 0;

  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first record at or after (user_key, sequence): the newest record of `user_key` that
  // `sequence` can see, or else the first one of a later key.
  virtual void Seek(std::string_view user_key, SequenceNumber sequence) = 0;
  // To the last record before (user_key, kMaxSequence): the oldest one of an earlier key.
  virtual void SeekBefore(std::string_view user_key) = 0;
  // REQUIRES: Valid()
  virtual void Next() = 0;
  virtual void Prev() = 0;

  // Good until the iterator moves. REQUIRES: Valid()
  const InternalRecord& record() const {
    assert(Valid());
    return *record_;
  }
  std::string_view user_key() const { return record().user_key; }
  SequenceNumber sequence() const { return record().sequence; }
  RecordType type() const { return record().type; }
  std::string_view value() const { return record().value; }

 protected:
  // Every move says where it has led: to a record, which stays in its place, or (null) to none.
  void StandOn(const InternalRecord* record) { record_ = record; }

 private:
  const InternalRecord* record_ = nullptr;
};

// What a point read found in one table.
struct TableLookup {
  bool found = false;  // a record that the reader's sequence can see
  RecordType type = RecordType::kValue;
  SequenceNumber sequence = 0;
};

}  // namespace lsm
