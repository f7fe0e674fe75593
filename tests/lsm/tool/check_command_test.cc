// SPDX-License-Identifier: BSD-3-Clause
// varve-tool check, repair and stats, as a program.

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "lsm/file_system.h"
#include "tests/support/program.h"

namespace lsm {
namespace {

using test_support::Finished;
using test_support::TemporaryDirectory;

Finished Tool(const std::vector<std::string>& arguments) {
  return test_support::RunProgram(VARVE_TOOL, arguments);
}

void Shell(const std::string& directory, const std::string& script) {
  const Finished run = test_support::RunProgram(
      "/bin/sh", {"-c", "printf '" + script + "' | " VARVE_TOOL " shell " + directory});
  REQUIRE(run.status == 0);
}

// The largest SST file.
std::string TableIn(const std::string& directory) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".sst") found = entry.path();
  }
  REQUIRE(!found.empty());
  return found;
}

void Flip(const std::string& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char byte = static_cast<char>(~file.get());
  file.seekp(offset);
  file.put(byte);
}

}  // namespace

TEST_CASE("check finds nothing in a database that is whole") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Shell(path, "fill 0 5000\\nflush\\nfill 100 200\\n");
  const Finished run = Tool({"check", path});
  CHECK(run.status == 0);
  CHECK(run.error == "");
  CHECK(run.output.starts_with("2 SST files with 5100 records, 0 units in the log, "));
  CHECK(run.output.ends_with(" read: no fault\n"));
}

TEST_CASE("repair of what is whole loses nothing, and says so by its exit status") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Shell(path, "fill 0 500\nflush\nfill 100 200\n");
  const Finished run = Tool({"repair", path, directory.path() + "/new/"});
  CHECK(run.status == 0);
  CHECK(run.output.ends_with("; nothing is lost\n"));
  CHECK(Tool({"check", directory.path() + "/new"}).status == 0);
}

TEST_CASE("check needs no more than to read, and says if a server is there") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Shell(path, "fill 0 500\nflush\n");
  {
    const auto lock = FileSystem::Posix()->Lock(path + "/LOCK");
    REQUIRE(lock.ok());
    const Finished run = Tool({"check", path});
    CHECK(run.status == 1);
    CHECK(run.error.find(path + ": a server has this database open") != std::string::npos);
  }
  using std::filesystem::perms;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::filesystem::permissions(entry, perms::owner_read | perms::group_read | perms::others_read);
  }
  for (const std::string& name : {path, directory.path()}) {
    std::filesystem::permissions(name, perms(0555));
  }
  // Nothing is denied to root, so this process is somebody else for a moment.
  const bool is_root = ::geteuid() == 0;
  if (is_root) REQUIRE(::seteuid(65534) == 0);
  const bool denied = !std::ofstream(path + "/new").is_open();
  const auto lock = FileSystem::Posix()->Lock(path + "/LOCK");
  if (is_root) REQUIRE(::seteuid(0) == 0);
  CHECK(denied);
  CHECK_MESSAGE(lock.ok(), lock.status().ToString());
  for (const std::string& name : {path, directory.path()}) {
    std::filesystem::permissions(name, perms(0755));
  }
}

TEST_CASE("check names file, block and keys of a fault, and repair saves the rest") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  const std::string output = directory.path() + "/repaired";
  Shell(path, "fill 10000 15000\\nflush\\n");
  const std::string table = TableIn(path);
  Flip(table, 10);
  const Finished check = Tool({"check", path});
  CHECK(check.status == 1);
  CHECK(check.output.starts_with("Corruption: " + table +
                                 ": data block at offset 0: checksum mismatch; keys of tree 0 "
                                 "from the first on up to \"key1"));
  CHECK(check.output.ends_with(": 1 faults\n"));

  const Finished repair = Tool({"repair", path, output});
  CHECK(repair.status == 3);
  CHECK(repair.output.starts_with("Corruption: " + table + ": data block at offset 0: "));
  CHECK(repair.output.ends_with("; 1 places are damaged\n"));
  CHECK(Tool({"check", output}).status == 0);
  const Finished read = test_support::RunProgram(
      "/bin/sh",
      {"-c", "printf 'get key10000\\nget key14999\\n' | " VARVE_TOOL " shell " + output});
  CHECK(read.output == "(absent)\nval14999\n");

  // Nothing is written over, nor into what is looked at.
  CHECK(Tool({"repair", path, output}).status == 1);
  CHECK(Tool({"repair", path, path}).status == 1);
  CHECK(Tool({"repair", path, path + "/inside"}).status == 1);
  std::filesystem::create_directory_symlink(path, directory.path() + "/link");
  for (const std::string name : {"/link/inside", "/link/../db/inside", "/db//inside", "/db/./x/"}) {
    CAPTURE(name);
    const Finished inside = Tool({"repair", path, directory.path() + name});
    CHECK(inside.status == 1);
    CHECK(inside.error.find("not a place beside") != std::string::npos);
  }
  CHECK(Tool({"repair", directory.path() + "/link", path + "/inside"}).status == 1);
  CHECK(Tool({"check", path}).output == check.output);
}

TEST_CASE("repair makes do without CURRENT and without a manifest") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Shell(path, "fill 0 100\\nflush\\n");
  std::filesystem::remove(path + "/CURRENT");
  CHECK(Tool({"check", path}).status == 1);
  CHECK(Tool({"repair", path, directory.path() + "/first"}).status == 3);
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().filename().string().starts_with("MANIFEST")) Flip(entry.path(), 40);
  }
  const Finished repair = Tool({"repair", path, directory.path() + "/second"});
  CHECK(repair.status == 3);
  CHECK(repair.output.find("put together from the files") != std::string::npos);
  for (const char* name : {"/first", "/second"}) {
    const std::string made = directory.path() + name;
    CAPTURE(made);
    const Finished check = Tool({"check", made});
    CHECK(check.status == 0);
    CHECK(check.output.starts_with("1 SST files with 100 records, "));
  }
}

TEST_CASE("stats shows the levels of a database, and leaves it as it is") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Shell(path, "fill 0 1000\\nflush\\nfull-compact\\nfill 0 10\\nflush\\n");
  const Finished run = Tool({"stats", path});
  CHECK(run.status == 0);
  CHECK(run.output.find("\nSST files: 2, ") != std::string::npos);
  CHECK(run.output.find("\ntree 0\n") != std::string::npos);
  CHECK(run.output.find("\n  L0         1 ") != std::string::npos);
  CHECK(run.output.find("########") != std::string::npos);
  CHECK(run.output.find("sorted runs: 2; space amplification, at most: 1.0") != std::string::npos);
  CHECK(Tool({"check", path}).status == 0);
}

TEST_CASE("check, repair and stats say what they want, and where there is no database") {
  const TemporaryDirectory directory;
  for (const std::string command : {"check", "repair", "stats"}) {
    CAPTURE(command);
    CHECK(Tool({command}).status == 2);
    CHECK(Tool({command, "--help"}).output.find("varve-tool " + command + " DIR") == 0);
    CHECK(Tool({command, "a", "b", "c"}).status == 2);
    std::vector<std::string> arguments = {command, directory.path()};
    if (command == "repair") arguments.push_back(directory.path() + "/new");
    const Finished run = Tool(arguments);
    CHECK(run.status == 1);
    CHECK(run.error.find("there is no database") != std::string::npos);
  }
}

TEST_CASE("repair removes nothing that it finds where it wants to write, its input least of all") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Shell(path + ".tmp", "put a 1\\n");
  const auto files = [&path] {
    const std::filesystem::directory_iterator all(path + ".tmp");
    return std::distance(begin(all), end(all));
  };
  const auto before = files();
  const Finished onto_itself = Tool({"repair", path + ".tmp", path});
  CHECK(onto_itself.status == 1);
  CHECK(onto_itself.error.find("is in the way") != std::string::npos);
  CHECK(files() == before);
  CHECK(!std::filesystem::exists(path));

  const std::string other = directory.path() + "/other";
  Shell(other, "put a 1\\n");
  CHECK(Tool({"repair", other, path}).status == 1);
  CHECK(files() == before);
}

}  // namespace lsm
