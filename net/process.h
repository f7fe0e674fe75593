// SPDX-License-Identifier: BSD-3-Clause
// What a server asks of the system for its whole process.
//
// Thread safety: none; called by main, before there are other threads.

#pragma once

#include <cstdint>
#include <string>

namespace net {

// Raises the limit on open files to `files` if the system lets us, and says what it is then. Makes
// room for them at once, too: a table of descriptors that grows while the process has threads makes
// the call that needs it wait for all processors, 10 to 20 ms in the middle of an accept.
uint64_t RaiseFileLimit(uint64_t files);

// The longest queue of connections that were not accepted yet which the system lets a socket have;
// 0 if it does not tell.
int LargestBacklog();

// Goes on in a grandchild that has no terminal and cannot get one; its ancestors exit. False if
// that fails.
bool Daemonize();

// Writes the process's id to a file, and removes the file at the end.
class PidFile {
 public:
  explicit PidFile(std::string path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  bool written() const { return written_; }

 private:
  const std::string path_;
  bool written_ = false;
};

}  // namespace net
