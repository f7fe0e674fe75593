// SPDX-License-Identifier: BSD-3-Clause
// When writers are slowed and stopped: a pure function of the engine's figures.
// Thread safety: none needed.

#pragma once

#include <cstddef>

#include "lsm/db.h"
#include "lsm/options.h"
#include "lsm/status.h"

namespace lsm {

struct StallInput {
  size_t memtable_bytes = 0;  // of all trees
  size_t max_memtables = 0;   // of the tree that has most
  size_t max_l0_files = 0;    // of the tree that has most
  bool log_failed = false;    // a sync of the log failed and its data are not rewritten yet
  bool flush_failed = false;  // the last flush failed
  bool merge_failed = false;  // the last merge failed
  bool disk_full = false;     // one of them for want of space
};

// The most severe of what applies.
WriteStall ComputeStall(const Options& options, const StallInput& input);

// Whether `after` lets a writer go on sooner than `before`.
bool IsRelief(const WriteStall& before, const WriteStall& after);

}  // namespace lsm
