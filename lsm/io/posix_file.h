// SPDX-License-Identifier: BSD-3-Clause
// Files of the operating system behind the engine's interfaces, and the words for its errors.
//
// What passes by without staying in the page cache: where the kernel knows RWF_DONTCACHE (6.14), it
// drops exactly the pages that the call itself brought in, when they are copied out or written
// back; so a compaction leaves alone what point reads have warmed. Elsewhere the range is dropped
// by posix_fadvise, which spares nobody's pages and is left out for a file that was mostly cached.
//
// Thread safety: PosixRandomAccessFile is safe for concurrent use. PosixWritableFile holds a
// descriptor and advice, so that Sync may run beside WriteAt; Close needs external order.
// Invariant: descriptor_ is open until Close or destruction, and closed exactly once.

#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/file_system.h"

namespace lsm {

// What `call` on `path` failed with: "open /data/CURRENT: Permission denied".
Status PosixError(std::string_view call, const std::string& path, int error_number);

class PosixRandomAccessFile : public RandomAccessFile {
 public:
  // Owns `descriptor`.
  PosixRandomAccessFile(int descriptor, std::string path, AccessPattern pattern);
  ~PosixRandomAccessFile() override;
  PosixRandomAccessFile(const PosixRandomAccessFile&) = delete;
  PosixRandomAccessFile& operator=(const PosixRandomAccessFile&) = delete;

  Result<size_t> ReadAt(uint64_t offset, size_t n, char* scratch) const override;
  Result<size_t> ReadCached(uint64_t offset, size_t n, char* scratch) const override;
  Result<uint64_t> Size() const override;
  double CachedShare() const override { return cached_share_; }

 private:
  // Reads as pread does, by RWF_DONTCACHE if the file system knows it.
  ssize_t ReadOnce(uint64_t offset, size_t n, char* scratch) const;

  const int descriptor_;
  const std::string path_;
  const AccessPattern pattern_;
  const double cached_share_;
  mutable std::atomic<uint32_t> missed_in_a_row_{0};  // by ReadCached; those left out count
  mutable std::atomic<bool> drop_by_advice_{false};   // RWF_DONTCACHE was refused
};

// Space that was reserved is written through memory: a copy instead of a system call, and in the
// page cache as soon as one. Only where the file system keeps what it has reserved, and only space
// that was never written, or has been made so (AllocateAnew): a page that is not in memory is then
// all zeros, and the store needs no device. What can still go wrong:
//   - The disk refuses what is written back, or is full where that needs metadata: Sync says so.
//   - A page that is half full of what was synced has left memory, and cannot be read again; or the
//     file system has shut itself down after an error of its own: the store ends the process
//     (SIGBUS). What was synced stays.
class PosixWritableFile : public WritableFile {
 public:
  // Owns `descriptor`.
  PosixWritableFile(int descriptor, std::string path);
  ~PosixWritableFile() override;
  PosixWritableFile(const PosixWritableFile&) = delete;
  PosixWritableFile& operator=(const PosixWritableFile&) = delete;

  Status WriteAt(uint64_t offset, std::string_view data) override;
  Status Allocate(uint64_t size) override;
  Status AllocateAnew(uint64_t size) override;
  Status Truncate(uint64_t size) override;
  void WriteThrough(PageCache then) override;
  void EndWriting() override { Unmap(); }
  Status Sync() override;
  Status Close() override;

 private:
  // Writes as pwrite does, and has the device begin on it if WriteThrough asked for that.
  ssize_t WriteOnce(uint64_t offset, std::string_view data);
  // The first `size` bytes, which are reserved and unwritten, become memory; if that fails they are
  // written as all others.
  void Map(uint64_t size);
  void Unmap();

  int descriptor_;  // -1 after Close
  char* map_ = nullptr;
  size_t map_size_ = 0;
  const std::string path_;
  bool write_through_ = false;
  PageCache then_ = PageCache::kKeep;
  bool drop_by_advice_ = false;  // RWF_DONTCACHE was refused
};

}  // namespace lsm
