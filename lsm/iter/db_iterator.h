// SPDX-License-Identifier: BSD-3-Clause
// DbIterator turns the records of a tree (every version, tombstones included) into its live keys at
// one sequence number, within bounds.
//
// Invariants while it is Valid():
//   - forward: the source stands on the shown record;
//   - backward: the source stands before every record of the shown key, whose key and value are
//     copies.
// Once it has left the bounds or met an error it does not touch the source again until it is
// positioned anew; an error is never forgotten.
//
// Thread safety: none.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lsm/format/internal_iterator.h"
#include "lsm/iter/missing_parts.h"
#include "lsm/iterator.h"
#include "lsm/pinned_value.h"
#include "lsm/sst/table_cache.h"

namespace lsm {

// Bounds and prefix made into one range of user keys.
struct KeyRange {
  std::string lower;  // inclusive unless lower_exclusive
  bool lower_exclusive = false;
  std::optional<std::string> upper;  // absent: no end
  bool upper_inclusive = false;
  bool empty = false;  // nothing can be in it

  static KeyRange From(const IterateOptions& options);
  bool AboveLower(std::string_view key) const;
  bool BelowUpper(std::string_view key) const;
  // Whether some key of [smallest, largest] may be in the range.
  bool Overlaps(std::string_view smallest, std::string_view largest) const;
};

// How a big value is read.
struct BlobSource {
  TableCache* tables = nullptr;  // null: it is not
  bool fill_cache = true;
  MissingParts* missing = nullptr;  // not null: from memory only, and it is told what is lacking
};

class DbIterator final : public Iterator {
 public:
  // `keep_alive` is whatever the source reads from.
  DbIterator(std::unique_ptr<InternalIterator> source, SequenceNumber sequence, KeyRange range,
             int tables, std::shared_ptr<const void> keep_alive, const BlobSource& blobs);

  bool Valid() const override { return valid_; }
  Status status() const override { return status_; }

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view target) override;
  void SeekForPrev(std::string_view target) override;
  void Next() override;
  void Prev() override;

  std::string_view key() const override;
  std::string_view value() const override;
  SequenceNumber sequence() const override;
  int num_active_iterators() const override { return tables_; }

 private:
  // Shows the first live key at or after the source's record; skips those of saved_key_ first if
  // `skip_saved`.
  void FindForward(bool skip_saved);
  // Shows the last live key at or before the source's record.
  void FindBackward();
  // Takes over the source's error if it has one.
  void End();
  bool Usable();
  // Shows the record, whose value is `value`, of type `type`. An error ends the walk.
  void Show(RecordType type, std::string_view value);
  // Past the remaining records of saved_key_.
  void PassSavedKey();

  const std::shared_ptr<const void> keep_alive_;
  const std::unique_ptr<InternalIterator> source_;
  const SequenceNumber sequence_;
  const KeyRange range_;
  const int tables_;
  const BlobSource blobs_;

  bool valid_ = false;
  bool backward_ = false;
  Status status_;
  bool is_blob_ = false;  // the shown value is blob_
  PinnedValue blob_;
  std::string saved_key_;
  std::string saved_value_;            // backward
  SequenceNumber saved_sequence_ = 0;  // backward
};

}  // namespace lsm
