// SPDX-License-Identifier: BSD-3-Clause
// varve-tool looks into, and makes, the files of the engine. Its main finds the command's row and
// runs it.

#include <cstdio>
#include <vector>

#include "lsm/tool/command.h"

namespace lsm::tool {
namespace {

constexpr std::string_view kVersionLine = "varve-tool " VARVE_VERSION "\n";

const Command kCommands[] = {
    {"check", kCheckUsage, RunCheck},
    {"repair", kRepairUsage, RunRepair},
    {"stats", kStatsUsage, RunStats},
    {"manifest", kManifestUsage, RunManifest},
    {"memtable", kMemtableUsage, RunMemtable},
    {"shell", kShellUsage, RunShell},
    {"sst", kSstUsage, RunSst},
    {"wal", kWalUsage, RunWal},
};

std::string Usage() {
  std::string text = "usage: varve-tool COMMAND ...\n\n";
  for (const Command& command : kCommands) text += command.usage;
  text += "\nvarve-tool --help | --version\n";
  text += "Exit status: 0 done, 1 failed (the reason is on standard error), 2 bad usage.\n";
  return text;
}

int Run(Arguments arguments) {
  if (arguments.empty()) return Misused("a command is missing", Usage());
  const std::string_view name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    Print(Usage());
    return kDone;
  }
  if (name == "--version" || name == "-v") {
    Print(kVersionLine);
    return kDone;
  }
  for (const Command& command : kCommands) {
    if (command.name == name) return command.run(FileSystem::Posix(), arguments.subspan(1));
  }
  return Misused("there is no command \"" + std::string(name) + "\"", Usage());
}

}  // namespace
}  // namespace lsm::tool

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  const int status = lsm::tool::Run(arguments);
  // An answer that did not arrive, as on a full disk, is a failure.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return lsm::tool::Fail(lsm::Status::IoError("standard output: write failed"));
  }
  return status;
}
