// SPDX-License-Identifier: BSD-3-Clause
// Executor::Threads: one queue and one thread a lane.
//
// Thread safety: safe for concurrent use; one mutex guards all queues, which see a few jobs a
// second. Work runs without it.
// Invariant: unfinished_ is the number of jobs that are queued or running. Work may schedule more
// work on any lane, also while the executor is being destroyed; a thread therefore ends only when
// nothing is left on any lane.

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <thread>
#include <utility>

#include "lsm/executor.h"
#include "lsm/util/check.h"
#include "lsm/util/mutex.h"

namespace lsm {
namespace {

struct LaneTraits {
  const char* thread_name;  // the system keeps 15 characters
  int nice;                 // how far this lane's thread yields to those that serve clients
};
// A sync is waited for, so its thread yields to nobody; merges and checkpoints can wait longest.
constexpr std::array<LaneTraits, 4> kLanes = {
    {{"varve-sync", 0}, {"varve-flush", 5}, {"varve-compact", 10}, {"varve-copy", 10}}};

class ThreadExecutor : public Executor {
 public:
  ThreadExecutor() {
    for (size_t lane = 0; lane < kLanes.size(); ++lane) {
      threads_[lane] = std::jthread([this, lane] { Run(lane); });
    }
  }

  ~ThreadExecutor() override {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      WakeAll();
    }
    for (std::jthread& thread : threads_) thread.join();
    VARVE_CHECK(unfinished_ == 0);
  }

  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void Schedule(Lane lane, std::function<void()> work) override {
    const size_t index = static_cast<size_t>(lane);
    MutexLock lock(&mutex_);
    queues_[index].push_back(std::move(work));
    ++unfinished_;
    wake_[index].SignalAll();
  }

 private:
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
      while (queues_[lane].empty()) {
        if (stopping_ && unfinished_ == 0) return false;
        wake_[lane].Wait(&mutex_);
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

  void WakeAll() REQUIRES_LOCK(mutex_) {
    for (CondVar& wake : wake_) wake.SignalAll();
  }

  Mutex mutex_;
  std::array<CondVar, kLanes.size()> wake_;
  std::array<std::deque<std::function<void()>>, kLanes.size()> queues_ GUARDED_BY(mutex_);
  size_t unfinished_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  // Last, so that everything above exists before a thread runs.
  std::array<std::jthread, kLanes.size()> threads_;
};

}  // namespace

std::unique_ptr<Executor> Executor::Threads() { return std::make_unique<ThreadExecutor>(); }

}  // namespace lsm
