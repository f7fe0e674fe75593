// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace test_support {
namespace {

void Demand(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

TemporaryDirectory::TemporaryDirectory()
    : path_(std::filesystem::temp_directory_path().string() + "/varve-test-" +
            std::string(6, 'X')) {
  Demand(mkdtemp(path_.data()) != nullptr, "mkdtemp");
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // a left-over must not hide the test's own failure
  std::filesystem::remove_all(path_, ignored);
}

Finished RunProgram(const std::string& binary, const std::vector<std::string>& arguments,
                    const std::string& output_to) {
  const TemporaryDirectory directory;
  const std::string output = output_to.empty() ? directory.path() + "/output" : output_to;
  const std::string error = directory.path() + "/error";
  std::vector<std::string> words = {binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  Demand(posix_spawn_file_actions_init(&files) == 0, "posix_spawn_file_actions_init");
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(), kWrite, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, error.c_str(), kWrite, 0600);
  pid_t child = -1;
  Demand(posix_spawn(&child, binary.c_str(), &files, nullptr, argv.data(), environ) == 0,
         "posix_spawn");
  posix_spawn_file_actions_destroy(&files);
  int status = 0;
  Demand(waitpid(child, &status, 0) == child, "waitpid");

  Finished finished;
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (output_to.empty()) finished.output = Contents(output);
  finished.error = Contents(error);
  return finished;
}

}  // namespace test_support
