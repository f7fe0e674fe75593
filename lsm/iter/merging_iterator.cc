// SPDX-License-Identifier: BSD-3-Clause
// Algorithm: a binary heap holds the sources that stand on a record, ordered by that record
// (reversed when walking backwards). A step moves the source in front and sifts it down.
//
// To change direction at record r:
//   1. Every source but the one in front is positioned at its nearest record on the new side of r:
//      forward, the first after r; backward, the last before r.
//   2. The source in front steps off r in the new direction.
//   3. The heap is built anew.

#include "lsm/iter/merging_iterator.h"

#include <cassert>
#include <string>
#include <utility>

namespace lsm {

MergingIterator::MergingIterator(std::vector<IteratorSource> sources)
    : sources_(std::move(sources)) {
  heap_.reserve(sources_.size());
}

bool MergingIterator::Before(const InternalIterator* a, const InternalIterator* b) const {
  const int order = CompareInternal(a->user_key(), a->sequence(), b->user_key(), b->sequence());
  return direction_ == Direction::kForward ? order < 0 : order > 0;
}

void MergingIterator::SiftTop() {
  size_t at = 0;
  while (true) {
    size_t child = 2 * at + 1;
    if (child >= heap_.size()) return;
    if (child + 1 < heap_.size() && Before(heap_[child + 1], heap_[child])) ++child;
    if (!Before(heap_[child], heap_[at])) return;
    std::swap(heap_[at], heap_[child]);
    at = child;
  }
}

void MergingIterator::Settle() {
  if (!top()->Valid()) {
    if (status_.ok()) status_ = top()->status();
    heap_.front() = heap_.back();
    heap_.pop_back();
  }
  SiftTop();
  Stand();
}

void MergingIterator::Rebuild(Direction direction) {
  direction_ = direction;
  heap_.clear();
  for (const IteratorSource& source : sources_) {
    InternalIterator* iterator = source.get();
    if (iterator->Valid()) {
      // Sift up from the new leaf.
      size_t at = heap_.size();
      heap_.push_back(iterator);
      while (at > 0 && Before(heap_[at], heap_[(at - 1) / 2])) {
        std::swap(heap_[at], heap_[(at - 1) / 2]);
        at = (at - 1) / 2;
      }
    } else if (status_.ok()) {
      status_ = iterator->status();
    }
  }
  Stand();
}

void MergingIterator::SeekToFirst() {
  for (const IteratorSource& source : sources_) source->SeekToFirst();
  Rebuild(Direction::kForward);
}

void MergingIterator::SeekToLast() {
  for (const IteratorSource& source : sources_) source->SeekToLast();
  Rebuild(Direction::kBackward);
}

void MergingIterator::Seek(std::string_view user_key, SequenceNumber sequence) {
  for (const IteratorSource& source : sources_) source->Seek(user_key, sequence);
  Rebuild(Direction::kForward);
}

void MergingIterator::SeekBefore(std::string_view user_key) {
  for (const IteratorSource& source : sources_) source->SeekBefore(user_key);
  Rebuild(Direction::kBackward);
}

void MergingIterator::SwitchTo(Direction direction) {
  InternalIterator* current = top();
  const std::string key(current->user_key());
  const SequenceNumber sequence = current->sequence();
  for (const IteratorSource& source : sources_) {
    InternalIterator* iterator = source.get();
    if (iterator == current) continue;
    iterator->Seek(key, sequence);  // nobody else has this record: lands after it
    if (direction == Direction::kForward) continue;
    if (iterator->Valid()) {
      iterator->Prev();
    } else if (iterator->status().ok()) {
      iterator->SeekToLast();
    }
  }
  if (direction == Direction::kForward) {
    current->Next();
  } else {
    current->Prev();
  }
  Rebuild(direction);
}

void MergingIterator::Next() {
  assert(Valid());
  if (direction_ != Direction::kForward) return SwitchTo(Direction::kForward);
  InternalIterator* current = top();
  current->Next();
  Settle();
}

void MergingIterator::Prev() {
  assert(Valid());
  if (direction_ != Direction::kBackward) return SwitchTo(Direction::kBackward);
  InternalIterator* current = top();
  current->Prev();
  Settle();
}

}  // namespace lsm
