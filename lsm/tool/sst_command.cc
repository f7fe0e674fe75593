// SPDX-License-Identifier: BSD-3-Clause
// varve-tool sst: SST files as text, and whether they are whole. The number of a file, which goes
// into its checksums, is taken from its name.

#include <string>

#include "lsm/format/file_names.h"
#include "lsm/sst/table_reader.h"
#include "lsm/tool/command.h"

namespace lsm::tool {

constinit const std::string_view kSstUsage =
    "varve-tool sst dump   PATH      what the file holds, a record a line\n"
    "varve-tool sst verify PATH...   reads every byte; `PATH: ok`, or what is wrong with it\n";

namespace {

Result<uint64_t> NumberOf(const std::string& path) {
  uint64_t number = 0;
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  if (ParseFileName(name, &number) == FileKind::kSst) return number;
  return Status::InvalidArgument(path + ": an SST file is named like 000012.sst");
}

int Dump(FileSystem* fs, const std::string& path) {
  const auto number = NumberOf(path);
  if (!number.ok()) return Fail(number.status());
  const Status status = DumpSst(fs, path, *number, [](std::string_view line) {
    Print(line);
    Print("\n");
  });
  return status.ok() ? kDone : Fail(status);
}

int Verify(FileSystem* fs, const std::string& path) {
  const auto number = NumberOf(path);
  if (!number.ok()) return Fail(number.status());
  if (const Status status = VerifySst(fs, path, *number); !status.ok()) return Fail(status);
  Print(path + ": ok\n");
  return kDone;
}

}  // namespace

int RunSst(FileSystem* fs, Arguments arguments) {
  if (arguments.empty()) return Misused("sst: what to do is missing", kSstUsage);
  const std::string_view name = arguments.front();
  const Arguments paths = arguments.subspan(1);
  if (name == "--help") {
    Print(kSstUsage);
    return kDone;
  }
  if (name == "dump") {
    if (paths.size() != 1) return Misused("sst dump: one path is wanted", kSstUsage);
    return Dump(fs, std::string(paths[0]));
  }
  if (name == "verify") {
    if (paths.empty()) return Misused("sst verify: a path is missing", kSstUsage);
    int status = kDone;  // every file is looked at, also behind a bad one
    for (const std::string_view path : paths) {
      if (Verify(fs, std::string(path)) != kDone) status = kFailed;
    }
    return status;
  }
  return Misused("sst: there is no \"" + std::string(name) + "\"", kSstUsage);
}

}  // namespace lsm::tool
