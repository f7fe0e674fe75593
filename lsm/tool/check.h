// SPDX-License-Identifier: BSD-3-Clause
// CheckDatabase reads every byte that a database needs and says all that is wrong.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <string>

#include "lsm/file_system.h"
#include "lsm/status.h"
#include "lsm/tool/database_files.h"

namespace lsm::tool {

struct CheckResult {
  uint64_t faults = 0;
  uint64_t tables = 0;
  uint64_t records = 0;
  uint64_t log_units = 0;
  uint64_t bytes = 0;  // that were read
};

// Changes nothing. kBusy while a server has the database open, since files come and go then.
Result<CheckResult> CheckDatabase(FileSystem* fs, const std::string& directory, Report* report);

}  // namespace lsm::tool
