// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/manual_executor.h"

#include <utility>

namespace lsm {

void ManualExecutor::Schedule(Lane lane, std::function<void()> work) {
  MutexLock lock(&mutex_);
  lanes_[static_cast<size_t>(lane)].jobs.push_back({scheduled_++, std::move(work)});
}

void ManualExecutor::ScheduleAfter(Lane lane, int64_t /*micros*/, std::function<void()> work) {
  MutexLock lock(&mutex_);
  delayed_.emplace_back(lane, std::move(work));
}

size_t ManualExecutor::ReleaseDelayed() {
  std::vector<std::pair<Lane, std::function<void()>>> delayed;
  {
    MutexLock lock(&mutex_);
    delayed.swap(delayed_);
  }
  for (auto& [lane, work] : delayed) Schedule(lane, std::move(work));
  return delayed.size();
}

std::optional<size_t> ManualExecutor::Pick() {
  std::array<size_t, kLanes> ready;
  size_t count = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    if (!lanes_[lane].running && !lanes_[lane].jobs.empty()) ready[count++] = lane;
  }
  if (count == 0) return std::nullopt;
  if (random_.has_value()) return ready[random_->Uniform(count)];
  size_t oldest = ready[0];
  for (size_t i = 1; i < count; ++i) {
    if (lanes_[ready[i]].jobs.front().ordinal < lanes_[oldest].jobs.front().ordinal) {
      oldest = ready[i];
    }
  }
  return oldest;
}

bool ManualExecutor::RunOne() {
  std::optional<size_t> lane;
  {
    MutexLock lock(&mutex_);
    lane = Pick();
  }
  return lane.has_value() && Run(*lane);
}

bool ManualExecutor::RunOne(Lane lane) { return Run(static_cast<size_t>(lane)); }

bool ManualExecutor::Run(size_t lane) {
  std::function<void()> work;
  {
    MutexLock lock(&mutex_);
    LaneQueue& queue = lanes_[lane];
    if (queue.running || queue.jobs.empty()) return false;
    work = std::move(queue.jobs.front().work);
    queue.jobs.pop_front();
    queue.running = true;
  }
  work();
  work = nullptr;
  MutexLock lock(&mutex_);
  lanes_[lane].running = false;
  return true;
}

size_t ManualExecutor::RunAll() {
  size_t count = 0;
  while (RunOne()) ++count;
  return count;
}

size_t ManualExecutor::Queued() const {
  MutexLock lock(&mutex_);
  size_t count = 0;
  for (const LaneQueue& queue : lanes_) count += queue.jobs.size();
  return count;
}

size_t ManualExecutor::Queued(Lane lane) const {
  MutexLock lock(&mutex_);
  return lanes_[static_cast<size_t>(lane)].jobs.size();
}

}  // namespace lsm
