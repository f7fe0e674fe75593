// SPDX-License-Identifier: BSD-3-Clause
// TableSalvage finds what is whole in an SST file of which some is not.
//
// A data block is taken if its checksum is right and it makes sense; nothing else of the file has
// to be. How the blocks of a slice are found:
//   1. By the slice's index.
//   2. If that is damaged, by their checksums: a block begins where the one before it ended, and
//      ends where the eight bytes that follow are the checksum of those between. What is found so
//      ends with the first block that is damaged as well.
// Where the slices are is known from the footer and the slice directory; if these are damaged, the
// whole file is searched by checksums, and a slice ends where its index block is met. Which tree it
// belongs to is then unknown here; its properties, if they are whole, tell those who know the
// manifest.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/internal_iterator.h"
#include "lsm/format/table_format.h"
#include "lsm/sst/table_check.h"
#include "lsm/sst/table_file.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

using FaultSink = std::function<void(const SstFault& fault)>;

struct SalvagedSlice {
  std::optional<TreeId> tree;               // nothing: the directory is lost
  std::optional<SstProperties> properties;  // nothing: they are lost
  struct DataBlock {
    BlockHandle handle;
    std::string last_key;  // a user key that is not before any of the block; empty: not known
  };
  std::vector<DataBlock> blocks;  // in order; they have not been read
};

// The records of one slice's whole blocks, from the first on; blocks that are not whole are passed
// over and reported.
class SalvageCursor {
 public:
  virtual ~SalvageCursor() = default;
  virtual bool Valid() const = 0;
  // REQUIRES: Valid()
  virtual void Next() = 0;
  virtual std::string_view user_key() const = 0;
  virtual SequenceNumber sequence() const = 0;
  virtual RecordType type() const = 0;
  virtual std::string_view value() const = 0;
};

class TableSalvage {
 public:
  // Looks for slices and their blocks; whatever is lost of that is reported. An error is one of
  // opening the file.
  static Result<std::shared_ptr<const TableSalvage>> Open(FileSystem* fs, const std::string& path,
                                                          uint64_t file_number,
                                                          const FaultSink& fault);

  const std::vector<SalvagedSlice>& slices() const { return slices_; }
  // Of slices()[slice], for `tree`. The cursor holds one block; this and `fault` must outlive it.
  std::unique_ptr<SalvageCursor> NewCursor(size_t slice, TreeId tree, const FaultSink& fault) const;

 private:
  class Search;
  explicit TableSalvage(std::shared_ptr<const TableFile> file) : file_(std::move(file)) {}
  // By the slice directory; `begin` is where the slice does.
  SalvagedSlice ReadSlice(const SstSlice& where, uint64_t begin, Search* search,
                          const FaultSink& fault) const;
  // Without it.
  void SearchFile(Search* search, const FaultSink& fault);
  // What a block is that was found by its checksum.
  enum class Part { kData, kFilter, kProperties, kIndex };
  Part PartOf(BlockHandle handle, std::optional<SstProperties>* properties) const;

  const std::shared_ptr<const TableFile> file_;
  std::vector<SalvagedSlice> slices_;
};

}  // namespace lsm
