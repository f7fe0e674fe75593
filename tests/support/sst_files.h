// SPDX-License-Identifier: BSD-3-Clause
// SST files for tests: made from records, read in every way there is, and damaged ones whose
// checksums are right.
//
// Thread safety: none needed; every call stands for itself.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/internal_key.h"
#include "lsm/sst/table_builder.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

struct SstRecord {
  std::string key;
  SequenceNumber sequence = 0;
  RecordType type = RecordType::kValue;
  std::string value;

  bool operator==(const SstRecord&) const = default;
};
using SstRecords = std::vector<SstRecord>;

// A new file with one slice for each tree. `summaries` may be null.
Status WriteSst(FileSystem* fs, const std::string& path, uint64_t file_number,
                const TableBuilderOptions& options, const std::map<TreeId, SstRecords>& trees,
                std::vector<SliceSummary>* summaries = nullptr);

// All records of a slice, read forwards.
Result<SstRecords> ReadSst(FileSystem* fs, const std::string& path, uint64_t file_number,
                           TreeId tree);

// Makes every checksum right that can be reached from the footer, whatever the bytes are, so that
// a damage is met by the code behind the checksums.
void ResealSst(uint64_t file_number, std::string* bytes);

// Reads a file, which may be hostile, in every way the engine has. Returns what contradicts what,
// empty if nothing does: a file that passes VerifySst must read without an error, the same forwards
// and backwards, and every record must be found by a point read.
std::string ExerciseSst(FileSystem* fs, const std::string& path, uint64_t file_number);

}  // namespace lsm
