// SPDX-License-Identifier: BSD-3-Clause
// MemoryCgroup is a control group of its own with a limit on memory, of either version. Needs
// root.
//
// The process that makes it stays outside: it enters only in a child that it forks, waits for the
// child, and removes the group when this is destroyed.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace lsm::bench {

class MemoryCgroup {
 public:
  // Null, after a line on stderr, where there is no such thing or no right to it.
  static std::unique_ptr<MemoryCgroup> Create(uint64_t limit_bytes);
  ~MemoryCgroup();
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  // Moves the calling process in. False if that failed.
  bool Enter() const;
  // By anybody, from all devices: control groups of version 1 do not count reads reliably, so the
  // machine has to be quiet.
  static uint64_t DeviceReads();
  // Now, page cache included.
  uint64_t UsedBytes() const;
  // Of the calling process.
  static uint64_t ResidentBytes();

 private:
  MemoryCgroup(std::string path, bool unified) : path_(std::move(path)), unified_(unified) {}

  const std::string path_;
  const bool unified_;  // version 2
};

}  // namespace lsm::bench
