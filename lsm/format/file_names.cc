// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/file_names.h"

#include <charconv>
#include <cinttypes>
#include <cstdio>

namespace lsm {
namespace {

std::string Numbered(const std::string& directory, const char* format, uint64_t number) {
  char name[64];
  std::snprintf(name, sizeof name, format, number);
  return directory + "/" + name;
}

bool ParseNumber(std::string_view digits, uint64_t* number) {
  if (digits.size() < 6) return false;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *number);
  return error == std::errc() && end == digits.data() + digits.size() && *number <= kMaxFileNumber;
}

}  // namespace

std::string CurrentFileName(const std::string& directory) { return directory + "/CURRENT"; }
std::string LockFileName(const std::string& directory) { return directory + "/LOCK"; }
std::string ManifestFileName(const std::string& directory, uint64_t number) {
  return Numbered(directory, "MANIFEST-%06" PRIu64, number);
}
std::string SstFileName(const std::string& directory, uint64_t number) {
  return Numbered(directory, "%06" PRIu64 ".sst", number);
}
std::string WalFileName(const std::string& directory, uint64_t number) {
  return Numbered(directory, "%06" PRIu64 ".wal", number);
}
std::string BlobFileName(const std::string& directory, uint64_t number) {
  return Numbered(directory, "%06" PRIu64 ".blob", number);
}
std::string DataFileName(const std::string& directory, FileKind kind, uint64_t number) {
  return kind == FileKind::kBlob ? BlobFileName(directory, number) : SstFileName(directory, number);
}

FileKind ParseFileName(std::string_view name, uint64_t* number) {
  constexpr std::string_view kManifestPrefix = "MANIFEST-";
  if (name == "CURRENT") return FileKind::kCurrent;
  if (name == "LOCK") return FileKind::kLock;
  if (name.ends_with(".tmp")) return FileKind::kTemporary;
  if (name.starts_with(kManifestPrefix)) {
    name.remove_prefix(kManifestPrefix.size());
    return ParseNumber(name, number) ? FileKind::kManifest : FileKind::kForeign;
  }
  FileKind kind = FileKind::kForeign;
  if (name.ends_with(".sst")) kind = FileKind::kSst;
  if (name.ends_with(".wal")) kind = FileKind::kWal;
  if (name.ends_with(".blob")) kind = FileKind::kBlob;
  if (kind == FileKind::kForeign) return kind;
  name.remove_suffix(name.size() - name.rfind('.'));
  return ParseNumber(name, number) ? kind : FileKind::kForeign;
}

}  // namespace lsm
