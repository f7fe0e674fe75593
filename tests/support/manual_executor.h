// SPDX-License-Identifier: BSD-3-Clause
// ManualExecutor runs scheduled work only when it is told to, on the thread that tells it; with a
// seed, lanes take turns as the seed decides, so that one seed replays one history.
//
// As with real workers, a lane runs one job at a time: work that waits (HelpWhileWaiting) and so
// runs other work never starts a second job of its own lane. What is still queued at destruction is
// dropped.
//
// Thread safety: queues are locked; a test that wants one history uses one thread.

#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "lsm/executor.h"
#include "lsm/random.h"
#include "lsm/util/mutex.h"

namespace lsm {

class ManualExecutor : public Executor {
 public:
  // Runs jobs in the order in which they were scheduled.
  ManualExecutor() = default;
  // Picks among the lanes that have work; the order within a lane is kept.
  explicit ManualExecutor(uint64_t seed) : random_(seed) {}

  void Schedule(Lane lane, std::function<void()> work) override;
  // Waits for ReleaseDelayed, however long that takes.
  void ScheduleAfter(Lane lane, int64_t micros, std::function<void()> work) override;
  bool HelpWhileWaiting() override { return RunOne(); }

  // What was to wait is scheduled now. Returns how many jobs that are.
  size_t ReleaseDelayed();

  // Runs the next job. False if there is none that may start now.
  bool RunOne();
  bool RunOne(Lane lane);
  // Runs jobs until none is left, also those that they schedule; returns how many.
  size_t RunAll();

  size_t Queued() const;
  size_t Queued(Lane lane) const;

 private:
  static constexpr size_t kLanes = 5;
  struct Job {
    uint64_t ordinal;
    std::function<void()> work;
  };
  struct LaneQueue {
    std::deque<Job> jobs;
    bool running = false;
  };

  // The lane whose job is next.
  std::optional<size_t> Pick() REQUIRES_LOCK(mutex_);
  bool Run(size_t lane);

  mutable Mutex mutex_;
  std::optional<Random> random_ GUARDED_BY(mutex_);
  std::vector<std::pair<Lane, std::function<void()>>> delayed_ GUARDED_BY(mutex_);
  uint64_t scheduled_ GUARDED_BY(mutex_) = 0;
  std::array<LaneQueue, kLanes> lanes_ GUARDED_BY(mutex_);
};

}  // namespace lsm
