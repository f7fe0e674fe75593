// SPDX-License-Identifier: BSD-3-Clause
// IdleTimer calls a function again and again, a fixed time apart, on the executor's lane for
// compaction, until it is stopped. Nobody waits for the time to pass: what is scheduled when the
// timer is stopped finds nothing to call, whenever that is.
//
// Thread safety: safe for concurrent use. The function runs under the timer's lock, so that it does
// not run when Stop has returned; whatever it locks comes behind that in the order of locks.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "lsm/executor.h"
#include "lsm/util/mutex.h"

namespace lsm {

class IdleTimer {
 public:
  IdleTimer() : shared_(std::make_shared<Shared>()) {}
  ~IdleTimer() { Stop(); }
  IdleTimer(const IdleTimer&) = delete;
  IdleTimer& operator=(const IdleTimer&) = delete;

  // REQUIRES: micros > 0; it has not been started. `executor` outlives what it runs.
  void Start(Executor* executor, int64_t micros, std::function<void()> tick) {
    MutexLock lock(&shared_->mutex);
    shared_->tick = std::move(tick);
    Schedule(shared_, executor, micros);
  }
  void Stop() {
    MutexLock lock(&shared_->mutex);
    shared_->tick = nullptr;
  }

 private:
  struct Shared {
    Mutex mutex;
    std::function<void()> tick GUARDED_BY(mutex);
  };

  static void Schedule(const std::shared_ptr<Shared>& shared, Executor* executor, int64_t micros) {
    executor->ScheduleAfter(Executor::Lane::kCompaction, micros, [shared, executor, micros] {
      MutexLock lock(&shared->mutex);
      if (!shared->tick) return;
      shared->tick();
      Schedule(shared, executor, micros);
    });
  }

  const std::shared_ptr<Shared> shared_;
};

}  // namespace lsm
