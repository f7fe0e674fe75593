// SPDX-License-Identifier: BSD-3-Clause
// Runs a program to its end and keeps what it printed.
//
// Thread safety: none needed; every call and every object stands for itself.

#pragma once

#include <string>
#include <vector>

namespace test_support {

// A directory of one's own, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Finished {
  int status = -1;  // as the shell says it: 128 + signal if one ended the program
  std::string output;
  std::string error;
};

// Runs `binary` with empty standard input and waits for it. If `output_to` is not empty, standard
// output goes to that file and is not kept.
Finished RunProgram(const std::string& binary, const std::vector<std::string>& arguments,
                    const std::string& output_to = "");

}  // namespace test_support
