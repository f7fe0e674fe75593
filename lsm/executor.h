// SPDX-License-Identifier: BSD-3-Clause
// Executor runs the engine's background work. Production uses threads; tests step the work by hand
// or in an order that a seed decides, so that one seed replays one history.
//
// Thread safety: safe for concurrent use. Work never runs inside Schedule.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace lsm {

class Executor {
 public:
  // One queue and at least one worker each: a long job of one kind never delays another kind.
  // kRead has many: its jobs are single reads from a device that serves many of them at a time.
  enum class Lane { kWalSync, kFlush, kCompaction, kCheckpoint, kRead };

  virtual ~Executor() = default;

  // Threads named "varve-sync", "varve-flush", "varve-compact", "varve-copy" and "varve-read"; more
  // of the last kind are started as they are needed. The destructor runs what was scheduled to its
  // end.
  static std::unique_ptr<Executor> Threads();

  // Runs `work` once, later; jobs of a lane begin in the order in which they were scheduled.
  virtual void Schedule(Lane lane, std::function<void()> work) = 0;

  // The same, once so much time has passed. What still waits for that when the executor is
  // destroyed is never run.
  virtual void ScheduleAfter(Lane lane, int64_t micros, std::function<void()> work) = 0;

  // Called by a thread that is about to wait for scheduled work to finish: runs some of it and
  // returns true, or returns false if the caller has to sleep until a worker has done it. Executors
  // with threads return false.
  virtual bool HelpWhileWaiting() { return false; }
};

}  // namespace lsm
