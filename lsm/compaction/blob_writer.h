// SPDX-License-Identifier: BSD-3-Clause
// BlobWriter puts the big values of a flush or of a compaction into blob files, one after the
// other, so that the compactions to come need not write them again.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/compaction/flush_job.h"
#include "lsm/format/internal_key.h"
#include "lsm/sst/table_builder.h"
#include "lsm/status.h"
#include "lsm/version/version_edit.h"

namespace lsm {

class BlobWriter {
 public:
  // What is given must outlive the writer. `new_file_number` is called once a file.
  BlobWriter(const TableTarget& target, const std::function<uint64_t()>& new_file_number)
      : target_(target), new_file_number_(new_file_number) {}

  // Stores the value of a record if it is big: the record is then of type kBlob, and `*value` the
  // pointer, which is good until the next call.
  Status TakeIfBig(RecordType* type, std::string_view* value);
  // Of the files that are begun from now on.
  void WriteThrough(PageCache then) { then_ = then; }
  // Every file is whole and synced afterwards. Nothing is added any more.
  Status Finish();
  // For a job that failed. Best effort: what stays behind is an orphan that the next open removes.
  void RemoveFiles();

  // Of files written here, or told by KnowSizes. REQUIRES: Finish. kCorruption if a record
  // of the inputs pointed to another file.
  Status FillSizes(FileMetadata* file) const;
  void KnowSizes(const FileMetadata& file);

  std::vector<uint64_t> files() const { return numbers_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  Status FinishFile();

  const TableTarget& target_;
  const std::function<uint64_t()>& new_file_number_;
  PageCache then_ = PageCache::kKeep;
  std::unique_ptr<TableBuilder> builder_;
  std::string pointer_;
  std::vector<uint64_t> numbers_;
  std::map<uint64_t, uint64_t> sizes_;
  uint64_t bytes_written_ = 0;
};

}  // namespace lsm
