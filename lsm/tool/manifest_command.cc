// SPDX-License-Identifier: BSD-3-Clause
// varve-tool manifest: a manifest as text, edit by edit, and where and why they end.

#include <string>

#include "lsm/tool/command.h"
#include "lsm/version/manifest.h"

namespace lsm::tool {

constinit const std::string_view kManifestUsage =
    "varve-tool manifest dump PATH     a manifest's edits, a line a field, and where they end\n";

namespace {

void PrintEdit(uint64_t offset, const VersionEdit& edit) {
  Print("edit at " + std::to_string(offset) + ":\n");
  const std::string text = edit.DebugString();
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at) + 1;
    Print("  " + text.substr(at, end - at));
    at = end;
  }
}

int Dump(FileSystem* fs, const std::string& path) {
  const Result<ManifestDumpEnd> end = DumpManifest(fs, path, PrintEdit);
  if (!end.ok()) return Fail(end.status());
  if (end->offset == 0) return Fail(Status::Corruption(path + ": offset 0: " + end->reason));
  Print("end at " + std::to_string(end->offset) + ": " + end->reason + "\n");
  return kDone;
}

}  // namespace

int RunManifest(FileSystem* fs, Arguments arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") {
    Print(kManifestUsage);
    return kDone;
  }
  if (arguments.size() != 2 || arguments[0] != "dump") {
    return Misused("manifest: `dump` and one path are wanted", kManifestUsage);
  }
  return Dump(fs, std::string(arguments[1]));
}

}  // namespace lsm::tool
