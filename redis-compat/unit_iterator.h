// SPDX-License-Identifier: BSD-3-Clause
// UnitIterator shows a tree as it would be if a unit were committed: the unit's own writes, in
// order, over what the database holds. Both ways, within bounds, deletes hidden.
//
//   1. Two cursors stand in the range: one in the database, one in the unit's writes.
//   2. Going forward, both stand at or behind the place that is shown; the smaller key is next.
//      Where both have a key the unit's wins, and the database's is stepped over.
//   3. If the unit's is a delete, both are stepped over, and so on with 2.
//   4. Going backward is the same with signs exchanged. When the direction changes, both cursors
//      are placed anew around the key that is shown.
//
// OrderedWrites is the unit's side: its writes sorted by tree and key, each key once, with the
// newest write. It is filled when somebody iterates, and grows with the unit: an iterator stays
// good while the unit goes on writing, and may or may not show what is written after it was made.
//
// Thread safety: none; lives for one command, and not beyond the unit's commit or Clear.

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lsm/iterator.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"

namespace redis {

// Where the newest value of a key lies in the unit's bytes; absent: the key is deleted.
struct ValuePlace {
  size_t begin;
  size_t size;
};

struct WriteOrder {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    if (a.first != b.first) return a.first < b.first;
    return std::string_view(a.second) < std::string_view(b.second);
  }
};

using OrderedWrites =
    std::map<std::pair<lsm::TreeId, std::string>, std::optional<ValuePlace>, WriteOrder>;

class UnitIterator : public lsm::Iterator {
 public:
  // `base` shows the tree in the database within the same `options`; null if the unit makes the
  // tree. `writes`, whose values lie in `batch`, outlives the iterator, as does that.
  UnitIterator(std::unique_ptr<lsm::Iterator> base, const OrderedWrites* writes,
               const lsm::WriteBatch* batch, lsm::TreeId tree, const lsm::IterateOptions& options);

  // Whether a write of the unit lies in the range; otherwise the base shows the same.
  bool HasOwnWrites() const { return begin_ != end_; }
  std::unique_ptr<lsm::Iterator> TakeBase() { return std::move(base_); }

  bool Valid() const override { return current_ != Current::kNone; }
  lsm::Status status() const override { return base_ ? base_->status() : lsm::Status(); }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view target) override;
  void SeekForPrev(std::string_view target) override;
  void Next() override;
  void Prev() override;
  std::string_view key() const override;
  // Good until the iterator moves or the unit writes.
  std::string_view value() const override;
  // 0 for a write of the unit, which has no number yet.
  lsm::SequenceNumber sequence() const override;
  int num_active_iterators() const override { return base_ ? base_->num_active_iterators() : 0; }

 private:
  using Position = OrderedWrites::const_iterator;
  using Key = std::pair<lsm::TreeId, std::string_view>;
  enum class Current { kNone, kBase, kOwn };
  enum class Direction { kForward, kBackward };

  bool BaseIsValid() const { return base_ != nullptr && base_->Valid(); }
  std::string_view own_key() const { return own_->first.second; }
  // Whether `a` comes before `b` in the unit's writes.
  bool Before(Position a, Position b) const;
  Position Find(std::string_view key) const { return writes_->lower_bound(Key(tree_, key)); }
  Position FindBehind(std::string_view key) const { return writes_->upper_bound(Key(tree_, key)); }
  // Place the unit's cursor at a position, if that is in the range.
  void SetOwnForward(Position position);
  void SetOwnBackward(Position end);  // at the last one before
  void StepOwn();
  void StepBase();
  // Finds what to show, from where both cursors stand, in the direction.
  void Settle();

  std::unique_ptr<lsm::Iterator> base_;
  const OrderedWrites* const writes_;
  const lsm::WriteBatch* const batch_;
  const lsm::TreeId tree_;
  // The range in the unit's writes: from `begin_` up to `end_`.
  Position begin_;
  Position end_;
  Position own_;
  bool has_own_ = false;
  Direction direction_ = Direction::kForward;
  Current current_ = Current::kNone;
};

}  // namespace redis
