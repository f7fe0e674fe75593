// SPDX-License-Identifier: BSD-3-Clause
// Version is one tree's set of SST files at one point: L0 newest first, files of deeper levels in
// key order without overlap. It never changes; an edit makes a new one, and readers keep the one
// they began with. A file is removed from disk when the last Version that names it is gone.
//
// Thread safety: immutable.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/version/version_edit.h"

namespace lsm {

// A file as versions share it; its deleter tells the owner that no version names it any more.
using FileRef = std::shared_ptr<const FileMetadata>;

class Version {
 public:
  using Levels = std::array<std::vector<FileRef>, kMaxLevels>;

  // REQUIRES: L0 is newest first; files of deeper levels are in key order and do not overlap
  explicit Version(Levels levels);

  const std::vector<FileRef>& files(int level) const { return levels_[static_cast<size_t>(level)]; }

  // What the files of a level add up to.
  struct Sums {
    uint64_t bytes = 0;  // of the slices
    uint64_t entries = 0;
    uint64_t tombstones = 0;
    size_t heavy_files = 0;  // at least kHeavyShare of whose records are tombstones
  };
  static constexpr double kHeavyShare = 0.5;
  const Sums& sums(int level) const { return sums_[static_cast<size_t>(level)]; }

  // The files of a level below L0 that hold keys from `smallest` to `largest`, both included.
  std::span<const FileRef> Overlapping(int level, std::string_view smallest,
                                       std::string_view largest) const;

  // This version with files taken out of and put into levels. Each file added to L0 is newer than
  // all before it, in L0 and in `added`. kCorruption if a removed file is not
  // there, an added one already is, or files of a level below L0 would overlap.
  static Result<std::shared_ptr<const Version>> Apply(
      const Version& base, const std::vector<VersionEdit::RemovedFile>& removed,
      const std::vector<std::pair<int, FileRef>>& added);

  // Calls `ask` with the files that may hold `user_key`, in the order in which a point read has to
  // ask them, until it returns false: found, or failed.
  template <typename Ask>
  void FilesForKey(std::string_view user_key, Ask ask) const;

  uint64_t TotalBytes() const;  // of the slices
  size_t TotalFiles() const;

 private:
  // The first file of a level below L0 that does not end before `key`; null if all do.
  const FileRef* FirstNotBefore(int level, std::string_view key) const;

  Levels levels_;
  std::array<Sums, kMaxLevels> sums_;
};

template <typename Ask>
void Version::FilesForKey(std::string_view user_key, Ask ask) const {
  for (const FileRef& file : files(0)) {
    if (file->Covers(user_key) && !ask(file)) return;
  }
  for (int level = 1; level < kMaxLevels; ++level) {
    const FileRef* const file = FirstNotBefore(level, user_key);
    if (file != nullptr && (*file)->Covers(user_key) && !ask(*file)) return;
  }
}

}  // namespace lsm
