// SPDX-License-Identifier: BSD-3-Clause
// CheckpointWriter makes a database out of parts of another one.
//
//   1. Remove what an earlier attempt left, and make the directory under its temporary name.
//   2. Link the SST and blob files, or copy them where that fails.
//   3. Copy the log's segments, as far as they belong to it, and sync the copies. Replay them: they
//      must end at exactly the sequence that was captured.
//   4. Sync the directory; write the manifest; CURRENT comes last.
//   5. Rename the directory, and sync its parent: now it is there.
// On failure what was made is removed again; if that fails as well, or after a crash, a directory
// with the temporary name is left, which the next attempt removes.
//
// Thread safety: none but what CheckpointMeter says. The source's files must be pinned.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/db/manifest_log.h"
#include "lsm/db/wal_manager.h"
#include "lsm/file_system.h"
#include "lsm/status.h"
#include "lsm/version/manifest.h"

namespace lsm {

// Thread safety: safe for concurrent use.
struct CheckpointMeter {
  std::atomic<uint64_t> done{0};
  std::atomic<uint64_t> total{0};
};

// What the other database is made of. Its files do not change below the sizes that are named here.
struct CheckpointSource {
  std::string directory;
  ManifestState state;  // names exactly `files` and `logs`
  std::map<uint64_t, LiveFile> files;
  std::vector<WalManager::Part> logs;
  SequenceNumber sequence = 0;  // the last unit in `logs`
};

class CheckpointWriter {
 public:
  // `cancel` ends the work with kAborted. The pointers must outlive the writer.
  CheckpointWriter(FileSystem* fs, const std::atomic<bool>* cancel, CheckpointMeter* meter)
      : fs_(fs), cancel_(cancel), meter_(meter) {}

  Result<CheckpointInfo> Write(const CheckpointSource& source, const std::string& directory);

 private:
  Status Fill(const CheckpointSource& source, const std::string& directory);
  Status CopyFiles(const CheckpointSource& source, const std::string& directory);
  Status CopyLogs(const CheckpointSource& source, const std::string& directory);
  // `size` bytes of a file; 0: all of it. The copy is synced.
  Status Copy(const std::string& from, const std::string& to, uint64_t size);
  Status CheckLogs(const CheckpointSource& source, const std::string& directory) const;
  Status CheckCancelled() const;

  FileSystem* const fs_;
  const std::atomic<bool>* const cancel_;
  CheckpointMeter* const meter_;
  CheckpointInfo info_;
};

}  // namespace lsm
