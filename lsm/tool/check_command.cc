// SPDX-License-Identifier: BSD-3-Clause
// varve-tool check and repair: what is wrong with a database, and what is left of it. Faults and
// remarks go to standard output, a line each; how far it is to standard error, if a person looks.

#include <unistd.h>

#include <cstdio>
#include <string>

#include "lsm/options.h"
#include "lsm/tool/check.h"
#include "lsm/tool/command.h"
#include "lsm/tool/repair.h"

namespace lsm::tool {

constinit const std::string_view kCheckUsage =
    "varve-tool check DIR              reads every byte of a database that no server has open, "
    "and\n"
    "                                  says what is wrong: file, place, keys\n";

constinit const std::string_view kRepairUsage =
    "varve-tool repair DIR OUTPUT      makes a new database of what is whole in DIR, which it\n"
    "                                  leaves as it is, and says what is lost; its exit status is "
    "0\n"
    "                                  if nothing is, 3 if something is, 1 if it failed\n";

namespace {

class TerminalReport final : public Report {
 public:
  ~TerminalReport() override { ClearBar(); }

  void Fault(std::string_view line) override {
    ClearBar();
    Print(std::string(line) + "\n");
  }
  void Remark(std::string_view line) override { Fault("note: " + std::string(line)); }

  void Progress(uint64_t done, uint64_t total) override {
    constexpr uint64_t kWidth = 40;
    if (!terminal_ || total == 0) return;
    const uint64_t percent = std::min<uint64_t>(100, done * 100 / total);
    if (shown_ && percent == percent_) return;
    percent_ = percent;
    shown_ = true;
    const auto filled = static_cast<size_t>(kWidth * percent / 100);
    std::fprintf(stderr, "\r[%s%s] %3u %%", std::string(filled, '#').c_str(),
                 std::string(kWidth - filled, '.').c_str(), static_cast<unsigned>(percent));
  }

  // Takes the bar away, so that a line can stand there.
  void ClearBar() {
    if (!shown_) return;
    std::fflush(stdout);
    std::fputs("\r\033[K", stderr);
    shown_ = false;
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  uint64_t percent_ = 0;
};

}  // namespace

int RunCheck(FileSystem* fs, Arguments arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") {
    Print(kCheckUsage);
    return kDone;
  }
  if (arguments.size() != 1) return Misused("check: one directory is wanted", kCheckUsage);
  TerminalReport report;
  const Result<CheckResult> checked = CheckDatabase(fs, std::string(arguments[0]), &report);
  report.ClearBar();
  if (!checked.ok()) return Fail(checked.status());
  Print(std::to_string(checked->tables) + " SST files with " + std::to_string(checked->records) +
        " records, " + std::to_string(checked->log_units) + " units in the log, " +
        Size(checked->bytes) + " read: " +
        (checked->faults == 0 ? "no fault" : std::to_string(checked->faults) + " faults") + "\n");
  return checked->faults == 0 ? kDone : kFailed;
}

int RunRepair(FileSystem* fs, Arguments arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") {
    Print(kRepairUsage);
    return kDone;
  }
  if (arguments.size() != 2) return Misused("repair: two directories are wanted", kRepairUsage);
  TerminalReport report;
  Options options;
  options.file_system = fs;
  const Result<RepairResult> repaired =
      RepairDatabase(options, std::string(arguments[0]), std::string(arguments[1]), &report);
  report.ClearBar();
  if (!repaired.ok()) return Fail(repaired.status());
  Print(std::string(arguments[1]) + ": " + std::to_string(repaired->trees) + " trees, " +
        std::to_string(repaired->records) + " records from files, " +
        std::to_string(repaired->log_units) + " units from the log; " +
        (repaired->losses == 0 ? "nothing is lost"
                               : std::to_string(repaired->losses) + " places are damaged") +
        "\n");
  return repaired->losses == 0 ? kDone : kLossy;
}

}  // namespace lsm::tool
