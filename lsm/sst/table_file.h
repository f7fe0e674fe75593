// SPDX-License-Identifier: BSD-3-Clause
// TableFile is an open SST file: its footer and slice directory, and blocks that are checked
// before anybody sees them. It knows nothing of what data blocks hold. A blob file is one without
// slices, whose blocks are values.
//
// Thread safety: immutable after Open; safe for concurrent use.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/compression.h"
#include "lsm/format/table_format.h"
#include "lsm/sst/block.h"
#include "lsm/sst/read_ahead.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/util/allocation.h"

namespace lsm {

// The ways to get at a block's bytes.
struct BlockSource {
  ReadAhead* ahead = nullptr;  // through this window; may be null
  // kWouldBlock rather than waiting for a device, or working on a block of more than kLargeBlock
  // bytes, stored or not: to check and uncompress one takes as long as a device.
  bool cached_only = false;
  static constexpr size_t kLargeBlock = size_t{256} << 10;
};

class TableFile {
 public:
  // Checks footer and slice directory.
  static Result<std::shared_ptr<const TableFile>> Open(
      FileSystem* fs, const std::string& path, uint64_t file_number,
      AccessPattern pattern = AccessPattern::kRandom);

  // The same for a file that a version names: that there is none is kCorruption then. To whoever
  // reads a tree, kNotFound would say that there is no such tree.
  static Result<std::shared_ptr<const TableFile>> OpenNamed(FileSystem* fs, const std::string& path,
                                                            uint64_t file_number,
                                                            AccessPattern pattern);

  // For whoever looks for what is left of a damaged file: without a whole footer, or slice
  // directory, there are no slices, and `*damage` says why. REQUIRES: it is OK
  static Result<std::shared_ptr<const TableFile>> OpenDamaged(FileSystem* fs,
                                                              const std::string& path,
                                                              uint64_t file_number, Status* damage);

  const std::string& path() const { return path_; }
  uint64_t number() const { return number_; }
  uint64_t size() const { return size_; }
  // As RandomAccessFile says it.
  double CachedShare() const { return file_->CachedShare(); }
  const SstFooter& footer() const { return footer_; }
  const std::vector<SstSlice>& slices() const { return slices_; }
  // Of the heap, and of the system for the open file.
  size_t MemoryUsage() const {
    constexpr size_t kHandle = 1024;
    return sizeof(TableFile) + AllocatedBytes(slices_.data()) + kHandle;
  }
  // Null if the file has no slice of `tree`.
  const SstSlice* FindSlice(TreeId tree) const;

  // Reads a block, checks it against its checksum and undoes its compression; `*size` of the bytes
  // are the contents. `what` names the block in errors. `compression` may be null.
  Result<OwnedBytes> ReadContents(BlockHandle handle, const char* what, size_t* size,
                                  uint8_t* compression = nullptr, BlockSource source = {}) const;
  // The same for a block of records, of an index, or that is a value.
  Result<std::shared_ptr<const Block>> ReadBlock(BlockHandle handle, BlockKind kind,
                                                 BlockSource source = {}) const;

  // kCorruption: "PATH: WHAT at offset OFFSET: WHY".
  Status Corruption(const char* what, uint64_t offset, std::string_view why) const;

 private:
  TableFile(std::string path, uint64_t number, std::unique_ptr<RandomAccessFile> file)
      : path_(std::move(path)), number_(number), file_(std::move(file)) {}
  // A block as it is stored, trailer included, in `*own` or in the source's window.
  Result<std::string_view> ReadStored(BlockHandle handle, const char* what, BlockSource source,
                                      OwnedBytes* own) const;
  Status ReadFooter();
  Status ReadDirectory();

  const std::string path_;
  const uint64_t number_;
  const std::unique_ptr<RandomAccessFile> file_;
  uint64_t size_ = 0;
  SstFooter footer_;
  std::vector<SstSlice> slices_;
};

}  // namespace lsm
