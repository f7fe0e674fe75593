// SPDX-License-Identifier: BSD-3-Clause
// ReplayLog reads the live segments in order, hands over each whole unit once, and tells a crash's
// tail from corruption (lsm/format/FORMAT.md, "Recovery", steps 2 to 4). It changes nothing on
// disk.
//
// Memory: one group, and the bytes so far of one unit that spans groups.
//
// Thread safety: none; runs before the database is open.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/wal/log_writer.h"

namespace lsm {

struct LogRecoveryInput {
  FileSystem* fs = nullptr;
  std::string directory;
  std::vector<uint64_t> segments;  // live ones, ascending
  // Segments in the directory that the manifest does not name. One that goes on where the log ends
  // shows that the manifest has lost an edit, which is corruption.
  std::vector<uint64_t> unnamed;
  LogPosition start;        // what the first group of the oldest segment chains to
  SequenceNumber mark = 0;  // highest sequence that the manifest proves to have been on disk
};

struct LogRecovery {
  LogPosition end;                            // where writing goes on
  SequenceNumber largest_synced_through = 0;  // highest mark seen in the log
  // A segment with bytes of units of which nothing proves that they were on disk.
  struct Doubtful {
    uint64_t segment = 0;
    uint64_t end = 0;  // offset behind its last group
  };
  std::vector<Doubtful> doubtful;
  uint64_t units = 0;
  uint64_t bytes_read = 0;
  bool tail_cut = false;         // something behind the end was ignored
  std::string tail_description;  // for the log: file, offset and what was found there
  // Live segments behind the end, empty ones included. The next manifest must not name them; then
  // they are removed.
  std::vector<uint64_t> dead_segments;
};

// `unit` is called in sequence order with the operations of each whole unit; an error it returns
// stops the replay and is returned, with file and offset before a corruption's message. A unit that
// begins in a segment before the oldest live one is passed over: all of it is in SST files.
// `ahead` (may be empty) hears of the units that come next before the first of them does, so that
// what they need can be fetched. `progress` (may be empty) hears bytes done and in total.
struct LogUnit {
  SequenceNumber sequence = 0;
  uint32_t operations = 0;
  std::string_view bytes;
};
using ReplayAhead = std::function<void(std::span<const LogUnit> units)>;
using ReplayUnit =
    std::function<Status(SequenceNumber sequence, uint32_t operations, std::string_view unit)>;
Result<LogRecovery> ReplayLog(const LogRecoveryInput& input, const ReplayUnit& unit,
                              const ReplayAhead& ahead,
                              const std::function<void(uint64_t done, uint64_t total)>& progress);

// What one group says of itself, for dumps and tests.
struct LogGroupInfo {
  uint64_t offset = 0;
  uint64_t size = 0;  // header, payload and padding
  uint64_t generation = 0;
  SequenceNumber first_sequence = 0;
  uint32_t units = 0;
  bool begins_inside_unit = false;
  bool ends_inside_unit = false;
  SequenceNumber synced_through = 0;
  uint64_t previous_checksum = 0;
  uint64_t checksum = 0;
  std::string_view payload;  // good during the call
};
// Calls `group` for each valid group from the beginning of one segment; returns the offset and the
// reason at which there is none.
struct LogDumpEnd {
  uint64_t offset = 0;
  std::string reason;
};
Result<LogDumpEnd> DumpLogSegment(FileSystem* fs, const std::string& path,
                                  const std::function<void(const LogGroupInfo&)>& group);

}  // namespace lsm
