// SPDX-License-Identifier: BSD-3-Clause
// What a compaction reads. InputRun walks the records of one file of L0, or of a level's files one
// after the other; RunMerger walks several runs as one, in internal order. Files are read in large
// sequential reads through handles of their own: neither the block cache nor the table cache sees
// them.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/internal_key.h"
#include "lsm/sst/block.h"
#include "lsm/sst/block_index.h"
#include "lsm/sst/read_ahead.h"
#include "lsm/sst/table_file.h"
#include "lsm/status.h"
#include "lsm/version/version.h"

namespace lsm {

// Opens the files of a compaction.
class InputFiles {
 public:
  struct Input {
    std::shared_ptr<const TableFile> file;
    ReadAhead ahead = ReadAhead::Full();
  };

  // `keep_open`: files have slices of several trees, and are asked for again. Trees come in
  // ascending order, as their slices in a file do, so one window serves them all.
  InputFiles(FileSystem* fs, std::string directory, bool keep_open);

  Result<std::shared_ptr<Input>> Open(uint64_t number);
  // It is not asked for again.
  void Close(uint64_t number) { kept_.erase(number); }

  // What becomes of the pages of files that take the place of those opened so far: they stay in
  // the page cache if most of those did.
  PageCache page_cache() const {
    return opened_bytes_ > 0 && cached_bytes_ * 2 >= opened_bytes_ ? PageCache::kKeep
                                                                   : PageCache::kDrop;
  }

 private:
  FileSystem* const fs_;
  const std::string directory_;
  const bool keep_open_;
  std::map<uint64_t, std::shared_ptr<Input>> kept_;
  double opened_bytes_ = 0;
  double cached_bytes_ = 0;  // of them
};

class InputRun {
 public:
  // `opener` must outlive the run. REQUIRES: `files` are in key order and do not overlap
  InputRun(InputFiles* opener, std::vector<FileRef> files);
  InputRun(const InputRun&) = delete;
  InputRun& operator=(const InputRun&) = delete;

  // To the first record, and to the next one.
  Status SeekToFirst();
  Status Next();
  bool Valid() const { return valid_; }

  std::string_view user_key() const { return record_.user_key(); }
  SequenceNumber sequence() const { return record_.sequence(); }
  RecordType type() const { return record_.type(); }
  std::string_view value() const { return record_.value(); }

  // Whether this run's record comes before that of `other`. REQUIRES: both are Valid()
  bool Before(const InputRun& other) const;

 private:
  Status OpenFile();
  // Goes on to the next block, or file, until there is a record or none is left.
  Status Settle();
  void NoteKey();

  InputFiles* const opener_;
  const std::vector<FileRef> files_;
  size_t next_file_ = 0;
  std::shared_ptr<InputFiles::Input> input_;
  std::optional<BlockIndex> index_;
  size_t next_block_ = 0;
  std::shared_ptr<const Block> block_;
  uint64_t block_offset_ = 0;
  Block::Iterator record_;
  bool valid_ = false;
  uint64_t key_head_ = 0;  // the first eight bytes of the key, as a number
};

class RunMerger {
 public:
  explicit RunMerger(std::vector<std::unique_ptr<InputRun>> runs) : runs_(std::move(runs)) {}

  Status SeekToFirst();
  Status Next();
  bool Valid() const { return !heap_.empty(); }
  // REQUIRES: Valid()
  const InputRun& record() const { return *heap_.front(); }

 private:
  void SiftDown(size_t at);

  std::vector<std::unique_ptr<InputRun>> runs_;
  std::vector<InputRun*> heap_;  // those with a record, the next one in front
};

}  // namespace lsm
