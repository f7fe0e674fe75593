// SPDX-License-Identifier: BSD-3-Clause
// varve-tool wal and manifest, as a program, on files of the engine's own making.

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/file_names.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_writer.h"
#include "lsm/write_batch.h"
#include "tests/support/program.h"

namespace lsm {
namespace {

using test_support::Finished;
using test_support::TemporaryDirectory;

Finished Tool(const std::vector<std::string>& arguments) {
  return test_support::RunProgram(VARVE_TOOL, arguments);
}

void AppendGroup(LogWriter* writer, LogPosition* position, const WriteBatch& unit) {
  std::string payload;
  LogWriter::FrameUnit(&payload, unit.count(), unit.rep());
  PayloadCutter cutter(payload, position->last_sequence + 1);
  while (!cutter.done()) {
    const std::optional<LogWriter::Group> group = cutter.Next(*writer);
    if (!group) return;  // the segment is full
    REQUIRE(writer->AddGroup(*group, position).ok());
  }
}

std::string MakeSegment(const std::string& directory) {
  auto writer = LogWriter::Prepare(FileSystem::Posix(), directory, 3, 1024, "");
  REQUIRE(writer.ok());
  LogPosition position;
  WriteBatch unit;
  unit.CreateTree(7);
  unit.Put(7, std::string("k\0\"", 3), "value");
  unit.Delete(0, "gone");
  unit.AddCounter(7, 1, -4);
  unit.Put(7, "long", std::string(70, 'x'));
  AppendGroup(writer->get(), &position, unit);
  WriteBatch large;
  large.Put(7, "large", std::string(3000, 'y'));
  AppendGroup(writer->get(), &position, large);
  return WalFileName(directory, 3);
}

}  // namespace

TEST_CASE("a log segment's dump shows groups, units and operations, and where they end") {
  const TemporaryDirectory directory;
  const Finished run = Tool({"wal", "dump", MakeSegment(directory.path())});
  CHECK(run.status == 0);
  CHECK(run.error == "");
  CHECK(run.output ==
        "group at 32: 168 bytes, generation 3, first sequence 1, units 1, synced through 0\n"
        "  unit 1: 5 operations, 98 bytes\n"
        "    create tree 7\n"
        "    put tree 7 \"k\\x00\\x22\" = \"value\"\n"
        "    delete tree 0 \"gone\"\n"
        "    add to tree 7 counter 1: -4\n"
        "    put tree 7 \"long\" = \"" +
            std::string(64, 'x') +
            "\"... of 70 bytes\n"
            "group at 200: 824 bytes, generation 3, first sequence 2, units 0, synced through 0\n"
            "  760 bytes, the beginning of unit 2\n"
            "end at 1024: the file ends here\n");
}

TEST_CASE("a manifest's dump shows each field of each edit, and where they end") {
  const TemporaryDirectory directory;
  ManifestState state;
  VersionEdit edit;
  edit.added_logs = {3};
  edit.created_trees = {0};
  REQUIRE(state.Apply(edit).ok());
  auto writer = ManifestWriter::Create(FileSystem::Posix(), directory.path(), 4, state);
  REQUIRE(writer.ok());
  VersionEdit flush;
  flush.flushed = {{0, 9, {1, 0, -1, 0}}};
  flush.added_files = {{0, 0, {5, 0, 4096, 4000, 10, 1, 2, 9, "a", std::string("\xff", 1), {}}}};
  REQUIRE((*writer)->Append(flush).ok());
  const Finished run = Tool({"manifest", "dump", ManifestFileName(directory.path(), 4)});
  CHECK(run.status == 0);
  CHECK(run.error == "");
  CHECK(run.output ==
        "edit at 32:\n"
        "  next file number 4\n"
        "  next tree id 1\n"
        "  wal synced through 0\n"
        "  log start 0 checksum 0\n"
        "  add log 3\n"
        "  structural through 0\n"
        "  create tree 0\n"
        "  tree 0 flushed through 0 counters 0 0 0 0\n"
        "edit at 88:\n"
        "  tree 0 flushed through 9 counters 1 0 -1 0\n"
        "  add to tree 0 level 0 file 5 slice 0 size 4096 slice size 4000 entries 10 tombstones 1 "
        "sequences 2..9 keys \"a\"..\"\\xff\"\n"
        "end at 144: the file ends here\n");
}

TEST_CASE("a file that is no segment or no manifest is refused with one line") {
  const TemporaryDirectory directory;
  const std::string segment = MakeSegment(directory.path());
  for (const auto& call : std::vector<std::pair<std::string, std::string>>{
           {"manifest", segment}, {"wal", VARVE_TOOL}, {"wal", directory.path() + "/absent"}}) {
    const auto& command = call.first;
    const auto& path = call.second;
    CAPTURE(path);
    const Finished run = Tool({command, "dump", path});
    CHECK(run.status == 1);
    CHECK(run.output == "");
    CHECK(run.error.find("varve-tool: ") == 0);
    CHECK(run.error.find(path) != std::string::npos);
    CHECK(run.error.find('\n') == run.error.size() - 1);
  }
}

TEST_CASE("the log's commands explain themselves, and refuse what they do not know") {
  for (const std::string command : {"wal", "manifest"}) {
    CHECK(Tool({command, "--help"}).status == 0);
    CHECK(Tool({command, "--help"}).output.find("varve-tool " + command + " dump PATH") == 0);
    CHECK(Tool({command}).status == 2);
    CHECK(Tool({command, "dump"}).status == 2);
    CHECK(Tool({command, "dump", "a", "b"}).status == 2);
    CHECK(Tool({command, "undump", "a"}).status == 2);
  }
}

}  // namespace lsm
