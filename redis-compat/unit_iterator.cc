// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/unit_iterator.h"

#include <cassert>
#include <iterator>

#include "redis-compat/key_codec.h"

namespace redis {

UnitIterator::UnitIterator(std::unique_ptr<lsm::Iterator> base, const OrderedWrites* writes,
                           const lsm::WriteBatch* batch, lsm::TreeId tree,
                           const lsm::IterateOptions& options)
    : base_(std::move(base)), writes_(writes), batch_(batch), tree_(tree) {
  begin_ = Find(options.prefix);
  if (options.lower && options.lower->key >= options.prefix) {
    begin_ = options.lower->inclusive ? Find(options.lower->key) : FindBehind(options.lower->key);
  }
  const std::string successor = SuccessorOfPrefix(options.prefix);
  end_ = successor.empty() ? writes_->lower_bound(Key(tree + 1, "")) : Find(successor);
  if (options.upper) {
    const Position bound =
        options.upper->inclusive ? FindBehind(options.upper->key) : Find(options.upper->key);
    if (Before(bound, end_)) end_ = bound;
  }
  if (Before(end_, begin_)) begin_ = end_;
}

bool UnitIterator::Before(Position a, Position b) const {
  if (a == writes_->end()) return false;
  return b == writes_->end() || WriteOrder()(a->first, b->first);
}

void UnitIterator::SetOwnForward(Position position) {
  own_ = Before(position, begin_) ? begin_ : position;
  has_own_ = Before(own_, end_);
}

void UnitIterator::SetOwnBackward(Position end) {
  if (Before(end_, end)) end = end_;
  has_own_ = Before(begin_, end);
  if (has_own_) own_ = std::prev(end);
}

void UnitIterator::StepOwn() {
  if (direction_ == Direction::kForward) {
    has_own_ = ++own_ != end_;
  } else {
    has_own_ = own_ != begin_;
    if (has_own_) --own_;
  }
}

void UnitIterator::StepBase() {
  if (direction_ == Direction::kForward) {
    base_->Next();
  } else {
    base_->Prev();
  }
}

void UnitIterator::Settle() {
  while (true) {
    current_ = Current::kNone;
    if (!status().ok()) return;
    if (!has_own_) {
      if (BaseIsValid()) current_ = Current::kBase;
      return;
    }
    if (BaseIsValid()) {
      const int order = base_->key().compare(own_key());
      if (direction_ == Direction::kForward ? order < 0 : order > 0) {
        current_ = Current::kBase;
        return;
      }
      if (order == 0) {
        StepBase();
        if (!status().ok()) return;
      }
    }
    if (own_->second) {
      current_ = Current::kOwn;
      return;
    }
    StepOwn();
  }
}

void UnitIterator::SeekToFirst() {
  direction_ = Direction::kForward;
  if (base_) base_->SeekToFirst();
  SetOwnForward(begin_);
  Settle();
}

void UnitIterator::SeekToLast() {
  direction_ = Direction::kBackward;
  if (base_) base_->SeekToLast();
  SetOwnBackward(end_);
  Settle();
}

void UnitIterator::Seek(std::string_view target) {
  direction_ = Direction::kForward;
  if (base_) base_->Seek(target);
  SetOwnForward(Find(target));
  Settle();
}

void UnitIterator::SeekForPrev(std::string_view target) {
  direction_ = Direction::kBackward;
  if (base_) base_->SeekForPrev(target);
  SetOwnBackward(FindBehind(target));
  Settle();
}

void UnitIterator::Next() {
  assert(Valid());
  if (direction_ == Direction::kBackward) {
    Seek(std::string(key()));
    if (!Valid()) return;  // an error: the key was there
  }
  current_ == Current::kBase ? StepBase() : StepOwn();
  Settle();
}

void UnitIterator::Prev() {
  assert(Valid());
  if (direction_ == Direction::kForward) {
    SeekForPrev(std::string(key()));
    if (!Valid()) return;  // an error: the key was there
  }
  current_ == Current::kBase ? StepBase() : StepOwn();
  Settle();
}

std::string_view UnitIterator::key() const {
  assert(Valid());
  return current_ == Current::kBase ? base_->key() : own_key();
}

std::string_view UnitIterator::value() const {
  assert(Valid());
  if (current_ == Current::kBase) return base_->value();
  return batch_->rep().substr(own_->second->begin, own_->second->size);
}

lsm::SequenceNumber UnitIterator::sequence() const {
  assert(Valid());
  return current_ == Current::kBase ? base_->sequence() : 0;
}

}  // namespace redis
