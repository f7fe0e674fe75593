// SPDX-License-Identifier: BSD-3-Clause
// What varve-tool's commands share. A command is one row of the table in varve_tool.cc and one
// function, in a file of its own.
//
// Answers go to standard output, everything else to standard error. The exit status is one of
// ExitStatus. Thread safety: none.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lsm/file_system.h"
#include "lsm/status.h"

namespace lsm::tool {

enum ExitStatus : int {
  kDone = 0,
  kFailed = 1,  // the file or the system did not allow it; one line on standard error says why
  kUsage = 2,   // the command line makes no sense
  kLossy = 3,   // it was done, but something of what was wanted is lost
};

// What stood behind the command's name.
using Arguments = std::span<const std::string_view>;

struct Command {
  std::string_view name;
  std::string_view usage;  // lines, each with its newline
  int (*run)(FileSystem* fs, Arguments arguments);
};

int RunCheck(FileSystem* fs, Arguments arguments);
extern const std::string_view kCheckUsage;
int RunRepair(FileSystem* fs, Arguments arguments);
extern const std::string_view kRepairUsage;
int RunStats(FileSystem* fs, Arguments arguments);
extern const std::string_view kStatsUsage;
int RunMemtable(FileSystem* fs, Arguments arguments);
extern const std::string_view kMemtableUsage;
int RunShell(FileSystem* fs, Arguments arguments);
extern const std::string_view kShellUsage;
int RunSst(FileSystem* fs, Arguments arguments);
extern const std::string_view kSstUsage;
int RunManifest(FileSystem* fs, Arguments arguments);
extern const std::string_view kManifestUsage;
int RunWal(FileSystem* fs, Arguments arguments);
extern const std::string_view kWalUsage;

// Writes to standard output. Whether that worked is seen once, at the program's end.
void Print(std::string_view text);
// Says on standard error what failed; returns kFailed.
int Fail(const Status& status);
// Says what is wrong with the command line and how it should be; returns kUsage.
int Misused(std::string_view what, std::string_view usage);

// Appends `bytes` in lower-case hex.
void AppendHex(std::string_view bytes, std::string* to);
// A decimal number of at most `limit`, without sign or blanks. False if it is anything else.
bool ParseNumber(std::string_view text, uint64_t limit, uint64_t* number);

}  // namespace lsm::tool
