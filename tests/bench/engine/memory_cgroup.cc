// SPDX-License-Identifier: BSD-3-Clause
#include "tests/bench/engine/memory_cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace lsm::bench {
namespace {

constexpr const char* kRoot = "/sys/fs/cgroup";

std::string Content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  const bool written = std::fputs(text.c_str(), file) >= 0;
  return std::fclose(file) == 0 && written;
}

bool MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return true;
  std::fprintf(stderr, "mkdir %s: %s\n", path.c_str(), std::strerror(errno));
  return false;
}

}  // namespace

std::unique_ptr<MemoryCgroup> MemoryCgroup::Create(uint64_t limit_bytes) {
  const std::string root = kRoot;
  const std::string name = "/varve-bench-" + std::to_string(::getpid());
  const std::string limit = std::to_string(limit_bytes);
  if (Content(root + "/cgroup.controllers").find("memory") != std::string::npos) {
    (void)WriteFile(root + "/cgroup.subtree_control", "+memory");
    const std::string group = root + name;
    if (!MakeDirectory(group)) return nullptr;
    std::unique_ptr<MemoryCgroup> made(new MemoryCgroup(group, true));
    if (WriteFile(group + "/memory.max", limit)) return made;
  } else {
    const std::string memory = root + "/memory" + name;
    if (!MakeDirectory(memory)) return nullptr;
    std::unique_ptr<MemoryCgroup> made(new MemoryCgroup(memory, false));
    if (WriteFile(memory + "/memory.limit_in_bytes", limit)) return made;
  }
  std::fprintf(stderr, "the memory limit of a control group cannot be set\n");
  return nullptr;
}

MemoryCgroup::~MemoryCgroup() {
  // A group whose last process has just ended may be busy for a moment.
  for (int tries = 0; tries < 50 && ::rmdir(path_.c_str()) != 0 && errno == EBUSY; ++tries) {
    ::usleep(20'000);
  }
}

bool MemoryCgroup::Enter() const {
  const std::string self = std::to_string(::getpid());
  return WriteFile(path_ + "/cgroup.procs", self);
}

uint64_t MemoryCgroup::DeviceReads() {
  uint64_t sum = 0;
  for (const auto& device : std::filesystem::directory_iterator("/sys/block")) {
    // The first figure of a device that is no loop or memory of another: reads that it completed.
    if (!std::filesystem::exists(device.path() / "device")) continue;
    sum += std::strtoull(Content(device.path() / "stat").c_str(), nullptr, 10);
  }
  return sum;
}

uint64_t MemoryCgroup::UsedBytes() const {
  const std::string file = unified_ ? "/memory.current" : "/memory.usage_in_bytes";
  return std::strtoull(Content(path_ + file).c_str(), nullptr, 10);
}

uint64_t MemoryCgroup::ResidentBytes() {
  std::istringstream words(Content("/proc/self/statm"));
  uint64_t total = 0;
  uint64_t resident = 0;
  words >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace lsm::bench
