// SPDX-License-Identifier: BSD-3-Clause
// ManifestLog owns the manifest in force and the state that its edits add up to.
//
// An append that failed leaves it open whether the edit is on disk. So a new manifest with the
// whole state, the edit included, is made at once; and if that fails too, the state is *uncertain*
// until it succeeds: no file that either outcome needs may be removed, and nothing else is recorded
// before.
//
// An edit costs what it touches, not what there is: it is applied in place, and what it changes is
// kept so long that it can be taken back. Only a new manifest costs the whole state, and is begun
// when the old one has grown to a multiple of it.
//
// Thread safety: none; DBImpl's manifest lock orders calls.
// Invariant: references_ counts, for each SST and blob file, the places in the state that name it.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/file_names.h"
#include "lsm/status.h"
#include "lsm/version/manifest.h"

namespace lsm {

class ManifestLog {
 public:
  ManifestLog(FileSystem* fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  // Begins with a new manifest MANIFEST-`number` that holds `state`.
  Status Start(uint64_t number, ManifestState state);

  // Makes `edit` durable and part of the state, or changes nothing that is known.
  // `new_number` is asked if a new manifest has to be made.
  Status Record(const VersionEdit& edit, const std::function<uint64_t()>& new_number);

  const ManifestState& state() const { return state_; }
  uint64_t number() const { return writer_->number(); }
  bool uncertain() const { return uncertain_; }
  // Whether the state names the SST or blob file.
  bool IsLive(uint64_t file) const { return references_.contains(file); }

 private:
  // Writes the state to a new manifest, which is in force then.
  Status Rewrite(uint64_t number);
  void CountFile(const FileMetadata& file, bool add);
  void Count(uint64_t file, bool add);

  FileSystem* const fs_;
  const std::string directory_;
  std::unique_ptr<ManifestWriter> writer_;
  ManifestState state_;
  std::unordered_map<uint64_t, uint32_t> references_;
  std::vector<uint64_t> replaced_;  // that CURRENT may name until the next manifest is in force
  uint64_t first_size_ = 0;         // of the manifest in force when it held the state alone
  bool uncertain_ = false;
};

// SST and blob files that the state names.
struct LiveFile {
  FileKind kind = FileKind::kSst;
  uint64_t size = 0;
};
std::map<uint64_t, LiveFile> LiveFilesOf(const ManifestState& state);

}  // namespace lsm
