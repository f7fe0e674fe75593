// SPDX-License-Identifier: BSD-3-Clause
// Checkpoints are what SAVE and BGSAVE make: copies of the database that lie beside it, in
//
//     dir/checkpoints/20261120-101433.123/varve      named by the time they were begun, in UTC
//
// so that a server with `dir` set to such a directory serves the copy. The database itself does not
// depend on them. The newest `checkpoints-kept` of them stay; earlier ones are removed once a new
// one is whole. Other names in that directory are left alone.
//
//   1. Start hands the work to the engine, whose worker does all of it.
//   2. The engine's listener tells the end, on the loop: OnEnd notes it and wakes who waits.
//   3. Cron starts what was scheduled, or what the `save` directive asks for: a checkpoint if there
//      were enough changes since the last one and enough time has passed. After a failure it waits
//      a while.
//
// Invariants:
//   - A directory without a database in it is what a crash left, or a checkpoint under way.
//   - changes() counts write units, but not those that the server writes for itself.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/file_system.h"
#include "lsm/status.h"

namespace redis {

class Instance;

class Checkpoints {
 public:
  explicit Checkpoints(Instance* instance);

  // Where the data are; removes what a crash left. `fs` is null where there are no files. To be
  // called once, when the database is open.
  void Open(lsm::FileSystem* fs, const std::string& data_directory);

  // kBusy if one is under way.
  lsm::Status Start();
  // The same as soon as that is possible.
  void Schedule() { scheduled_ = true; }
  void OnEnd(const lsm::Status& status, const lsm::CheckpointInfo& info);
  void Cron();
  // A unit was written that no client asked for.
  void CountOwnUnit(lsm::SequenceNumber sequence) {
    ++own_units_;
    if (running_) own_since_start_.push_back(sequence);
  }

  bool running() const { return running_; }
  // How many were begun: to tell whether one that ended was begun late enough.
  uint64_t begun() const { return begun_; }
  // Which one a shutdown waits for, by begun().
  uint64_t shutdown_target() const { return shutdown_target_; }
  void set_shutdown_target(uint64_t begun) { shutdown_target_ = begun; }
  const lsm::Status& last_result() const { return last_result_; }  // OK before the first
  int64_t last_save_s() const { return last_save_s_; }             // Unix time; of the start before
  int64_t last_duration_s() const { return last_duration_s_; }     // -1 before the first
  int64_t current_duration_s() const;                              // -1 if none is under way
  uint64_t saves() const { return saves_; }
  uint64_t changes() const;
  // Of the newest that is whole; empty if there is none.
  std::string newest() const { return names_.empty() ? "" : PathOf(names_.back()); }

 private:
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }
  std::string NewName() const;
  // The oldest, as many as are too many when there is one more.
  std::vector<std::string> Obsolete() const;
  void Sweep(const std::string& name);
  void ForgetRemoved();
  bool IsDue() const;

  Instance* const instance_;
  lsm::FileSystem* fs_ = nullptr;
  std::string directory_;
  std::vector<std::string> names_;  // whole ones, oldest first
  std::string current_;             // the name of the one under way
  bool running_ = false;
  bool scheduled_ = false;
  uint64_t begun_ = 0;
  uint64_t shutdown_target_ = 0;
  uint64_t saves_ = 0;
  lsm::Status last_result_;
  int64_t last_save_s_ = 0;
  int64_t last_try_ms_ = 0;
  int64_t begun_ms_ = 0;
  int64_t last_duration_s_ = -1;
  uint64_t own_units_ = 0;
  uint64_t own_units_at_start_ = 0;
  std::vector<lsm::SequenceNumber> own_since_start_;  // of the one under way, which may have some
  uint64_t own_units_saved_ = 0;           // how many of own_units_ the last checkpoint has
  lsm::SequenceNumber saved_through_ = 0;  // the last checkpoint, or the start
};

}  // namespace redis
