// SPDX-License-Identifier: BSD-3-Clause
// MergingIterator shows the records of several sources as one sequence in internal order.
//
// No two sources hold the same record (user key and sequence), so the order is total. An error of
// any source ends the iteration at once: a record that a broken source hides might be the newest.
//
// Thread safety: none.

#pragma once

#include <memory>
#include <vector>

#include "lsm/format/internal_iterator.h"

namespace lsm {

using IteratorSource = std::unique_ptr<InternalIterator>;

class MergingIterator final : public InternalIterator {
 public:
  explicit MergingIterator(std::vector<IteratorSource> sources);

  Status status() const override { return status_; }

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view user_key, SequenceNumber sequence) override;
  void SeekBefore(std::string_view user_key) override;
  void Next() override;
  void Prev() override;

 private:
  enum class Direction { kForward, kBackward };

  InternalIterator* top() const { return heap_.front(); }
  // Makes a heap of all valid sources for `direction`; notes the first error.
  void Rebuild(Direction direction);
  // Puts the top, which has moved, where it belongs.
  void SiftTop();
  // The top has moved: it is put where it belongs, or left out. Stands on the new one.
  void Settle();
  void Stand() { StandOn(heap_.empty() || !status_.ok() ? nullptr : &top()->record()); }
  bool Before(const InternalIterator* a, const InternalIterator* b) const;
  // Turns every source but the current one around, to its neighbour of the current record.
  void SwitchTo(Direction direction);

  std::vector<IteratorSource> sources_;
  std::vector<InternalIterator*> heap_;  // valid sources, the one to show first in front
  Direction direction_ = Direction::kForward;
  Status status_;
};

}  // namespace lsm
