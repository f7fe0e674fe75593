// SPDX-License-Identifier: BSD-3-Clause
// CompactionFilter lets a caller's dead records go in compactions, without a delete for each: the
// elements of a collection that nobody can reach any more.
//
// What it answers must be the same for all points of the execution order at which the key's record
// can be seen by whom it matters to: a record that any reader may still look for must not be called
// dead, whatever its age. Expiry is not its business: it is a delete in the log, which counters and
// watchers know of. Once a key is called dead it stays dead until it is written anew.
//
// The engine asks about a key's newest record in the compaction, and only if everybody who may look
// sees that record or a newer one. It leaves a tombstone where older records may lie beneath.
//
// Thread safety: asked by background threads, several at a time. It must return soon and must not
// call back into the database.

#pragma once

#include <string_view>

#include "lsm/types.h"

namespace lsm {

class CompactionFilter {
 public:
  virtual ~CompactionFilter() = default;

  virtual bool IsDead(TreeId tree, std::string_view key) = 0;

  // Whether IsDead would say so of every key from `smallest` to `largest`, both included; then a
  // whole file may go unread. Answering false is always right.
  virtual bool IsRangeDead(TreeId /*tree*/, std::string_view /*smallest*/,
                           std::string_view /*largest*/) {
    return false;
  }
};

}  // namespace lsm
