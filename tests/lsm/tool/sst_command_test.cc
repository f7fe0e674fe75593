// SPDX-License-Identifier: BSD-3-Clause
// varve-tool sst, as a program.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/sst_files.h"

namespace {

using test_support::Finished;
using test_support::TemporaryDirectory;

Finished Sst(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "sst");
  return test_support::RunProgram(VARVE_TOOL, arguments);
}

void MakeFile(const std::string& path, uint64_t number) {
  using lsm::RecordType;
  const lsm::SstRecords records = {{"apple", 5, RecordType::kValue, "red"},
                                   {std::string("nul\0", 4), 7, RecordType::kTombstone, ""}};
  REQUIRE(lsm::WriteSst(lsm::FileSystem::Posix(), path, number, {}, {{2, records}}).ok());
}

void FlipByte(const std::string& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char byte = static_cast<char>(~file.get());
  file.seekp(offset);
  file.put(byte);
}

}  // namespace

TEST_CASE("a dump of an SST file names its parts and shows its records") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/000012.sst";
  MakeFile(path, 12);
  const Finished run = Sst({"dump", path});
  CHECK(run.status == 0);
  CHECK(run.error == "");
  CHECK(run.output.starts_with("sst file=12 size="));
  CHECK(run.output.find("\nslice tree=2 index=") != std::string::npos);
  CHECK(run.output.find("\nproperties entries=2 tombstones=1 ") != std::string::npos);
  CHECK(run.output.ends_with("\n\"apple\" @5 value \"red\"\n\"nul\\x00\" @7 tombstone\n"));
}

TEST_CASE("verify tells whole SST files from damaged ones and looks at them all") {
  const TemporaryDirectory directory;
  const std::string good = directory.path() + "/000012.sst";
  const std::string bad = directory.path() + "/000013.sst";
  MakeFile(good, 12);
  MakeFile(bad, 13);
  const Finished whole = Sst({"verify", good, bad});
  CHECK(whole.status == 0);
  CHECK(whole.output == good + ": ok\n" + bad + ": ok\n");

  FlipByte(bad, 5);
  const Finished damaged = Sst({"verify", bad, good});
  CHECK(damaged.status == 1);
  CHECK(damaged.output == good + ": ok\n");
  CHECK(damaged.error ==
        "varve-tool: Corruption: " + bad + ": data block at offset 0: checksum mismatch\n");
  CHECK(Sst({"dump", bad}).status == 1);

  // The number in the name counts.
  const std::string renamed = directory.path() + "/000014.sst";
  std::filesystem::rename(good, renamed);
  CHECK(Sst({"verify", renamed}).status == 1);
}

TEST_CASE("sst on files that are absent or not named as SST files fails in one line") {
  const TemporaryDirectory directory;
  const Finished missing = Sst({"verify", directory.path() + "/000001.sst"});
  CHECK(missing.status == 1);
  CHECK(missing.output == "");
  CHECK(std::count(missing.error.begin(), missing.error.end(), '\n') == 1);
  const Finished foreign = Sst({"dump", directory.path() + "/notes.txt"});
  CHECK(foreign.status == 1);
  CHECK(foreign.error.find("notes.txt: an SST file is named like") != std::string::npos);
}

TEST_CASE("a wrong command line of sst shows how it should be") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {}, {"dump"}, {"dump", "a", "b"}, {"verify"}, {"mend", "a"}}) {
    const Finished run = Sst(arguments);
    CHECK(run.status == 2);
    CHECK(run.error.find("varve-tool sst verify PATH...") != std::string::npos);
  }
}
