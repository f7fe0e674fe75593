// SPDX-License-Identifier: BSD-3-Clause
// InternalIterator walks records - every stored version, tombstones included - in the order of
// internal_key.h. Memtables, SST files and merges of them all look like this.
//
// After an error it is !Valid() and status() says why. Thread safety: none.

#pragma once

#include <string_view>

#include "lsm/format/internal_key.h"
#include "lsm/status.h"

namespace lsm {

class InternalIterator {
 public:
  virtual ~InternalIterator() = default;

  virtual bool Valid() const = 0;
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

  // Views are good until the iterator moves. REQUIRES: Valid()
  virtual std::string_view user_key() const = 0;
  virtual SequenceNumber sequence() const = 0;
  virtual RecordType type() const = 0;
  virtual std::string_view value() const = 0;
};

// What a point read found in one table.
struct TableLookup {
  bool found = false;  // a record that the reader's sequence can see
  RecordType type = RecordType::kValue;
  SequenceNumber sequence = 0;
};

}  // namespace lsm
