// SPDX-License-Identifier: BSD-3-Clause

#include "net/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace net {

namespace {

// A descriptor that high has the system make its table that large, and it stays so.
void GrowFileTable(uint64_t files) {
  if (files == 0 || files > INT_MAX) return;
  const int highest = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(files - 1));
  if (highest >= 0) close(highest);
}

// The limit then.
uint64_t RaiseLimit(uint64_t files) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur >= files) return limit.rlim_cur;
  // The hard limit can be raised by the superuser only.
  const rlimit wanted{files, std::max<rlim_t>(files, limit.rlim_max)};
  if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return files;
  limit.rlim_cur = std::min<rlim_t>(files, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

uint64_t RaiseFileLimit(uint64_t files) {
  const uint64_t limit = RaiseLimit(files);
  GrowFileTable(std::min(files, limit));
  return limit;
}

int LargestBacklog() {
  FILE* const file = fopen("/proc/sys/net/core/somaxconn", "re");
  if (file == nullptr) return 0;
  int largest = 0;
  if (fscanf(file, "%d", &largest) != 1) largest = 0;
  fclose(file);
  return largest;
}

bool Daemonize() {
  std::fflush(nullptr);
  for (int generation = 0; generation < 2; ++generation) {
    const pid_t child = fork();
    if (child < 0) return false;
    if (child > 0) _exit(0);
    // The leader of a session might get a terminal by opening one; its child cannot.
    if (generation == 0) setsid();
  }
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) return false;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  if (null > STDERR_FILENO) close(null);
  return true;
}

PidFile::PidFile(std::string path) : path_(std::move(path)) {
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return;
  const std::string text = std::to_string(getpid()) + "\n";
  written_ = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
}

PidFile::~PidFile() {
  if (written_) unlink(path_.c_str());
}

}  // namespace net
