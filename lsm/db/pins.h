// SPDX-License-Identifier: BSD-3-Clause
// PinRegistry knows which points of the execution order somebody looks at, so that memtables,
// flushes and merges keep the records these points need. Memory that only points before Floor()
// could see is reused: who reads without a pin may read what was never there.
//
// Invariant: a pin made after Floor() returned f is at f or later. Both read the visible sequence
// under the same lock, and it never goes back.
//
// Thread safety: safe for concurrent use. The lock is a leaf: nothing else is locked under it.

#pragma once

#include <atomic>
#include <set>
#include <vector>

#include "lsm/types.h"
#include "lsm/util/mutex.h"

namespace lsm {

class PinRegistry {
 public:
  explicit PinRegistry(const std::atomic<SequenceNumber>* visible) : visible_(visible) {}

  // Pins the newest visible point and returns it.
  SequenceNumber Pin() {
    MutexLock lock(&mutex_);
    const SequenceNumber sequence = visible_->load(std::memory_order_acquire);
    pins_.insert(sequence);
    return sequence;
  }
  // REQUIRES: `sequence` is pinned.
  void PinAgain(SequenceNumber sequence) {
    MutexLock lock(&mutex_);
    pins_.insert(sequence);
  }
  void Unpin(SequenceNumber sequence) {
    MutexLock lock(&mutex_);
    pins_.erase(pins_.find(sequence));
  }

  // Nobody looks, or will look, at a point before this.
  SequenceNumber Floor() const {
    MutexLock lock(&mutex_);
    return pins_.empty() ? visible_->load(std::memory_order_acquire) : *pins_.begin();
  }
  // Ascending, each once.
  std::vector<SequenceNumber> Pins() const {
    MutexLock lock(&mutex_);
    std::vector<SequenceNumber> pins;
    for (const SequenceNumber pin : pins_) {
      if (pins.empty() || pins.back() != pin) pins.push_back(pin);
    }
    return pins;
  }

 private:
  const std::atomic<SequenceNumber>* const visible_;
  mutable Mutex mutex_;
  std::multiset<SequenceNumber> pins_ GUARDED_BY(mutex_);
};

}  // namespace lsm
