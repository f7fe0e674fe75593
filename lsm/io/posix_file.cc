// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/io/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace lsm {
namespace {

// strerror_r comes in two kinds: POSIX fills the buffer and returns a number, GNU returns the text.
// One of the two is unused in every build.
[[maybe_unused]] const char* ErrorText(int failed, const char* buffer) {
  return failed == 0 ? buffer : "unknown error";
}
[[maybe_unused]] const char* ErrorText(const char* text, const char* /*buffer*/) { return text; }

// Calls `call` again as long as a signal interrupts it.
template <typename Call>
auto RetryInterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

// Whether off_t can say `value`.
bool FitsOffset(uint64_t value) {
  return value <= static_cast<uint64_t>(std::numeric_limits<off_t>::max());
}

}  // namespace

Status PosixError(std::string_view call, const std::string& path, int error_number) {
  char buffer[128];
  buffer[0] = '\0';
  std::string message(call);
  message += ' ';
  message += path;
  message += ": ";
  message += ErrorText(::strerror_r(error_number, buffer, sizeof buffer), buffer);
  switch (error_number) {
    case ENOENT:
      return Status::NotFound(std::move(message));
    case ENOSPC:
    case EDQUOT:
      return Status::NoSpace(std::move(message));
    default:
      return Status::IoError(std::move(message));
  }
}

PosixRandomAccessFile::PosixRandomAccessFile(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)) {}

PosixRandomAccessFile::~PosixRandomAccessFile() { ::close(descriptor_); }

Result<size_t> PosixRandomAccessFile::ReadAt(uint64_t offset, size_t n, char* scratch) const {
  if (!FitsOffset(offset)) return PosixError("pread", path_, EINVAL);
  size_t done = 0;
  while (done < n) {
    const ssize_t got = RetryInterrupted([&] {
      return ::pread(descriptor_, scratch + done, n - done, static_cast<off_t>(offset + done));
    });
    if (got < 0) return PosixError("pread", path_, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<uint64_t> PosixRandomAccessFile::Size() const {
  struct stat info;
  if (::fstat(descriptor_, &info) != 0) return PosixError("fstat", path_, errno);
  return static_cast<uint64_t>(info.st_size);
}

PosixWritableFile::PosixWritableFile(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)) {}

PosixWritableFile::~PosixWritableFile() {
  // Whoever cares what close says has called Close.
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status PosixWritableFile::WriteAt(uint64_t offset, std::string_view data) {
  assert(descriptor_ >= 0);
  if (!FitsOffset(offset)) return PosixError("pwrite", path_, EFBIG);
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t put = RetryInterrupted([&] {
      return ::pwrite(descriptor_, data.data() + done, data.size() - done,
                      static_cast<off_t>(offset + done));
    });
    if (put < 0) return PosixError("pwrite", path_, errno);
    // A call that neither writes nor fails would be repeated for ever.
    if (put == 0) return PosixError("pwrite", path_, EIO);
    done += static_cast<size_t>(put);
  }
  return {};
}

Status PosixWritableFile::Allocate(uint64_t size) {
  assert(descriptor_ >= 0);
  if (size == 0) return {};
  if (!FitsOffset(size)) return PosixError("fallocate", path_, EFBIG);
  const off_t end = static_cast<off_t>(size);
  if (RetryInterrupted([&] { return ::fallocate(descriptor_, 0, 0, end); }) == 0) return {};
  if (errno != EOPNOTSUPP && errno != ENOSYS) return PosixError("fallocate", path_, errno);
  // Where space cannot be reserved, at least the length is as promised.
  struct stat info;
  if (::fstat(descriptor_, &info) != 0) return PosixError("fstat", path_, errno);
  if (info.st_size >= end) return {};
  return Truncate(size);
}

Status PosixWritableFile::Truncate(uint64_t size) {
  assert(descriptor_ >= 0);
  if (!FitsOffset(size)) return PosixError("ftruncate", path_, EFBIG);
  const off_t end = static_cast<off_t>(size);
  if (RetryInterrupted([&] { return ::ftruncate(descriptor_, end); }) == 0) return {};
  return PosixError("ftruncate", path_, errno);
}

Status PosixWritableFile::Sync() {
  assert(descriptor_ >= 0);
  if (RetryInterrupted([&] { return ::fdatasync(descriptor_); }) == 0) return {};
  return PosixError("fdatasync", path_, errno);
}

Status PosixWritableFile::Close() {
  assert(descriptor_ >= 0);
  const int descriptor = std::exchange(descriptor_, -1);
  // After EINTR Linux has released the descriptor; to try again could close somebody else's.
  if (::close(descriptor) == 0 || errno == EINTR) return {};
  return PosixError("close", path_, errno);
}

}  // namespace lsm
