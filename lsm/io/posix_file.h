// SPDX-License-Identifier: BSD-3-Clause
// Files of the operating system behind the engine's interfaces, and the words for its errors.
//
// Thread safety: PosixRandomAccessFile is immutable. PosixWritableFile holds nothing but a
// descriptor, so that Sync may run beside WriteAt; Close needs external order.
// Invariant: descriptor_ is open until Close or destruction, and closed exactly once.

#pragma once

#include <string>
#include <string_view>

#include "lsm/file_system.h"

namespace lsm {

// What `call` on `path` failed with: "open /data/CURRENT: Permission denied".
Status PosixError(std::string_view call, const std::string& path, int error_number);

class PosixRandomAccessFile : public RandomAccessFile {
 public:
  // Owns `descriptor`.
  PosixRandomAccessFile(int descriptor, std::string path);
  ~PosixRandomAccessFile() override;
  PosixRandomAccessFile(const PosixRandomAccessFile&) = delete;
  PosixRandomAccessFile& operator=(const PosixRandomAccessFile&) = delete;

  Result<size_t> ReadAt(uint64_t offset, size_t n, char* scratch) const override;
  Result<uint64_t> Size() const override;

 private:
  const int descriptor_;
  const std::string path_;
};

class PosixWritableFile : public WritableFile {
 public:
  // Owns `descriptor`.
  PosixWritableFile(int descriptor, std::string path);
  ~PosixWritableFile() override;
  PosixWritableFile(const PosixWritableFile&) = delete;
  PosixWritableFile& operator=(const PosixWritableFile&) = delete;

  Status WriteAt(uint64_t offset, std::string_view data) override;
  Status Allocate(uint64_t size) override;
  Status Truncate(uint64_t size) override;
  Status Sync() override;
  Status Close() override;

 private:
  int descriptor_;  // -1 after Close
  const std::string path_;
};

}  // namespace lsm
