// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/db/tree.h"

#include <algorithm>
#include <iterator>

#include "lsm/util/check.h"

namespace lsm {

void CounterHistory::Add(SequenceNumber sequence, size_t counter, int64_t delta) {
  MutexLock lock(&mutex_);
  if (history_.back().first != sequence) {
    VARVE_CHECK(history_.back().first < sequence);
    history_.emplace_back(sequence, history_.back().second);
  }
  int64_t& value = history_.back().second[counter];
  // Wraps like every two's complement counter: a hostile delta must not be undefined behaviour.
  value = static_cast<int64_t>(static_cast<uint64_t>(value) + static_cast<uint64_t>(delta));
}

void CounterHistory::Undo(SequenceNumber sequence) {
  MutexLock lock(&mutex_);
  while (history_.size() > 1 && history_.back().first >= sequence) history_.pop_back();
}

bool CounterHistory::Prune(SequenceNumber floor) {
  MutexLock lock(&mutex_);
  while (history_.size() > 1 && history_[1].first <= floor) history_.pop_front();
  return history_.size() >= thin_at_;
}

void CounterHistory::Thin(const std::vector<SequenceNumber>& pins, SequenceNumber visible) {
  MutexLock lock(&mutex_);
  auto kept = history_.begin();
  for (auto entry = history_.begin(); entry != history_.end(); ++entry) {
    const auto next = std::next(entry);
    // An entry is what is seen from its own sequence up to the one before the next entry's.
    const auto pin = std::lower_bound(pins.begin(), pins.end(), entry->first);
    const bool seen = next == history_.end() || next->first > visible ||
                      (pin != pins.end() && *pin < next->first);
    if (seen) *kept++ = *entry;
  }
  history_.erase(kept, history_.end());
  // Twice what could not be forgotten: the work stays in proportion to what is added.
  thin_at_ = std::max(kThinFrom, 2 * history_.size());
}

size_t CounterHistory::size() const {
  MutexLock lock(&mutex_);
  return history_.size();
}

TreeCounters CounterHistory::At(SequenceNumber sequence) const {
  MutexLock lock(&mutex_);
  for (auto entry = history_.rbegin(); entry != history_.rend(); ++entry) {
    if (entry->first <= sequence) return entry->second;
  }
  return history_.front().second;
}

SequenceNumber Tree::OldestUnflushed() const {
  SequenceNumber oldest = active_first;
  const auto consider = [&oldest](SequenceNumber first) {
    if (first != 0 && (oldest == 0 || first < oldest)) oldest = first;
  };
  if (counted) consider(counted->first);
  if (!state->frozen.empty()) consider(state->frozen.back()->mark.first);
  return oldest;
}

SequenceNumber Tree::OldestFrozen() const {
  if (state->frozen.empty()) return counted->first;
  const SequenceNumber first = state->frozen.back()->mark.first;
  return counted ? std::min(first, counted->first) : first;
}

SequenceNumber Tree::NewestFrozen() const {
  if (state->frozen.empty()) return counted->through;
  const SequenceNumber through = state->frozen.front()->mark.through;
  return counted ? std::max(through, counted->through) : through;
}

}  // namespace lsm
