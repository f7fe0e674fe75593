// SPDX-License-Identifier: BSD-3-Clause
// Listener is told what the engine does in the background. Calls come from any thread, with no lock
// of the engine held; they must return soon and must not call back into the database.

#pragma once

#include <cstdint>
#include <string_view>

#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

struct CheckpointInfo;  // db.h

enum class LogLevel { kDebug, kVerbose, kNotice, kWarning };

enum class BackgroundWork { kSync, kFlush, kCompaction };

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void OnLog(LogLevel /*level*/, std::string_view /*message*/) {}
  // Everything up to `through` survives the death of the machine.
  virtual void OnSynced(SequenceNumber /*through*/) {}
  // DB::CurrentStall has become less severe: whoever waited may try again.
  virtual void OnStallRelieved() {}
  // Background work failed. It is tried again where that can help; see DB::BackgroundError.
  virtual void OnBackgroundError(const Status& /*status*/) {}
  // The checkpoint that DB::StartCheckpoint began has ended.
  virtual void OnCheckpoint(const Status& /*status*/, const CheckpointInfo& /*info*/) {}
  // One sync, flush or compaction has ended, after so much time.
  virtual void OnBackgroundWork(BackgroundWork /*work*/, int64_t /*micros*/) {}
  // Opening replays the log: `done` of `total` bytes.
  virtual void OnReplayProgress(uint64_t /*done*/, uint64_t /*total*/) {}
};

}  // namespace lsm
