// SPDX-License-Identifier: BSD-3-Clause
// MemTable holds the newest records of one tree in memory: a skiplist of user keys in an arena, and
// a hash side-index over the same nodes, so that a point read, a test for existence and an
// overwrite are one probe and only a new key or an ordered walk touches the skiplist.
//
// One node a user key. From the node hangs a chain of records, newest first; a delete is a record.
//
//     node:   height | key length | key bytes | newest record | next[height]
//     record: sequence << 8 | type | older record | value length | value bytes
//
// Thread safety: one writer at a time (the writer lock orders them); any number of readers beside
// it, without locks. Add publishes a record with one release store, after everything it refers to.
// Undo may run beside readers that ignore the undone sequence.
//
// Memory comes from the arena and goes in one piece with the table. Nothing is ever removed.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/format/internal_iterator.h"
#include "lsm/format/internal_key.h"
#include "lsm/memtable/arena.h"
#include "lsm/types.h"

namespace lsm {

class MemTable {
 public:
  MemTable();
  ~MemTable();
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // Makes (key, sequence) the newest record of `key`. A record of the same sequence, which nobody
  // but this writer has seen, is replaced.
  // REQUIRES: sequence is not below that of any record in the table; the writer lock.
  void Add(SequenceNumber sequence, RecordType type, std::string_view key, std::string_view value);

  // Takes back the record of `key` with exactly this sequence, if it is the newest; the one it
  // replaced is the newest again. REQUIRES: the writer lock; no reader can see `sequence`.
  void Undo(SequenceNumber sequence, std::string_view key);

  // The newest record of `key` that `sequence` can see. `value` stays valid as long as the table.
  TableLookup Get(std::string_view key, SequenceNumber sequence, std::string_view* value) const;

  // Walks all records. Stays valid while the table is written; may or may not see records that are
  // added meanwhile. The table must outlive it.
  std::unique_ptr<InternalIterator> NewIterator() const;

  // Bytes taken from the system; never less than those of all keys and values put.
  size_t ApproximateMemoryUsage() const;

  bool empty() const { return records() == 0; }
  // Keys that have at least one record.
  uint64_t keys() const;
  // Records, overwritten ones included.
  uint64_t records() const;
  // Sequences of the records in the table; 0 if it is empty.
  SequenceNumber smallest_sequence() const;
  SequenceNumber largest_sequence() const;

  // Smallest and largest user key; false if the table is empty.
  bool KeyRange(std::string_view* smallest, std::string_view* largest) const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace lsm
