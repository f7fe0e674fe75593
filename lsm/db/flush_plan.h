// SPDX-License-Identifier: BSD-3-Clause
// FlushPlan is what one flush writes: slices of frozen tables of one tree or of several, and
// counters that changed without records.
//
// A slice holds tables with the same owners, one behind the other in age. A tree gets no two slices
// of one file, since edits name a tree's files by their numbers: a fork's own tables, or those that
// it shares with fewer trees, go to another file than those that it shares with more.
//
// Thread safety: owners are read under DBImpl's state lock; the rest belongs to who made it.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "lsm/db/tree.h"
#include "lsm/types.h"
#include "lsm/version/version_edit.h"

namespace lsm {

using TreeRef = std::shared_ptr<Tree>;

struct FlushPlan {
  struct Item {
    std::vector<std::shared_ptr<const FrozenTable>> tables;  // oldest first, never empty
    TreeId slice = 0;                                        // an owner
    size_t file = 0;                                         // which of the flush's files

    // Everything of the tree that wrote them through here will be in files.
    const FlushMark& mark() const { return tables.back()->mark; }
    const std::vector<TreeId>& owners() const { return tables.back()->owners; }
  };
  struct Counted {
    TreeRef tree;
    FlushMark mark;
  };

  std::vector<Item> items;       // ascending by age
  std::vector<Counted> counted;  // behind all tables of their trees
  std::unordered_set<const FrozenTable*> tables;
  SequenceNumber largest = 0;  // the log has to be synced through this
  size_t bytes = 0;

  bool empty() const { return items.empty() && counted.empty(); }

  // Takes the tree's oldest tables through `limit`, and its counters, as far as they are not taken
  // already for a tree that shares them.
  void Add(const TreeRef& tree, SequenceNumber limit);
  // Puts the items in order and gives them to files.
  void Finish();
};

// What was written.
struct FlushedSlices {
  std::vector<std::optional<FileMetadata>> of_item;  // nothing if it had no records left
  std::vector<uint64_t> blobs;                       // blob files
  uint64_t bytes_written = 0;
};

}  // namespace lsm
