// SPDX-License-Identifier: BSD-3-Clause
// SalvageLog hands over every whole unit of a log of which some is not whole, in order, and says
// what is lost between them. ReplayLog refuses such a log; this is for repairs.
//
// What a crash leaves is told from damage as ReplayLog does it: what stands behind a place without
// a group that follows counts only if a mark proves that more was on disk.
//
// Memory: the bytes of one unit, and a few bytes for each group of one segment.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/wal/log_reader.h"

namespace lsm {

struct LogSalvageInput {
  FileSystem* fs = nullptr;
  std::string directory;
  std::vector<uint64_t> segments;    // ascending
  std::optional<LogPosition> start;  // nothing: the log begins with the first whole group
  SequenceNumber mark = 0;           // highest sequence that is known to have been on disk
  SequenceNumber in_files = 0;       // what is missing up to here is in SST files, and no loss
};

struct LogSalvage {
  SequenceNumber last_sequence = 0;
  uint64_t units = 0;
};

// `lost` gets a line for each place. An error is one that `unit` returned, but for corruption,
// which is a loss like others.
Result<LogSalvage> SalvageLog(const LogSalvageInput& input, const ReplayUnit& unit,
                              const std::function<void(std::string_view line)>& lost);

}  // namespace lsm
