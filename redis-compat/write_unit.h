// SPDX-License-Identifier: BSD-3-Clause
// WriteUnit is what one command, or one EXEC, reads and writes, until it is committed as one unit:
// reads see the unit's own writes, and the newest sequence that was read or written is remembered,
// because the reply must not leave before it may be shown.
//
// Invariant: nothing of it reaches the database before Instance::Commit.
// Thread safety: none.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lsm/db.h"
#include "lsm/pinned_value.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"
#include "redis-compat/unit_iterator.h"

namespace redis {

class Instance;

class WriteUnit {
 public:
  explicit WriteUnit(Instance* instance) : instance_(instance) {}
  WriteUnit(const WriteUnit&) = delete;
  WriteUnit& operator=(const WriteUnit&) = delete;

  // The value's bytes are good until the unit is committed or cleared.
  lsm::Result<std::optional<lsm::PinnedValue>> Get(lsm::TreeId tree, std::string_view key);
  // Shows the tree as it is with what the unit has written by now (unit_iterator.h). Good until the
  // unit is committed or cleared. Reflects everything.
  lsm::Result<std::unique_ptr<lsm::Iterator>> NewIterator(lsm::TreeId tree,
                                                          const lsm::IterateOptions& options);
  void Put(lsm::TreeId tree, std::string_view key, std::string_view value);
  void Delete(lsm::TreeId tree, std::string_view key);
  void AddCounter(lsm::TreeId tree, size_t counter, int64_t delta);
  // A counter as it is with what the unit adds to it.
  lsm::Result<int64_t> Counter(lsm::TreeId tree, size_t counter);

  // The tree of a database, 0 if it has none. `Create` makes one if there is none yet; `Drop` takes
  // it away with everything in it.
  lsm::TreeId DatabaseTree(int database);
  lsm::TreeId CreateDatabaseTree(int database);
  void DropDatabaseTree(int database);
  // Each gets what the other one had, which may be none.
  void SwapDatabases(int a, int b);
  // Databases that have a tree, with what the unit changes, ascending.
  std::vector<int> NonEmptyDatabases();

  // The command shows or writes effects of this unit.
  void Reflect(lsm::SequenceNumber sequence) {
    if (sequence > reflects_) reflects_ = sequence;
  }
  // The command shows something about everything: counts, scans.
  void ReflectEverything();
  lsm::SequenceNumber reflects() const { return reflects_; }

  bool empty() const { return batch_.empty(); }
  // What it keeps in memory, about.
  size_t bytes() const { return batch_.rep().size(); }
  // What is to be committed. Nothing may be added afterwards.
  const lsm::WriteBatch& Seal();

  // Databases that get another tree with this unit; 0: none.
  struct TreeChange {
    int database;
    lsm::TreeId tree;
  };
  const std::vector<TreeChange>& tree_changes() const { return tree_changes_; }

  // Forgets writes; what was read stays reflected.
  void DropWrites();
  void Clear();

  // Buffers to build keys and values in, so that commands need not allocate.
  std::string key_buffer;
  std::string value_buffer;

 private:
  // Where the newest write of a key lies in the batch's bytes.
  struct Write {
    lsm::TreeId tree;
    bool deleted;
    size_t key_begin;
    size_t key_size;
    size_t value_begin;
    size_t value_size;
  };
  bool CreatesTree(lsm::TreeId tree) const;
  // Changes the directory: the tree becomes the database's, 0: it has none.
  void SetDatabaseTree(int database, lsm::TreeId tree);
  const Write* FindWrite(lsm::TreeId tree, std::string_view key);
  // The position of the newest indexed write of a key, null if there is none.
  size_t* FindIndexed(lsm::TreeId tree, std::string_view key);
  std::string_view KeyOf(const Write& write) const {
    return batch_.rep().substr(write.key_begin, write.key_size);
  }

  Instance* const instance_;
  lsm::WriteBatch batch_;
  lsm::SequenceNumber reflects_ = 0;
  std::vector<Write> writes_;
  // Positions in writes_ by hash of tree and key, for the first `indexed_` of them: of each key the
  // newest, so that a command may name a key any number of times. Filled by reads only: a command
  // that writes many keys and reads none pays nothing.
  std::unordered_multimap<size_t, size_t> index_;
  size_t indexed_ = 0;
  // The same in order, for the first `ordered_count_` of them; filled by iterators only.
  OrderedWrites ordered_;
  size_t ordered_count_ = 0;
  std::vector<TreeChange> tree_changes_;
  std::vector<lsm::TreeId> created_trees_;  // those dropped again included
  struct CounterChange {
    lsm::TreeId tree;
    size_t counter;
    int64_t delta;
  };
  std::vector<CounterChange> counter_changes_;  // summed up, added to the batch by Seal
};

}  // namespace redis
