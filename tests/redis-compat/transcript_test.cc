// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/transcript.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "redis-compat/command_table.h"
#include "tests/support/test_server.h"

using test_support::InProcessTarget;
using test_support::TestServer;

namespace {

std::vector<std::string> TranscriptFiles() {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(VARVE_SOURCE_DIR "/tests/transcripts")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> Run(const std::string& text) {
  TestServer server("enable-debug-command yes\n");
  InProcessTarget target(&server);
  return test_support::RunTranscript(text, "t", &target).failures;
}

}  // namespace

TEST_CASE("every transcript holds in-process, on a map and on the engine") {
  const std::vector<std::string> files = TranscriptFiles();
  REQUIRE(files.size() >= 3);
  for (const auto engine : {TestServer::Engine::kMapDb, TestServer::Engine::kLsm}) {
    for (const std::string& file : files) {
      TestServer server("enable-debug-command yes\n", engine);
      InProcessTarget target(&server);
      const auto result =
          test_support::RunTranscript(test_support::ReadTranscript(file), file, &target);
      CHECK(result.checks > 0);
      for (const std::string& failure : result.failures) FAIL_CHECK(failure);
    }
  }
}

TEST_CASE("every command occurs in a transcript") {
  std::set<std::string, std::less<>> seen;
  for (const std::string& file : TranscriptFiles()) {
    for (std::string& command :
         test_support::CommandsOfTranscript(test_support::ReadTranscript(file))) {
      seen.insert(std::move(command));
    }
  }
  for (const redis::CommandSpec& spec : redis::AllCommands()) {
    CAPTURE(spec.name);
    CHECK(seen.count(spec.name) == 1);
  }
}

TEST_CASE("a transcript that does not hold says where, what it expected and what it got") {
  const auto failures = Run("> SET a 1\n< OK\n\n> GET a\n< \"2\"\n");
  REQUIRE(failures.size() == 1);
  CHECK(failures[0] == "t:5: expected \"2\"\n    but got  \"1\"");
}

TEST_CASE("a reply that nobody checks is a failure, and so is a line that means nothing") {
  CHECK(Run("> SET a 1\n").size() == 1);
  CHECK(Run("> SET a 1\n> GET a\n< \"1\"\n").size() == 1);
  CHECK(Run("SET a 1\n").size() == 1);
  CHECK(Run("@nosuch x\n").size() == 1);
  CHECK(Run("@only elsewhere\n").size() == 1);
  CHECK(Run("# nothing\n\n").empty());
}

TEST_CASE("lines for another kind of target are skipped") {
  CHECK(Run("@only redis\n> SET a 1\n< (nil)\n@all\n> GET a\n< (nil)\n").empty());
  CHECK(Run("@only in-process\n> SET a 1\n< (nil)\n").size() == 1);
}
