// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/tool/database_files.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "lsm/format/file_names.h"

namespace lsm::tool {

Result<DatabaseFiles> DatabaseFiles::List(FileSystem* fs, const std::string& directory) {
  Result<std::vector<std::string>> names = fs->List(directory);
  RETURN_IF_ERROR(names.status());
  DatabaseFiles files;
  files.directory = directory;
  bool any = false;
  for (const std::string& name : *names) {
    uint64_t number = 0;
    const FileKind kind = ParseFileName(name, &number);
    any = any || kind == FileKind::kCurrent || kind == FileKind::kManifest ||
          kind == FileKind::kSst || kind == FileKind::kWal;
    if (kind == FileKind::kSst) files.tables.push_back(number);
    if (kind == FileKind::kBlob) files.blobs.push_back(number);
    if (kind == FileKind::kWal) files.logs.push_back(number);
    if (kind == FileKind::kManifest) files.manifests.push_back(number);
    if (kind == FileKind::kTemporary) files.temporary.push_back(name);
    if (kind == FileKind::kForeign) files.foreign.push_back(name);
    if (kind == FileKind::kLock) files.has_lock = true;
  }
  if (!any) return Status::NotFound(directory + ": there is no database");
  for (std::vector<uint64_t>* numbers :
       {&files.tables, &files.blobs, &files.logs, &files.manifests}) {
    std::sort(numbers->begin(), numbers->end());
  }
  return files;
}

Result<std::unique_ptr<FileLock>> DatabaseFiles::Lock(FileSystem* fs) const {
  if (!has_lock) return std::unique_ptr<FileLock>();
  Result<std::unique_ptr<FileLock>> lock = fs->Lock(LockFileName(directory));
  if (!lock.status().IsBusy()) return lock;
  return Status::Busy(directory + ": a server has this database open; stop it first");
}

std::string Size(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KB", "MB", "GB", "TB"};
  size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace lsm::tool
