// SPDX-License-Identifier: BSD-3-Clause
// varve-tool memtable, as a program: what it prints, what it leaves in files, how it ends.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/golden.h"
#include "tests/support/program.h"

namespace {

using test_support::Finished;
using test_support::TemporaryDirectory;

Finished Tool(const std::vector<std::string>& arguments) {
  return test_support::RunProgram(VARVE_TOOL, arguments);
}

// Runs `memtable ...`, which must work and be silent on standard error; returns what it prints.
std::string Memtable(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "memtable");
  const Finished run = Tool(arguments);
  CHECK(run.error == "");
  CHECK(run.status == 0);
  return run.output;
}

std::string FileBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteFileBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

size_t FilesIn(const std::string& directory) {
  const std::filesystem::directory_iterator files(directory);
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("the tool makes the specification's forty bytes") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/table";
  CHECK(Memtable({"new", path}) == "");
  CHECK(FileBytes(path) == std::string("MMT1\0\0\0\0", 8));
  CHECK(Memtable({"size", path}) == "entries=0 size_bytes=8\n");
  CHECK(Memtable({"iter", path}) == "");
  CHECK(Memtable({"put", path, "alpha", "first"}) == "");
  CHECK(Memtable({"put", path, "beta", "second"}) == "");
  CHECK(Memtable({"del", path, "beta"}) == "");
  support::CheckGolden("memtable_dump.hex", FileBytes(path));
  CHECK(Memtable({"size", path}) == "entries=2 size_bytes=40\n");
  CHECK(Memtable({"iter", path}) == "V 616c706861 6669727374\nT 62657461\n");
  CHECK(Memtable({"get", path, "alpha"}) == "value: 6669727374\n");
  CHECK(Memtable({"get", path, "beta"}) == "tombstone\n");
  CHECK(Memtable({"get", path, "gamma"}) == "absent\n");
  CHECK(FilesIn(directory.path()) == 1);
}

TEST_CASE("the tool tells empty keys and values from absent ones") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/table";
  Memtable({"new", path});
  Memtable({"put", path, "k", ""});
  Memtable({"put", path, "", "\xff\n"});
  Memtable({"del", path, "never"});
  Memtable({"del", path, "never"});
  CHECK(Memtable({"iter", path}) == "V  ff0a\nV 6b \nT 6e65766572\n");
  CHECK(Memtable({"get", path, "k"}) == "value: \n");
  CHECK(Memtable({"get", path, ""}) == "value: ff0a\n");
  CHECK(Memtable({"get", path, "never"}) == "tombstone\n");
  Memtable({"put", path, "never", "now"});
  CHECK(Memtable({"get", path, "never"}) == "value: 6e6f77\n");
}

TEST_CASE("bulk puts numbered keys into a new or an existing file") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/table";
  Memtable({"bulk", path, "12"});
  CHECK(Memtable({"size", path}) == "entries=12 size_bytes=216\n");
  const std::string listed = Memtable({"iter", path});
  CHECK(listed.starts_with("V 6b657930 76616c30\nV 6b657931 76616c31\nV 6b65793130 76616c3130\n"));
  CHECK(listed.ends_with("V 6b657939 76616c39\n"));
  Memtable({"put", path, "key3", "changed"});
  Memtable({"put", path, "other", "stays"});
  Memtable({"bulk", path, "5"});
  CHECK(Memtable({"get", path, "key3"}) == "value: 76616c33\n");
  CHECK(Memtable({"get", path, "other"}) == "value: 7374617973\n");
  CHECK(Memtable({"size", path}) == "entries=13 size_bytes=235\n");
  Memtable({"bulk", path, "0"});
  CHECK(Memtable({"size", path}) == "entries=13 size_bytes=235\n");
  Memtable({"bulk", path, "100000"});
  CHECK(Memtable({"get", path, "key99999"}) == "value: 76616c3939393939\n");
  CHECK(Memtable({"size", path}).starts_with("entries=100001 "));
}

TEST_CASE("the order of puts leaves no trace in the file") {
  const TemporaryDirectory directory;
  const std::string forward = directory.path() + "/forward";
  const std::string backward = directory.path() + "/backward";
  Memtable({"new", forward});
  Memtable({"new", backward});
  std::vector<std::string> keys = {"a", "b", "c", "d", "e"};
  for (const std::string& key : keys) Memtable({"put", forward, key, key});
  std::reverse(keys.begin(), keys.end());
  for (const std::string& key : keys) Memtable({"put", backward, key, key});
  CHECK(FileBytes(forward) == FileBytes(backward));
}

TEST_CASE("the tool refuses a damaged file, names it, and leaves it as it was") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/damaged";
  WriteFileBytes(path, std::string("MMT1\1\0\0\0", 8));
  const std::vector<std::vector<std::string>> commands = {
      {"put", path, "k", "v"}, {"del", path, "k"},   {"get", path, "k"},
      {"iter", path},          {"bulk", path, "10"}, {"size", path}};
  for (std::vector<std::string> command : commands) {
    CAPTURE(command[0]);
    command.insert(command.begin(), "memtable");
    const Finished run = Tool(command);
    CHECK(run.status == 1);
    CHECK(run.output == "");
    CHECK(run.error == "varve-tool: Corruption: " + path +
                           ": offset 8, entry 0: the file ends, cut before the entry's key\n");
  }
  CHECK(FileBytes(path) == std::string("MMT1\1\0\0\0", 8));
  CHECK(FilesIn(directory.path()) == 1);
}

TEST_CASE("the tool names a file that is missing or cannot be written") {
  const TemporaryDirectory directory;
  const std::string missing = directory.path() + "/missing";
  for (const char* verb : {"get", "del"}) {
    CAPTURE(verb);
    const Finished run = Tool({"memtable", verb, missing, "k"});
    CHECK(run.status == 1);
    CHECK(run.output == "");
    CHECK(run.error.find(missing) != std::string::npos);
  }
  const Finished nowhere = Tool({"memtable", "new", missing + "/table"});
  CHECK(nowhere.status == 1);
  CHECK(nowhere.error.find(missing + "/table") != std::string::npos);
  const Finished directory_itself = Tool({"memtable", "iter", directory.path()});
  CHECK(directory_itself.status == 1);
  CHECK(directory_itself.error.find(directory.path()) != std::string::npos);
  CHECK(FilesIn(directory.path()) == 0);
}

TEST_CASE("a command line that makes no sense is answered with the usage") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/table";
  Memtable({"new", path});
  const std::vector<std::vector<std::string>> commands = {
      {},
      {"nonsense"},
      {"memtable"},
      {"memtable", "nonsense", path},
      {"memtable", "put", path, "k"},
      {"memtable", "get", path},
      {"memtable", "iter", path, "more"},
      {"memtable", "bulk", path, "-1"},
      {"memtable", "bulk", path, "1x"},
      {"memtable", "bulk", path, ""},
      {"memtable", "bulk", path, "99999999999999999999"},
      {"memtable", "bulk", path, "100000001"},
  };
  for (const auto& command : commands) {
    const Finished run = Tool(command);
    CAPTURE(run.error);
    CHECK(run.status == 2);
    CHECK(run.output == "");
    CHECK(run.error.starts_with("varve-tool: "));
    CHECK(run.error.find("varve-tool memtable put  PATH KEY VALUE\n") != std::string::npos);
  }
  CHECK(Memtable({"size", path}) == "entries=0 size_bytes=8\n");
}

TEST_CASE("the tool says what it can do and which version it is") {
  const Finished help = Tool({"--help"});
  CHECK(help.status == 0);
  CHECK(help.error == "");
  CHECK(help.output.find("varve-tool memtable size PATH") != std::string::npos);
  const Finished version = Tool({"--version"});
  CHECK(version.status == 0);
  CHECK(version.output == std::string("varve-tool ") + VARVE_VERSION + "\n");
}

TEST_CASE("an answer that cannot be written is a failure") {
  const Finished run = test_support::RunProgram(VARVE_TOOL, {"--help"}, "/dev/full");
  CHECK(run.status == 1);
  CHECK(run.error == "varve-tool: IO error: standard output: write failed\n");
}
