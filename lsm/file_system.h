// SPDX-License-Identifier: BSD-3-Clause
// FileSystem is the engine's only way to files. Tests replace it by one in memory that loses what
// was not synced and fails on request.
//
// Contract that the engine relies on, and that every implementation keeps:
//   - Data written are visible to later reads of any handle at once, and survive the death of the
//     process; they survive the death of the machine only after WritableFile::Sync.
//   - Creating, renaming, linking and removing a name survives the death of the machine only after
//     SyncDirectory of its parent.
//   - A Sync that failed says nothing about what is on disk, and must not be tried again on the
//     same file: the caller has to write the data elsewhere.
//   - EINTR is retried inside. Every error names the call, the path and the reason.
//
// Paths are absolute or relative to the working directory, separated by '/'.
// Thread safety: FileSystem and RandomAccessFile are safe for concurrent use; WritableFile calls
// other than Sync need external order, and Sync may run beside WriteAt.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"

namespace lsm {

// How a file is going to be read. Advice: it changes what is read beforehand and what stays in the
// system's page cache, and nothing that a reader sees.
enum class AccessPattern {
  kRandom,      // pieces here and there: a read fetches what it asks for and nothing around it
  kSequential,  // from front to back, once, in large pieces: what was read does not stay, unless it
                // was in the page cache before
};

// What becomes of pages that were written, once they are on disk.
enum class PageCache { kKeep, kDrop };

class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  // Reads up to `n` bytes at `offset` into `scratch` and returns how many there were; fewer than
  // `n` only at the end of the file. REQUIRES: scratch has room for n bytes.
  virtual Result<size_t> ReadAt(uint64_t offset, size_t n, char* scratch) const = 0;
  // The same, unless it would have to wait for a device: kWouldBlock then, and what is missing may
  // be on its way to memory, so that a ReadAt waits less for it.
  virtual Result<size_t> ReadCached(uint64_t offset, size_t n, char* scratch) const;
  virtual Result<uint64_t> Size() const = 0;
  // How much of the file was in the page cache when it was opened as kSequential, from 0 to 1; 0
  // where that is not known.
  virtual double CachedShare() const { return 0; }
};

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes
  // Writes all of `data` at `offset`, or fails; after a failure the range's content is undefined.
  virtual Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // Reserves disk space for [0, size) so that later writes there cannot fail for want of it.
  // The file's length becomes at least `size`; unwritten bytes read as zero.
  virtual Status Allocate(uint64_t size) = 0;
  // The same for a file whose bytes nobody needs any more: each is zero afterwards, or what it was.
  virtual Status AllocateAnew(uint64_t size) { return Allocate(size); }
  virtual Status Truncate(uint64_t size) = 0;
  // Advice for a large file that is written once, from front to back: what is written from now on
  // goes to disk without waiting for Sync, so that reads never queue behind a heap of dirty pages.
  virtual void WriteThrough(PageCache /*then*/) {}
  // Nothing will be written any more: gives back what only writing needs. Needs the order of
  // WriteAt.
  virtual void EndWriting() {}
  // Makes all that was written before the call durable (fdatasync).
  virtual Status Sync() = 0;
  // Closes and reports what close says; nothing else may be called afterwards.
  virtual Status Close() = 0;
};

// Held for as long as the object lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The real one. Process-wide, never destroyed.
  static FileSystem* Posix();

  virtual Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                                AccessPattern pattern) = 0;
  // A new, empty file with mode 0600; an existing one is an error unless `truncate`.
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path, bool truncate) = 0;
  // An existing file, its bytes kept.
  virtual Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) = 0;

  virtual Status Remove(const std::string& path) = 0;
  // Replaces `to` atomically if it exists.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A second name for the same file (hard link).
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;

  // Creates one directory with mode 0700; one that exists is fine.
  virtual Status CreateDirectory(const std::string& path) = 0;
  // Removes an empty directory.
  virtual Status RemoveDirectory(const std::string& path) = 0;
  // The names in a directory, without "." and "..", in no order.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  // Makes the names in `path` durable.
  virtual Status SyncDirectory(const std::string& path) = 0;

  // Bytes that an unprivileged writer may still use below `path`.
  virtual Result<uint64_t> FreeSpace(const std::string& path) = 0;

  // Exclusive between processes and within this one; kBusy if somebody else has it. The file is
  // created if absent.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The whole file as a string; kInvalidArgument if it is larger than `limit`.
Result<std::string> ReadFile(FileSystem* fs, const std::string& path, uint64_t limit);

}  // namespace lsm
