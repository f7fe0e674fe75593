// SPDX-License-Identifier: BSD-3-Clause
// MemTable holds the newest records of one tree in memory: nodes of user keys in an arena, a hash
// index over them for point reads and writes, and their order for who walks (key_order.h).
//
// One node a user key. From the node hangs a chain of records, newest first; a delete is a record.
// The first record mostly lies right behind its node, so that one look into memory finds both.
//
//     node:   newest record | key length | key bytes
//     record: sequence << 8 | type | older record | value length | value bytes
//
// Thread safety: one writer at a time (the writer lock orders them); any number of readers beside
// it, without locks. Add publishes a record with one release store, after everything it refers to.
// Undo may run beside readers that ignore the undone sequence.
//
// Overwriting: a record that was replaced stays chained for those who look at an earlier point.
// Reclaim, called when the oldest of these points (the floor) has moved on, cuts each chain behind
// the newest record that the floor can see and gives the memory of what follows to later records.
// So a table grows with its keys, not with its writes. Whoever is at the floor or later never reads
// behind that record: Get and NewIterator(sequence) follow a chain only down to what they look for.
// What a unit wrote and replaced itself, and what was undone, stays until the table goes; so does
// memory of which no record of that size is written again.
//
// Memory comes from the arena and goes in one piece with the table. Nodes are never removed.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>

#include "lsm/format/checksum.h"
#include "lsm/format/internal_iterator.h"
#include "lsm/format/internal_key.h"
#include "lsm/memtable/arena.h"
#include "lsm/memtable/hash_index.h"
#include "lsm/memtable/key_order.h"
#include "lsm/types.h"

namespace lsm {

struct HashedKey {
  uint64_t hash;  // HashKey(key)
  std::string_view key;

  static HashedKey Of(std::string_view key) { return {HashKey(key), key}; }
};

class MemTable {
 public:
  MemTable() = default;
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // Makes (key, sequence) the newest record of `key`. A record of the same sequence, which nobody
  // but this writer has seen, is replaced; its memory stays taken.
  // REQUIRES: sequence is not below that of any record in the table; the writer lock.
  void Add(SequenceNumber sequence, RecordType type, std::string_view key, std::string_view value);

  // Takes back the record of `key` with exactly this sequence, if it is the newest; the one it
  // replaced is the newest again. Units are undone newest first, each with all its keys.
  // REQUIRES: the writer lock; no reader can see `sequence`.
  void Undo(SequenceNumber sequence, std::string_view key);

  // Nobody looks at a point before `floor`, or will. Frees what was replaced and only earlier
  // points could see. REQUIRES: the writer lock; no walker of NewIterator() is alive.
  void Reclaim(SequenceNumber floor);

  // The newest record of `key` that `sequence` can see. `value` stays valid as long as the table
  // and until a Reclaim beyond `sequence`.
  TableLookup Get(std::string_view key, SequenceNumber sequence, std::string_view* value) const;

  // For who knows ahead which keys he will read or write: fetches the memory that leads to them,
  // for all of them beside each other. Takes the hashes of the keys, at most kMaxPrefetch, and
  // returns those that are most likely not in the table; the others are moved behind them.
  static constexpr size_t kMaxPrefetch =
      64;  // as many as memory fetches beside each other, and more
  std::span<HashedKey> Prefetch(std::span<HashedKey> keys) const;

  // Walks all records of the keys that are in the table now, and maybe later ones. Stays valid
  // while the table is written; records that are added to those keys meanwhile may or may not be
  // seen. The table must outlive it, and nothing be reclaimed before its end.
  std::unique_ptr<InternalIterator> NewIterator() const;
  // The same for the newest record of each key that `sequence` can see, and no other. Needs no more
  // than that nothing is reclaimed beyond `sequence`.
  std::unique_ptr<InternalIterator> NewIterator(SequenceNumber sequence) const;

  // Bytes taken from the system; never less than those of all keys and values in it.
  size_t ApproximateMemoryUsage() const {
    return arena_.MemoryUsage() + index_.MemoryUsage() + order_.MemoryUsage();
  }

  bool empty() const { return records() == 0; }
  // Keys that have at least one record.
  uint64_t keys() const { return keys_.load(std::memory_order_relaxed); }
  // Records, overwritten ones included that were not reclaimed.
  uint64_t records() const { return records_.load(std::memory_order_relaxed); }
  // Tombstones that were ever added, up to 2^32: at least those that are there.
  uint64_t tombstones() const { return tombstones_.load(std::memory_order_relaxed); }
  // Bounds of the sequences of the records in the table, exact unless records were undone or
  // reclaimed; 0 if it is empty.
  SequenceNumber smallest_sequence() const {
    return smallest_sequence_.load(std::memory_order_relaxed);
  }
  SequenceNumber largest_sequence() const {
    return largest_sequence_.load(std::memory_order_relaxed);
  }

  // Smallest and largest user key; false if the table is empty.
  bool KeyRange(std::string_view* smallest, std::string_view* largest) const;

 private:
  using Link = Arena::Link;
  using Node = KeyNode;
  class Iter;
  class NewestIter;

  // Never changes once it can be reached, but that the chain is cut behind it.
  struct Record {
    uint64_t tag;         // sequence << 8 | type
    mutable Link older;   // the record before this one of the same key, or null
    uint32_t value_size;  // the value's bytes follow

    SequenceNumber sequence() const { return tag >> 8; }
    RecordType type() const { return static_cast<RecordType>(tag & 0xff); }
    std::string_view value() const {
      return {reinterpret_cast<const char*>(this) + sizeof(Record), value_size};
    }
  };
  static_assert(sizeof(Record) == 16);

  // Null for the null link.
  const Record* RecordAt(Link link) const;
  // The newest record of the node that `sequence` can see, or null.
  const Record* FindVisible(const Node& node, SequenceNumber sequence) const;
  Link NewRecord(SequenceNumber sequence, RecordType type, Link older, std::string_view value);
  // Null if the key never had a record.
  Link FindLink(uint64_t hash, std::string_view key) const;
  const Node* FindNode(uint64_t hash, std::string_view key) const;
  void CountAdded(SequenceNumber sequence, bool first_of_key);
  // Frees the records of the node that are older than the newest one that `floor` can see.
  void CutChain(const Node& node, SequenceNumber floor);

  // A node with more than one record, and the unit that wrote a newest one when this was noted.
  // Every node with a chain has a note.
  struct Replaced {
    SequenceNumber by;
    Link node;
  };

  Arena arena_;
  HashIndex index_;
  KeyOrder order_{&arena_};
  // The writer's, oldest first, but that units which were undone may stand out of order: what is
  // behind them waits longer.
  std::deque<Replaced> replaced_;
  // Written by the writer only.
  std::atomic<uint32_t> keys_{0};  // as many as there are links
  std::atomic<uint32_t> tombstones_{0};
  std::atomic<uint64_t> records_{0};
  std::atomic<SequenceNumber> smallest_sequence_{0};
  std::atomic<SequenceNumber> largest_sequence_{0};
};

}  // namespace lsm
