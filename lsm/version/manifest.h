// SPDX-License-Identifier: BSD-3-Clause
// The manifest is a log of version edits, and CURRENT names the one in force (lsm/format/FORMAT.md,
// "Manifest"). Every open writes a new manifest that begins with the whole state.
//
// Order that makes it crash-safe: the new manifest is written and synced, its directory is synced,
// CURRENT is written under a temporary name, synced, renamed, and the directory is synced again;
// only then is the old manifest removed.
//
// Thread safety: none; the owner orders calls.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/status.h"
#include "lsm/version/version_edit.h"

namespace lsm {

// Everything that the edits of a manifest add up to.
struct ManifestState {
  struct Tree {
    SequenceNumber flushed_through = 0;
    TreeCounters counters{};
    // Index: level. L0 in the order of adding, oldest first; the others in key order.
    std::vector<FileMetadata> levels[kMaxLevels];
  };

  uint64_t next_file_number = 1;
  TreeId next_tree_id = 1;
  SequenceNumber wal_synced_through = 0;
  SequenceNumber clean_stop = 0;  // taken back by the first edit after it
  LogPosition log_start;
  std::set<uint64_t> logs;
  SequenceNumber structural_through = 0;
  std::map<TreeId, Tree> trees;

  // kCorruption, without a file's name, if the edit does not fit the state, which is then good for
  // nothing. Numbers of files and trees that the edit names count as used.
  Status Apply(const VersionEdit& edit);
  // An edit that makes this state out of nothing.
  VersionEdit Snapshot() const;

  // What `edit` may change, to be put back if it must not have happened: its cost is that of the
  // trees which the edit names.
  struct Saved {
    uint64_t next_file_number = 1;
    TreeId next_tree_id = 1;
    SequenceNumber wal_synced_through = 0;
    SequenceNumber clean_stop = 0;
    LogPosition log_start;
    std::set<uint64_t> logs;
    SequenceNumber structural_through = 0;
    std::map<TreeId, std::optional<Tree>> trees;  // nothing: there was no such tree
  };
  Saved Save(const VersionEdit& edit) const;
  void Restore(Saved saved);
};

struct ManifestRecovery {
  uint64_t number = 0;  // the manifest that was read
  ManifestState state;
  bool tail_cut = false;
  std::string tail_description;
};

// Reads CURRENT and the manifest it names. kNotFound only if there is no CURRENT: the caller has to
// tell a new database from one that lost it.
Result<ManifestRecovery> RecoverManifest(FileSystem* fs, const std::string& directory);

// Reads MANIFEST-`number`, whatever CURRENT says. kNotFound if there is none.
Result<ManifestRecovery> ReadManifest(FileSystem* fs, const std::string& directory,
                                      uint64_t number);

// Calls `edit` for each valid edit with its offset; returns the offset and reason of the end.
struct ManifestDumpEnd {
  uint64_t offset = 0;
  std::string reason;
};
Result<ManifestDumpEnd> DumpManifest(
    FileSystem* fs, const std::string& path,
    const std::function<void(uint64_t offset, const VersionEdit& edit)>& edit);

class ManifestWriter {
 public:
  // Creates MANIFEST-`number` holding `state`, and makes CURRENT name it. A file of that name is
  // replaced. After a failure the file is there only if CURRENT may name it.
  // REQUIRES: CURRENT does not name it
  static Result<std::unique_ptr<ManifestWriter>> Create(FileSystem* fs,
                                                        const std::string& directory,
                                                        uint64_t number,
                                                        const ManifestState& state);

  // Appends and syncs one edit. After a failure nobody knows what is on disk, and every later call
  // fails as well: make a new manifest.
  Status Append(const VersionEdit& edit);

  uint64_t number() const { return number_; }
  uint64_t size() const { return offset_; }

 private:
  ManifestWriter() = default;
  // The file with the whole state, synced.
  Status Begin(FileSystem* fs, const std::string& path, uint64_t number,
               const ManifestState& state);

  std::unique_ptr<WritableFile> file_;
  uint64_t number_ = 0;
  uint64_t offset_ = 0;
  bool failed_ = false;
};

}  // namespace lsm
