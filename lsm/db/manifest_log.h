// SPDX-License-Identifier: BSD-3-Clause
// ManifestLog owns the manifest in force and the state that its edits add up to.
//
// An append that failed leaves it open whether the edit is on disk. So a new manifest with the
// whole state, the edit included, is made at once; and if that fails too, the state is *uncertain*
// until it succeeds: no file that either outcome needs may be removed, and nothing else is recorded
// before.
//
// Thread safety: none; DBImpl's manifest lock orders calls.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "lsm/file_system.h"
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
  // SST files that the state names.
  std::set<uint64_t> LiveFiles() const;

 private:
  FileSystem* const fs_;
  const std::string directory_;
  std::unique_ptr<ManifestWriter> writer_;
  ManifestState state_;
  bool uncertain_ = false;
};

std::set<uint64_t> LiveFilesOf(const ManifestState& state);

}  // namespace lsm
