// SPDX-License-Identifier: BSD-3-Clause
// MissingParts is what reads in memory only lacked: tables that are not open, blocks and values
// that are not in memory. Each part keeps its file from being removed.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lsm/sst/table_reader.h"
#include "lsm/version/version.h"

namespace lsm {

struct MissingPart {
  FileRef file;
  std::shared_ptr<const TableReader> table;  // null: it is not open
  size_t block = 0;                          // its number in the table
  std::optional<BlobPointer> blob;           // or this value; then `file` and `table` are null
  std::shared_ptr<const void> blob_keeper;   // keeps the blob file
  bool ahead = false;  // nobody has asked for it yet: that it cannot be read is no failure
};

class MissingParts {
 public:
  void AddTable(const FileRef& file) { parts_.push_back({file, nullptr, 0, {}, nullptr}); }
  void AddBlock(const FileRef& file, std::shared_ptr<const TableReader> table, size_t block,
                bool ahead = false) {
    parts_.push_back({file, std::move(table), block, {}, nullptr, ahead});
  }
  void AddBlob(const BlobPointer& blob, std::shared_ptr<const void> keeper) {
    parts_.push_back({nullptr, nullptr, 0, blob, std::move(keeper)});
  }

  bool empty() const { return parts_.empty(); }
  std::vector<MissingPart> Take() { return std::exchange(parts_, {}); }

 private:
  std::vector<MissingPart> parts_;
};

}  // namespace lsm
