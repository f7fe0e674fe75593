// SPDX-License-Identifier: BSD-3-Clause
// varve-tool wal: a log segment as text, a line for each group, unit and operation, and where and
// why they end.

#include <string>

#include "lsm/format/coding.h"
#include "lsm/tool/command.h"
#include "lsm/util/quote.h"
#include "lsm/wal/log_reader.h"
#include "lsm/write_batch.h"

namespace lsm::tool {

constinit const std::string_view kWalUsage =
    "varve-tool wal dump PATH          a log segment's groups, units and operations, and where\n"
    "                                  they end\n";

namespace {

// Of a value, which may be large, so much is shown.
constexpr size_t kShownBytes = 64;

class OperationPrinter : public WriteBatch::Handler {
 public:
  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    std::string line = Quoted(key) + " = " + Quoted(value.substr(0, kShownBytes));
    if (value.size() > kShownBytes) line += "... of " + std::to_string(value.size()) + " bytes";
    return Line("put", tree, line);
  }
  Status Delete(TreeId tree, std::string_view key) override {
    return Line("delete", tree, Quoted(key));
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    return Line("add to", tree,
                "counter " + std::to_string(counter) + ": " + std::to_string(delta));
  }
  Status CreateTree(TreeId tree) override { return Line("create", tree, ""); }
  Status DropTree(TreeId tree) override { return Line("drop", tree, ""); }
  Status ForkTree(TreeId tree, TreeId source) override {
    return Line("fork", tree, "from tree " + std::to_string(source));
  }

 private:
  static Status Line(std::string_view what, TreeId tree, const std::string& rest) {
    Print("    " + std::string(what) + " tree " + std::to_string(tree) +
          (rest.empty() ? "" : " " + rest) + "\n");
    return Status::Ok();
  }
};

void PrintUnits(const LogGroupInfo& group) {
  std::string_view rest = group.payload;
  for (uint32_t i = 0; i < group.units; ++i) {
    uint64_t size;
    uint32_t operations;
    if (!GetVarint64(&rest, &size) || !GetVarint32(&rest, &operations) || size > rest.size()) {
      Print("  a unit that is cut in its group\n");
      return;
    }
    Print("  unit " + std::to_string(group.first_sequence + i) + ": " + std::to_string(operations) +
          " operations, " + std::to_string(size) + " bytes\n");
    OperationPrinter printer;
    const Status status = WriteBatch::Iterate(rest.substr(0, size), operations, &printer);
    if (!status.ok()) Print("    " + status.ToString() + "\n");
    rest.remove_prefix(size);
  }
  if (!rest.empty()) Print("  bytes behind the units\n");
}

void PrintGroup(const LogGroupInfo& group) {
  Print("group at " + std::to_string(group.offset) + ": " + std::to_string(group.size) +
        " bytes, generation " + std::to_string(group.generation) + ", first sequence " +
        std::to_string(group.first_sequence) + ", units " + std::to_string(group.units) +
        ", synced through " + std::to_string(group.synced_through) + "\n");
  if (!group.begins_inside_unit && !group.ends_inside_unit) return PrintUnits(group);
  const char* const which = !group.begins_inside_unit ? "the beginning"
                            : group.ends_inside_unit  ? "a middle"
                                                      : "the end";
  Print("  " + std::to_string(group.payload.size()) + " bytes, " + which + " of unit " +
        std::to_string(group.first_sequence) + "\n");
}

int Dump(FileSystem* fs, const std::string& path) {
  const Result<LogDumpEnd> end = DumpLogSegment(fs, path, PrintGroup);
  if (!end.ok()) return Fail(end.status());
  if (end->offset == 0) return Fail(Status::Corruption(path + ": offset 0: " + end->reason));
  Print("end at " + std::to_string(end->offset) + ": " + end->reason + "\n");
  return kDone;
}

}  // namespace

int RunWal(FileSystem* fs, Arguments arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") {
    Print(kWalUsage);
    return kDone;
  }
  if (arguments.size() != 2 || arguments[0] != "dump") {
    return Misused("wal: `dump` and one path are wanted", kWalUsage);
  }
  return Dump(fs, std::string(arguments[1]));
}

}  // namespace lsm::tool
