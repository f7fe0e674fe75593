// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/version/version.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lsm {
namespace {

using Files = std::vector<FileRef>;

[[maybe_unused]] bool InOrder(const Files& files) {
  return std::adjacent_find(files.begin(), files.end(), [](const FileRef& a, const FileRef& b) {
           return a->largest_key >= b->smallest_key;
         }) == files.end();
}

Status Misfit(const char* what, uint64_t file) {
  return Status::Corruption(std::string("version: ") + what + " file " + std::to_string(file));
}

Files::iterator Find(Files* files, uint64_t number) {
  return std::find_if(files->begin(), files->end(),
                      [number](const FileRef& file) { return file->file == number; });
}

// The first file that does not end before `key`. REQUIRES: InOrder(files)
Files::const_iterator FirstNotBefore(const Files& files, std::string_view key) {
  return std::lower_bound(
      files.begin(), files.end(), key,
      [](const FileRef& file, std::string_view k) { return file->largest_key < k; });
}

}  // namespace

Version::Version(Levels levels) : levels_(std::move(levels)) {
  for (int level = 1; level < kMaxLevels; ++level) assert(InOrder(files(level)));
  for (size_t level = 0; level < levels_.size(); ++level) {
    Sums& sums = sums_[level];
    for (const FileRef& file : levels_[level]) {
      sums.bytes += file->slice_size;
      sums.entries += file->entries;
      sums.tombstones += file->tombstones;
      const double share = kHeavyShare * static_cast<double>(file->entries);
      const bool heavy = file->tombstones > 0 && static_cast<double>(file->tombstones) >= share;
      sums.heavy_files += heavy ? 1 : 0;
    }
  }
}

std::span<const FileRef> Version::Overlapping(int level, std::string_view smallest,
                                              std::string_view largest) const {
  assert(level > 0);
  const Files& files = levels_[static_cast<size_t>(level)];
  const auto begin = lsm::FirstNotBefore(files, smallest);
  auto end = begin;
  while (end != files.end() && (*end)->smallest_key <= largest) ++end;
  return {begin, end};
}

Result<std::shared_ptr<const Version>> Version::Apply(
    const Version& base, const std::vector<VersionEdit::RemovedFile>& removed,
    const std::vector<std::pair<int, FileRef>>& added) {
  Levels levels = base.levels_;
  for (const VersionEdit::RemovedFile& file : removed) {
    Files& files = levels[static_cast<size_t>(file.level)];
    const auto at = Find(&files, file.file);
    if (at == files.end()) return Misfit("does not hold the removed", file.file);
    files.erase(at);
  }
  for (const auto& [level, file] : added) {
    for (Files& files : levels) {
      if (Find(&files, file->file) != files.end()) return Misfit("already holds", file->file);
    }
    Files& files = levels[static_cast<size_t>(level)];
    if (level == 0) {
      files.insert(files.begin(), file);
      continue;
    }
    const auto at = lsm::FirstNotBefore(files, file->smallest_key);
    if (at != files.end() && (*at)->smallest_key <= file->largest_key) {
      return Misfit("has files that overlap", file->file);
    }
    files.insert(at, file);
  }
  return std::shared_ptr<const Version>(std::make_shared<Version>(std::move(levels)));
}

const FileRef* Version::FirstNotBefore(int level, std::string_view key) const {
  const auto at = lsm::FirstNotBefore(files(level), key);
  return at == files(level).end() ? nullptr : &*at;
}

uint64_t Version::TotalBytes() const {
  uint64_t bytes = 0;
  for (const Sums& sums : sums_) bytes += sums.bytes;
  return bytes;
}

size_t Version::TotalFiles() const {
  size_t count = 0;
  for (const Files& files : levels_) count += files.size();
  return count;
}

}  // namespace lsm
