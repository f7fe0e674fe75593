// SPDX-License-Identifier: BSD-3-Clause
// varve-tool shell, as a program.

#include <doctest/doctest.h>

#include <string>

#include "tests/support/program.h"

namespace lsm {
namespace {

using test_support::Finished;
using test_support::TemporaryDirectory;

// Runs the shell on `directory` with `script`, whose lines end in \n as printf knows it.
Finished Shell(const std::string& directory, const std::string& script) {
  return test_support::RunProgram(
      "/bin/sh", {"-c", "printf '" + script + "' | " VARVE_TOOL " shell " + directory});
}

}  // namespace

TEST_CASE("the shell writes, reads, deletes, scans and finds it all again") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/db";
  Finished run =
      Shell(path, "fill 0 3\\nput k v\\ndel key1\\nget k\\nget key1\\nscan a z\\nquit\\n");
  CHECK(run.status == 0);
  CHECK(run.error == "");
  CHECK(run.output == "v\n(absent)\nk v\nkey0 val0\nkey2 val2\nkeys=3 num_active_iterators=1\n");
  run = Shell(path, "scan key0 key2\\n");
  CHECK(run.status == 0);
  CHECK(run.output == "key0 val0\nkeys=1 num_active_iterators=1\n");
}

TEST_CASE("the shell flushes and compacts, and its dump shows where the records are") {
  const TemporaryDirectory directory;
  const Finished run = Shell(directory.path(),
                             "fill 0 10\\ndump\\nflush\\nfill 5 15\\nflush\\ndump\\n"
                             "full-compact\\ndump\\nstats\\n");
  CHECK(run.status == 0);
  CHECK(run.error == "");
  CHECK(run.output.find("memtable: keys=10 records=10") != std::string::npos);
  CHECK(run.output.find("level 0: files=2") != std::string::npos);
  CHECK(run.output.find("level 6: files=1") != std::string::npos);
  CHECK(run.output.find("entries=15 tombstones=0") != std::string::npos);
  CHECK(run.output.find("compactions=1") != std::string::npos);
}

TEST_CASE("the shell says what is wrong, goes on, and fails at its end") {
  const TemporaryDirectory directory;
  const Finished run =
      Shell(directory.path(), "nonsense\\nget\\nfill a b\\ntree 7\\n\\nput k v\\nget k\\n");
  CHECK(run.status == 1);
  CHECK(run.output == "v\n");
  CHECK(run.error.find("there is no command \"nonsense\"") != std::string::npos);
  CHECK(run.error.find("get: 1 arguments are wanted") != std::string::npos);
  CHECK(run.error.find("not a number") != std::string::npos);
  CHECK(run.error.find("tree 7 does not exist") != std::string::npos);
  CHECK(test_support::RunProgram(VARVE_TOOL, {"shell"}).status == 2);
  CHECK(test_support::RunProgram(VARVE_TOOL, {"shell", "/proc"}).status == 1);
}

}  // namespace lsm
