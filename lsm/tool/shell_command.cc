// SPDX-License-Identifier: BSD-3-Clause
// varve-tool shell: commands from standard input, a line each, on the engine in a directory. A
// command that fails says so on standard error and the next one is read; the exit status tells
// whether any did. The database is created if the directory is absent or empty, and closed at
// `quit` or the end of input.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lsm/db/db_impl.h"
#include "lsm/tool/command.h"

namespace lsm::tool {

constinit const std::string_view kShellUsage =
    "varve-tool shell DIR            commands from standard input on the database in DIR; `help`\n";

namespace {

constexpr std::string_view kHelp =
    "fill A B       puts keyA..key{B-1} = valA..val{B-1}\n"
    "get K          the value, or (absent)\n"
    "put K V\n"
    "del K\n"
    "scan A B       the keys from A up to, not including, B\n"
    "tree N         what follows is about tree N; 0 at the beginning\n"
    "flush          writes the tree's memtables to SST files\n"
    "full-compact   merges all of the tree into one sorted run\n"
    "dump           the tree's memtables, levels and files\n"
    "stats          figures of the engine\n"
    "help\n"
    "quit\n";

using Words = std::vector<std::string_view>;

Words Split(std::string_view line) {
  Words words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r\n"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

class Shell {
 public:
  explicit Shell(DBImpl* db) : db_(db) {}

  // One command. Empty words are no command.
  Status Run(const Words& words) {
    for (const Row& row : Rows()) {
      if (row.name != words[0]) continue;
      if (words.size() != row.arguments + 1) {
        return Status::InvalidArgument(std::string(row.name) + ": " +
                                       std::to_string(row.arguments) + " arguments are wanted");
      }
      return (this->*row.run)(words);
    }
    return Status::InvalidArgument("there is no command \"" + std::string(words[0]) +
                                   "\"; see help");
  }

 private:
  struct Row {
    std::string_view name;
    size_t arguments;
    Status (Shell::*run)(const Words& words);
  };
  static std::span<const Row> Rows();

  static void PrintLine(std::string_view text) {
    Print(text);
    Print("\n");
  }

  static Result<uint64_t> Number(std::string_view text) {
    constexpr uint64_t kLimit = 1'000'000'000;
    uint64_t number = 0;
    if (ParseNumber(text, kLimit, &number)) return number;
    return Status::InvalidArgument("not a number up to " + std::to_string(kLimit) + ": " +
                                   std::string(text));
  }

  Status Fill(const Words& words) {
    const Result<uint64_t> from = Number(words[1]);
    RETURN_IF_ERROR(from.status());
    const Result<uint64_t> to = Number(words[2]);
    RETURN_IF_ERROR(to.status());
    for (uint64_t i = *from; i < *to; ++i) {
      WriteBatch unit;
      unit.Put(tree_, "key" + std::to_string(i), "val" + std::to_string(i));
      RETURN_IF_ERROR(db_->Write(unit, /*sync=*/false));
    }
    return {};
  }

  Status Get(const Words& words) {
    const std::unique_ptr<ReadView> view = db_->NewReadView();
    const Result<Lookup> found = view->Get(tree_, words[1]);
    RETURN_IF_ERROR(found.status());
    PrintLine(found->value ? found->value->view() : "(absent)");
    return {};
  }

  Status Put(const Words& words) {
    WriteBatch unit;
    unit.Put(tree_, words[1], words[2]);
    return db_->Write(unit, /*sync=*/false);
  }

  Status Del(const Words& words) {
    WriteBatch unit;
    unit.Delete(tree_, words[1]);
    return db_->Write(unit, /*sync=*/false);
  }

  Status Scan(const Words& words) {
    IterateOptions options;
    options.lower = Bound{std::string(words[1]), true};
    options.upper = Bound{std::string(words[2]), false};
    const std::unique_ptr<ReadView> view = db_->NewReadView();
    const Result<std::unique_ptr<Iterator>> iterator = view->NewIterator(tree_, options);
    RETURN_IF_ERROR(iterator.status());
    uint64_t keys = 0;
    for ((*iterator)->SeekToFirst(); (*iterator)->Valid(); (*iterator)->Next()) {
      Print((*iterator)->key());
      Print(" ");
      PrintLine((*iterator)->value());
      ++keys;
    }
    PrintLine("keys=" + std::to_string(keys) +
              " num_active_iterators=" + std::to_string((*iterator)->num_active_iterators()));
    return (*iterator)->status();
  }

  Status Tree(const Words& words) {
    const Result<uint64_t> number = Number(words[1]);
    RETURN_IF_ERROR(number.status());
    for (const TreeId tree : db_->Trees()) {
      if (tree != *number) continue;
      tree_ = tree;
      return {};
    }
    return Status::NotFound("tree " + std::string(words[1]) + " does not exist");
  }

  Status Flush(const Words& /*words*/) { return db_->Flush(tree_); }
  Status FullCompact(const Words& /*words*/) { return db_->CompactTree(tree_); }

  Status Dump(const Words& /*words*/) {
    db_->DescribeTree(tree_, PrintLine);
    return {};
  }

  Status PrintStats(const Words& /*words*/) {
    const DbStats stats = db_->Stats();
    const auto figure = [](std::string_view name, uint64_t value) {
      PrintLine(std::string(name) + "=" + std::to_string(value));
    };
    figure("visible_sequence", db_->visible_sequence());
    figure("synced_through", db_->synced_through());
    figure("trees", stats.trees);
    figure("memtable_bytes", stats.memtable_bytes);
    figure("immutable_memtables", stats.immutable_memtables);
    figure("sst_files", stats.sst_files);
    figure("sst_bytes", stats.sst_bytes);
    figure("wal_segments", stats.wal_segments);
    figure("rotations", stats.rotations);
    figure("flushes", stats.flushes);
    figure("compactions", stats.compactions);
    PrintLine("stall=" + std::string(ToString(db_->CurrentStall().state)));
    return {};
  }

  Status Help(const Words& /*words*/) {
    Print(kHelp);
    return {};
  }

  DBImpl* const db_;
  TreeId tree_ = kDirectoryTree;
};

std::span<const Shell::Row> Shell::Rows() {
  static constexpr Row kRows[] = {
      {"del", 1, &Shell::Del},
      {"dump", 0, &Shell::Dump},
      {"fill", 2, &Shell::Fill},
      {"flush", 0, &Shell::Flush},
      {"full-compact", 0, &Shell::FullCompact},
      {"get", 1, &Shell::Get},
      {"help", 0, &Shell::Help},
      {"put", 2, &Shell::Put},
      {"scan", 2, &Shell::Scan},
      {"stats", 0, &Shell::PrintStats},
      {"tree", 1, &Shell::Tree},
  };
  return kRows;
}

// The next line of standard input; false at its end.
bool ReadLine(std::string* line) {
  line->clear();
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') return true;
    line->push_back(static_cast<char>(c));
  }
  return !line->empty();
}

}  // namespace

int RunShell(FileSystem* fs, Arguments arguments) {
  if (arguments.empty()) return Misused("shell: a directory is missing", kShellUsage);
  if (arguments.front() == "--help") {
    Print(kShellUsage);
    Print(kHelp);
    return kDone;
  }
  if (arguments.size() != 1) return Misused("shell: one directory is wanted", kShellUsage);
  Options options;
  options.file_system = fs;
  const Result<std::unique_ptr<DB>> db = DB::Open(options, std::string(arguments[0]));
  if (!db.ok()) return Fail(db.status());
  // DB::Open makes nothing else; the dump is about its inside.
  Shell shell(static_cast<DBImpl*>(db->get()));
  int status = kDone;
  for (std::string line; ReadLine(&line);) {
    const Words words = Split(line);
    if (words.empty()) continue;
    if (words[0] == "quit") break;
    if (const Status ran = shell.Run(words); !ran.ok()) status = Fail(ran);
    std::fflush(stdout);
  }
  if (const Status closed = (*db)->Close(); !closed.ok()) status = Fail(closed);
  return status;
}

}  // namespace lsm::tool
