// SPDX-License-Identifier: BSD-3-Clause
// WriteBatch is one write unit: it becomes visible, and is recovered, whole or not at all. Its
// operations apply in the order they were added, also where they name the same key.
//
// The bytes are those of the unit in the log (lsm/format/FORMAT.md, "Write unit"), so that logging
// a batch is one copy.
//
// Thread safety: none; a plain value.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

class WriteBatch {
 public:
  // REQUIRES: key.size() <= kMaxKeySize, value.size() <= kMaxValueSize
  void Put(TreeId tree, std::string_view key, std::string_view value);
  // Deleting an absent key is harmless.
  void Delete(TreeId tree, std::string_view key);
  // Adds to a counter of the tree. REQUIRES: counter < kTreeCounters
  void AddCounter(TreeId tree, size_t counter, int64_t delta);

  // A new, empty tree. REQUIRES: `tree` came from DB::NewTreeId and is not in use.
  void CreateTree(TreeId tree);
  // Forgets a tree and everything in it at once; its files go when no reader needs them.
  // REQUIRES: tree != kDirectoryTree
  void DropTree(TreeId tree);
  // A new tree that holds what `source` holds before this unit; from then on each goes its own way.
  // Costs the same at any size. The unit may hold other operations, but none on `tree` or `source`
  // except that several trees may be forked from one source.
  // REQUIRES: `tree` came from DB::NewTreeId and is not in use; tree != source
  void ForkTree(TreeId tree, TreeId source);

  void Clear();
  bool empty() const { return count_ == 0; }
  uint32_t count() const { return count_; }
  bool forks() const { return forks_; }
  // Encoded operations, without the unit's frame.
  std::string_view rep() const { return rep_; }

  // Receives the operations of a unit in order.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual Status Put(TreeId tree, std::string_view key, std::string_view value) = 0;
    virtual Status Delete(TreeId tree, std::string_view key) = 0;
    virtual Status AddCounter(TreeId tree, size_t counter, int64_t delta) = 0;
    virtual Status CreateTree(TreeId tree) = 0;
    virtual Status DropTree(TreeId tree) = 0;
    virtual Status ForkTree(TreeId tree, TreeId source) = 0;
  };
  // Decodes `rep`, which may be hostile: kCorruption if it is not `count` well-formed operations.
  // Stops at the first error of the handler.
  static Status Iterate(std::string_view rep, uint32_t count, Handler* handler);

 private:
  std::string rep_;
  uint32_t count_ = 0;
  bool forks_ = false;
};

}  // namespace lsm
