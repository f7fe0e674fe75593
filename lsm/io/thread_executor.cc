// SPDX-License-Identifier: BSD-3-Clause
// Executor::Threads: one queue a lane, and one thread, or as many as its jobs need up to a limit.
//
// Thread safety: safe for concurrent use; one mutex guards all queues. Work runs without it.
// Invariant: unfinished_ is the number of jobs that are queued or running. Work may schedule more
// work on any lane, also while the executor is being destroyed; a thread therefore ends only when
// nothing is left on any lane.

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/executor.h"
#include "lsm/util/check.h"
#include "lsm/util/mutex.h"

namespace lsm {
namespace {

struct LaneTraits {
  const char* thread_name;  // the system keeps 15 characters
  int nice;                 // how far this lane's threads yield to those that serve clients
  size_t most_threads;
};
// A sync is waited for, so its thread yields to nobody; merges and checkpoints can wait longest.
// Reads are many at a time because that is how a device is fastest; their threads only wait.
constexpr std::array<LaneTraits, 5> kLanes = {{{"varve-sync", 0, 1},
                                               {"varve-flush", 5, 1},
                                               {"varve-compact", 10, 1},
                                               {"varve-copy", 10, 1},
                                               {"varve-read", 0, 32}}};

class ThreadExecutor : public Executor {
 public:
  ThreadExecutor() {
    MutexLock lock(&mutex_);
    for (size_t lane = 0; lane < kLanes.size(); ++lane) StartThread(lane);
  }

  ~ThreadExecutor() override {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      WakeAll();
    }
    for (std::vector<std::jthread> threads = TakeThreads(); !threads.empty();
         threads = TakeThreads()) {
      threads.clear();  // joins
    }
    MutexLock lock(&mutex_);
    VARVE_CHECK(unfinished_ == 0);
  }

  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void Schedule(Lane lane, std::function<void()> work) override {
    MutexLock lock(&mutex_);
    Enqueue(static_cast<size_t>(lane), std::move(work));
  }

  void ScheduleAfter(Lane lane, int64_t micros, std::function<void()> work) override {
    const size_t index = static_cast<size_t>(lane);
    const auto due = std::chrono::steady_clock::now() + std::chrono::microseconds(micros);
    MutexLock lock(&mutex_);
    delayed_[index].emplace(due, std::move(work));
    wake_[index].Signal();
  }

 private:
  using Delayed = std::multimap<std::chrono::steady_clock::time_point, std::function<void()>>;

  void Enqueue(size_t index, std::function<void()> work) REQUIRES_LOCK(mutex_) {
    queues_[index].push_back(std::move(work));
    ++unfinished_;
    if (queues_[index].size() > idle_[index] && started_[index] < kLanes[index].most_threads) {
      try {
        StartThread(index);
      } catch (const std::system_error&) {
        // The system gives no more threads: those that there are will do.
      }
    }
    wake_[index].Signal();
  }

  void StartThread(size_t lane) REQUIRES_LOCK(mutex_) {
    threads_.emplace_back([this, lane] { Run(lane); });
    ++started_[lane];
  }

  // Work that is still running may start others.
  std::vector<std::jthread> TakeThreads() {
    MutexLock lock(&mutex_);
    return std::exchange(threads_, {});
  }

  void Run(size_t lane) {
    ::pthread_setname_np(::pthread_self(), kLanes[lane].thread_name);
    // On Linux this concerns the calling thread alone. Failure only means that it does not yield.
    if (kLanes[lane].nice != 0) {
      (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLanes[lane].nice);
    }
    while (RunNext(lane)) {
    }
  }

  // Waits for a job and runs it; false if there will be none.
  bool RunNext(size_t lane) {
    std::function<void()> work;
    {
      MutexLock lock(&mutex_);
      EnqueueDue(lane);  // also on a lane that is never empty
      while (queues_[lane].empty()) {
        if (stopping_ && unfinished_ == 0) return false;
        EnqueueDue(lane);
        if (!queues_[lane].empty()) break;
        ++idle_[lane];
        Wait(lane);
        --idle_[lane];
      }
      work = std::move(queues_[lane].front());
      queues_[lane].pop_front();
    }
    work();
    work = nullptr;  // what it owns is released before it counts as finished
    MutexLock lock(&mutex_);
    if (--unfinished_ == 0 && stopping_) WakeAll();
    return true;
  }

  // What has waited for its time is due.
  void EnqueueDue(size_t lane) REQUIRES_LOCK(mutex_) {
    Delayed& delayed = delayed_[lane];
    const auto now = std::chrono::steady_clock::now();
    while (!stopping_ && !delayed.empty() && delayed.begin()->first <= now) {
      Enqueue(lane, std::move(delayed.begin()->second));
      delayed.erase(delayed.begin());
    }
  }

  // Until there may be something to run.
  void Wait(size_t lane) REQUIRES_LOCK(mutex_) {
    if (stopping_ || delayed_[lane].empty()) return wake_[lane].Wait(&mutex_);
    const auto left = delayed_[lane].begin()->first - std::chrono::steady_clock::now();
    const auto micros = std::chrono::ceil<std::chrono::microseconds>(left).count();
    static_cast<void>(wake_[lane].WaitFor(&mutex_, std::max<int64_t>(micros, 1)));
  }

  void WakeAll() REQUIRES_LOCK(mutex_) {
    for (CondVar& wake : wake_) wake.SignalAll();
  }

  Mutex mutex_;
  std::array<CondVar, kLanes.size()> wake_;
  std::array<std::deque<std::function<void()>>, kLanes.size()> queues_ GUARDED_BY(mutex_);
  std::array<Delayed, kLanes.size()> delayed_ GUARDED_BY(mutex_);
  size_t unfinished_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::array<size_t, kLanes.size()> started_ GUARDED_BY(mutex_) = {};  // threads
  std::array<size_t, kLanes.size()> idle_ GUARDED_BY(mutex_) = {};     // of them
  std::vector<std::jthread> threads_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Executor> Executor::Threads() { return std::make_unique<ThreadExecutor>(); }

}  // namespace lsm
