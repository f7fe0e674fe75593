// SPDX-License-Identifier: BSD-3-Clause
// FileWindow reads a file from front to back through one buffer, so that readers of logs can look
// at any next few bytes without a system call for each and without holding the file in memory.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "lsm/file_system.h"
#include "lsm/status.h"

namespace lsm {

class FileWindow {
 public:
  static Result<FileWindow> Open(FileSystem* fs, const std::string& path);

  // The `n` bytes at `offset`, fewer only at the end of the file: no more is held in memory than
  // the larger of `n`, bounded by the file's size, and a fixed step. The view is good until the
  // next call.
  Result<std::string_view> Read(uint64_t offset, uint64_t n);

  uint64_t size() const { return size_; }

 private:
  FileWindow(std::unique_ptr<RandomAccessFile> file, uint64_t size)
      : file_(std::move(file)), size_(size) {}

  std::unique_ptr<RandomAccessFile> file_;
  uint64_t size_;
  uint64_t begin_ = 0;  // where buffer_ stands in the file
  std::string buffer_;
};

}  // namespace lsm
