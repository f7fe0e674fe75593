// SPDX-License-Identifier: BSD-3-Clause
// Executor runs the engine's background work. Production uses threads; tests step the work by hand
// or in an order that a seed decides, so that one seed replays one history.
//
// Thread safety: safe for concurrent use. Work never runs inside Schedule.

#pragma once

#include <functional>
#include <memory>

namespace lsm {

class Executor {
 public:
  // One queue and at least one worker each: a long job of one kind never delays another kind.
  enum class Lane { kWalSync, kFlush, kCompaction, kCheckpoint };

  virtual ~Executor() = default;

  // Threads named "varve-sync", "varve-flush", "varve-compact" and "varve-copy". The destructor
  // runs what was scheduled to its end.
  static std::unique_ptr<Executor> Threads();

  // Runs `work` once, later; the order within a lane is kept.
  virtual void Schedule(Lane lane, std::function<void()> work) = 0;

  // Called by a thread that is about to wait for scheduled work to finish: runs some of it and
  // returns true, or returns false if the caller has to sleep until a worker has done it. Executors
  // with threads return false.
  virtual bool HelpWhileWaiting() { return false; }
};

}  // namespace lsm
