// SPDX-License-Identifier: BSD-3-Clause
// Databases knows which tree holds which database: the directory's records, kept in memory.
// Invariant: equals the directory as of the last commit.
// Thread safety: none; belongs to the loop.

#pragma once

#include <vector>

#include "lsm/db.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "redis-compat/write_unit.h"

namespace redis {

class Databases {
 public:
  struct Entry {
    lsm::TreeId tree = lsm::kDirectoryTree;  // the directory's own id stands for "none"
    lsm::SequenceNumber changed = 0;         // the unit that gave it this tree
  };

  // Reads the directory, and forgets what was known before.
  lsm::Status Load(lsm::ReadView* view);
  const Entry& Find(int database) const;
  // After a unit was committed.
  void Apply(const std::vector<WriteUnit::TreeChange>& changes, lsm::SequenceNumber sequence);
  // Those that have a tree, ascending.
  std::vector<int> NonEmpty() const;

 private:
  std::vector<Entry> entries_;  // by number
};

}  // namespace redis
