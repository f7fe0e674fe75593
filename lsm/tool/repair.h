// SPDX-License-Identifier: BSD-3-Clause
// RepairDatabase makes a new database of what is whole in a damaged one.
//
// What comes back: of each key the newest version that is whole, and every whole unit of the log,
// in order. A key comes back with an older version, or comes back although it was deleted, only if
// the record that says otherwise is in a damaged block or unit. Counters are what they were: they
// do not know what is lost.
//
// Without a manifest the state is put together from the files: a slice belongs to the tree whose id
// it carries, newer records have higher sequences, and the log goes on where a tree's files end.
// Then trees that were dropped, and files that were obsolete, may come back; a fork has what was
// written to it and not what it shares with its origin; and counters begin with what the log adds.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <string>

#include "lsm/options.h"
#include "lsm/status.h"
#include "lsm/tool/database_files.h"

namespace lsm::tool {

struct RepairResult {
  uint64_t losses = 0;   // places that were reported
  uint64_t trees = 0;    // in the new database
  uint64_t records = 0;  // from files
  uint64_t log_units = 0;
};

// `directory` is only read, and must not be open. `output` must not exist or be empty; it appears
// when it is whole, and stands as `output`.tmp until then. `options` are for opening it.
Result<RepairResult> RepairDatabase(const Options& options, const std::string& directory,
                                    const std::string& output, Report* report);

}  // namespace lsm::tool
