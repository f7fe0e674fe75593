// SPDX-License-Identifier: BSD-3-Clause
// LevelIterator walks the files of one level below L0, which are in key order and do not overlap,
// as one sequence. A file is opened when the walk reaches it, and let go when it leaves it.
//
// Thread safety: none.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "lsm/format/internal_iterator.h"
#include "lsm/iter/missing_parts.h"
#include "lsm/sst/missing_blocks.h"
#include "lsm/sst/table_cache.h"
#include "lsm/version/version.h"

namespace lsm {

class LevelIterator final : public InternalIterator, private MissingBlocks {
 public:
  // `files`, a part of a version's level, and `tables` must outlive the iterator, and so must
  // `missing`, if it is not null: then the iterator never waits for a device, but ends with
  // kWouldBlock and says there what it lacks. `upper`: nobody will walk past this user key; none:
  // there is no such bound.
  LevelIterator(std::span<const FileRef> files, TableCache* tables, bool fill_cache,
                MissingParts* missing, const std::optional<std::string>& upper);

  Status status() const override;

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view user_key, SequenceNumber sequence) override;
  void SeekBefore(std::string_view user_key) override;
  void Next() override;
  void Prev() override;

 private:
  // What the open file's iterator lacks.
  void Add(size_t block, bool ahead) override;
  Result<std::shared_ptr<const TableReader>> FindTable(const FileRef& file);
  // Opens files_[index]; with an index past either end there is no file.
  void OpenFile(size_t index);
  void Close();
  // While the open file has no record: on to the first (last) record of the next (previous) one.
  // Every move ends so, and stands where that leads.
  void SkipForward();
  void SkipBackward();
  void Stand();

  const std::span<const FileRef> files_;
  TableCache* const tables_;
  const bool fill_cache_;
  MissingParts* const missing_;
  const std::optional<std::string> upper_;  // none if missing_ is null
  size_t index_;                            // of the open file; files_.size() if there is none
  std::shared_ptr<const TableReader> reader_;
  std::unique_ptr<InternalIterator> iterator_;
  Status open_error_;
};

}  // namespace lsm
