// SPDX-License-Identifier: BSD-3-Clause
// std::mutex and std::condition_variable in a form that clang's thread safety analysis understands.

#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "lsm/util/thread_annotations.h"

namespace lsm {

class CAPABILITY("mutex") Mutex {
 public:
  void Lock() ACQUIRES_LOCK() { mutex_.lock(); }
  bool TryLock() TRY_ACQUIRES_LOCK(true) { return mutex_.try_lock(); }
  void Unlock() RELEASES_LOCK() { mutex_.unlock(); }
  // Tells the analysis that the caller's caller has locked; checks nothing.
  void AssertHeld() ASSERTS_LOCK() {}

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ACQUIRES_LOCK(mutex) : mutex_(mutex) { mutex_->Lock(); }
  ~MutexLock() RELEASES_LOCK() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

class CondVar {
 public:
  void Wait(Mutex* mutex) REQUIRES_LOCK(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False if the time passed first.
  bool WaitFor(Mutex* mutex, int64_t micros) REQUIRES_LOCK(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    const bool woken =
        condition_.wait_for(lock, std::chrono::microseconds(micros)) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void Signal() { condition_.notify_one(); }
  void SignalAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace lsm
