// SPDX-License-Identifier: BSD-3-Clause
// TableBuilder writes an SST file (lsm/format/FORMAT.md, "SST file"), or a blob file, in one
// sequential pass. Equal records give equal bytes.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/internal_key.h"
#include "lsm/format/table_format.h"
#include "lsm/options.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

struct TableBuilderOptions {
  size_t block_size = 8192;
  int block_restart_interval = 4;
  int filter_bits_per_key = 10;
  Compression compression = Compression::kLz4;
  int zstd_level = 3;
};

// What was written, one a slice: what the manifest needs to know.
struct SliceSummary {
  TreeId tree = 0;
  uint64_t bytes = 0;  // of its blocks, of all kinds
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  std::string smallest_key;  // user keys
  std::string largest_key;
  // What the slice's records of type kBlob point to, by blob file.
  struct Blobs {
    uint64_t values = 0;
    uint64_t bytes = 0;
  };
  std::map<uint64_t, Blobs> blobs;
};

class TableBuilder {
 public:
  // Writes to `file` from offset 0. `file_number` goes into every checksum.
  TableBuilder(const TableBuilderOptions& options, std::unique_ptr<WritableFile> file,
               uint64_t file_number);
  ~TableBuilder();

  // Makes the file a blob file. REQUIRES: nothing but values was or will be added
  Result<BlobPointer> AddValue(std::string_view value);

  // REQUIRES: slices come in ascending order of tree; no slice is open.
  void BeginSlice(TreeId tree);
  // Records must come in internal order: those of a damaged input that do not are kCorruption. An
  // error is kept and reported by Finish too. REQUIRES: a slice is open
  Status Add(std::string_view user_key, SequenceNumber sequence, RecordType type,
             std::string_view value);
  // A slice without records leaves no trace.
  Status EndSlice();

  // Writes the rest, syncs and closes the file. The caller syncs the directory.
  Status Finish();

  // Bytes that went to the file so far, with the open block's estimate.
  uint64_t FileSize() const;
  const std::vector<SliceSummary>& slices() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace lsm
