// SPDX-License-Identifier: BSD-3-Clause
//   1. MemTotal of /proc/meminfo.
//   2. The process's group, from /proc/self/cgroup: "0::/a/b" in version 2, "9:memory:/a/b" in
//      version 1. In a container the group's own directory may be mounted as the root.
//   3. The limits of the group and of those above it; the least counts.

#include "redis-compat/system_memory.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>

namespace redis {
namespace {

constexpr size_t kMaxFile = size_t{64} << 10;

std::string ReadSmallFile(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "re"), &fclose);
  if (file == nullptr) return "";
  std::string text(kMaxFile, '\0');
  text.resize(fread(text.data(), 1, text.size(), file.get()));
  return text;
}

// The number that follows blanks at the beginning; UINT64_MAX if there is none ("max").
uint64_t NumberOf(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  uint64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() ? number : UINT64_MAX;
}

uint64_t LeastLimit(const std::string& mount, std::string_view group, const std::string& name) {
  uint64_t least = UINT64_MAX;
  for (;;) {
    while (group.ends_with('/')) group.remove_suffix(1);
    least = std::min(least, NumberOf(ReadSmallFile(mount + std::string(group) + "/" + name)));
    if (group.empty()) return least;
    group = group.substr(0, group.rfind('/') + 1);
  }
}

uint64_t GroupLimit(const std::string& root) {
  const std::string text = ReadSmallFile(root + "/proc/self/cgroup");
  uint64_t least = UINT64_MAX;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = line.substr(second + 1);
    const std::string mount = root + "/sys/fs/cgroup";
    if (controllers.empty()) {
      least = std::min(least, LeastLimit(mount, group, "memory.max"));
    } else if (controllers.find("memory") != std::string_view::npos) {
      least = std::min(least, LeastLimit(mount + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace

uint64_t SystemMemory(const std::string& root) {
  constexpr std::string_view kName = "MemTotal:";
  const std::string text = ReadSmallFile(root + "/proc/meminfo");
  uint64_t memory = UINT64_MAX;
  if (const size_t at = text.find(kName); at != std::string::npos) {
    const uint64_t kilobytes = NumberOf(std::string_view(text).substr(at + kName.size()));
    if (kilobytes < UINT64_MAX >> 10) memory = kilobytes << 10;
  }
  memory = std::min(memory, GroupLimit(root));
  return memory == UINT64_MAX ? 0 : memory;
}

}  // namespace redis
