// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/io/posix_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
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

// A flag of preadv2 and pwritev2 that is newer than the C library's headers.
constexpr int kDontCache = 0x80;

// Whether a call with kDontCache failed because the kernel or the file system does not know it.
bool RefusedDontCache(ssize_t result) {
  return result < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS);
}

// Whether reserved space stays the file's, however often it is written; one that writes to new
// places each time may run out of them, which memory cannot report.
bool KeepsReservations(int descriptor) {
  struct statfs info;
  if (::fstatfs(descriptor, &info) != 0) return false;
  return info.f_type == EXT4_SUPER_MAGIC || info.f_type == TMPFS_MAGIC;
}

// How much of a file is in the page cache; 0 where the system does not say. To those who neither
// own a file nor may do anything it says that all of it is.
double ShareInPageCache(int descriptor) {
  struct stat info;
  if (::fstat(descriptor, &info) != 0 || info.st_size <= 0) return 0;
  if (info.st_uid != ::geteuid() && ::geteuid() != 0) return 0;
  const auto size = static_cast<size_t>(info.st_size);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  // A piece at a time, so that the answers have a bounded place.
  constexpr size_t kPages = 4096;
  unsigned char resident[kPages];
  size_t cached = 0;
  for (size_t offset = 0; offset < size; offset += kPages * page) {
    const size_t n = std::min(size - offset, kPages * page);
    void* const map =
        ::mmap(nullptr, n, PROT_READ, MAP_SHARED, descriptor, static_cast<off_t>(offset));
    if (map == MAP_FAILED) return 0;
    const size_t pages = (n + page - 1) / page;
    if (::mincore(map, n, resident) == 0) {
      cached += static_cast<size_t>(
          std::count_if(resident, resident + pages, [](unsigned char c) { return (c & 1) != 0; }));
    }
    ::munmap(map, n);
  }
  return static_cast<double>(cached) / static_cast<double>((size + page - 1) / page);
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

PosixRandomAccessFile::PosixRandomAccessFile(int descriptor, std::string path,
                                             AccessPattern pattern)
    : descriptor_(descriptor),
      path_(std::move(path)),
      pattern_(pattern),
      cached_share_(pattern == AccessPattern::kSequential ? ShareInPageCache(descriptor) : 0) {
  const bool random = pattern_ == AccessPattern::kRandom;
  // Where it fails, as on a pipe, reads are only slower.
  (void)::posix_fadvise(descriptor_, 0, 0, random ? POSIX_FADV_RANDOM : POSIX_FADV_SEQUENTIAL);
}

PosixRandomAccessFile::~PosixRandomAccessFile() { ::close(descriptor_); }

Result<size_t> PosixRandomAccessFile::ReadAt(uint64_t offset, size_t n, char* scratch) const {
  if (!FitsOffset(offset)) return PosixError("pread", path_, EINVAL);
  size_t done = 0;
  while (done < n) {
    const ssize_t got =
        RetryInterrupted([&] { return ReadOnce(offset + done, n - done, scratch + done); });
    if (got < 0) return PosixError("pread", path_, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

// A call that finds nothing begins to read from the device, on the caller's thread, which costs it
// 25 us and more. So where tries fail in a row, most are left out: the page cache holds little of
// such a file.
// A call that finds only the first bytes in the page cache returns as many, as at the end of the
// file. Which of the two it was is for ReadAt to find out.
Result<size_t> PosixRandomAccessFile::ReadCached(uint64_t offset, size_t n, char* scratch) const {
  if (!FitsOffset(offset)) return PosixError("preadv2", path_, EINVAL);
  constexpr uint32_t kPatience = 4;
  constexpr uint32_t kTryOneIn = 32;
  const uint32_t missed = missed_in_a_row_.load(std::memory_order_relaxed);
  if (missed != 0) missed_in_a_row_.store(missed + 1, std::memory_order_relaxed);
  if (missed > kPatience && missed % kTryOneIn != 0) {
    return RandomAccessFile::ReadCached(offset, n, scratch);
  }
  const iovec target = {scratch, n};
  const ssize_t got = RetryInterrupted(
      [&] { return ::preadv2(descriptor_, &target, 1, static_cast<off_t>(offset), RWF_NOWAIT); });
  if (got >= 0 && static_cast<size_t>(got) == n) {
    if (missed != 0) missed_in_a_row_.store(0, std::memory_order_relaxed);
    return n;
  }
  if (missed == 0) missed_in_a_row_.store(1, std::memory_order_relaxed);
  if (got >= 0 || errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS) {
    return RandomAccessFile::ReadCached(offset, n, scratch);
  }
  return PosixError("preadv2", path_, errno);
}

ssize_t PosixRandomAccessFile::ReadOnce(uint64_t offset, size_t n, char* scratch) const {
  const auto at = static_cast<off_t>(offset);
  if (pattern_ == AccessPattern::kRandom) return ::pread(descriptor_, scratch, n, at);
  if (!drop_by_advice_.load(std::memory_order_relaxed)) {
    const iovec target = {scratch, n};
    const ssize_t got = ::preadv2(descriptor_, &target, 1, at, kDontCache);
    if (!RefusedDontCache(got)) return got;
    drop_by_advice_.store(true, std::memory_order_relaxed);
  }
  const ssize_t got = ::pread(descriptor_, scratch, n, at);
  if (got > 0 && cached_share_ < 0.5) {
    (void)::posix_fadvise(descriptor_, at, got, POSIX_FADV_DONTNEED);
  }
  return got;
}

Result<uint64_t> PosixRandomAccessFile::Size() const {
  struct stat info;
  if (::fstat(descriptor_, &info) != 0) return PosixError("fstat", path_, errno);
  return static_cast<uint64_t>(info.st_size);
}

PosixWritableFile::PosixWritableFile(int descriptor, std::string path)
    : descriptor_(descriptor), path_(std::move(path)) {}

PosixWritableFile::~PosixWritableFile() {
  Unmap();
  // Whoever cares what close says has called Close.
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status PosixWritableFile::WriteAt(uint64_t offset, std::string_view data) {
  assert(descriptor_ >= 0);
  if (map_ != nullptr && offset <= map_size_ && data.size() <= map_size_ - offset) {
    std::memcpy(map_ + offset, data.data(), data.size());
    return {};
  }
  if (!FitsOffset(offset)) return PosixError("pwrite", path_, EFBIG);
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t put =
        RetryInterrupted([&] { return WriteOnce(offset + done, data.substr(done)); });
    if (put < 0) return PosixError("pwrite", path_, errno);
    // A call that neither writes nor fails would be repeated for ever.
    if (put == 0) return PosixError("pwrite", path_, EIO);
    done += static_cast<size_t>(put);
  }
  return {};
}

ssize_t PosixWritableFile::WriteOnce(uint64_t offset, std::string_view data) {
  const auto at = static_cast<off_t>(offset);
  if (write_through_ && then_ == PageCache::kDrop && !drop_by_advice_) {
    // pwritev2 takes the bytes as it finds them: its iovec is not const only because preadv shares
    // the type.
    const iovec source = {const_cast<char*>(data.data()), data.size()};
    const ssize_t put = ::pwritev2(descriptor_, &source, 1, at, kDontCache);
    if (!RefusedDontCache(put)) return put;
    drop_by_advice_ = true;
  }
  const ssize_t put = ::pwrite(descriptor_, data.data(), data.size(), at);
  if (write_through_ && put > 0) {
    // Begins writing back, which is what keeps the heap of dirty pages small.
    (void)::sync_file_range(descriptor_, at, put, SYNC_FILE_RANGE_WRITE);
  }
  return put;
}

void PosixWritableFile::WriteThrough(PageCache then) {
  write_through_ = true;
  then_ = then;
}

Status PosixWritableFile::Allocate(uint64_t size) {
  assert(descriptor_ >= 0);
  if (size == 0) return {};
  if (!FitsOffset(size)) return PosixError("fallocate", path_, EFBIG);
  const off_t end = static_cast<off_t>(size);
  struct stat info;
  if (::fstat(descriptor_, &info) != 0) return PosixError("fstat", path_, errno);
  if (RetryInterrupted([&] { return ::fallocate(descriptor_, 0, 0, end); }) == 0) {
    if (info.st_size == 0) Map(size);
    return {};
  }
  if (errno != EOPNOTSUPP && errno != ENOSYS) return PosixError("fallocate", path_, errno);
  // Where space cannot be reserved, at least the length is as promised.
  if (info.st_size >= end) return {};
  return Truncate(size);
}

Status PosixWritableFile::AllocateAnew(uint64_t size) {
  assert(descriptor_ >= 0);
  if (size == 0 || !FitsOffset(size) || !KeepsReservations(descriptor_)) return Allocate(size);
  const off_t end = static_cast<off_t>(size);
  if (RetryInterrupted([&] { return ::fallocate(descriptor_, FALLOC_FL_ZERO_RANGE, 0, end); }) ==
      0) {
    Map(size);
    return {};
  }
  if (errno == EOPNOTSUPP || errno == ENOSYS) return Allocate(size);
  return PosixError("fallocate", path_, errno);
}

void PosixWritableFile::Map(uint64_t size) {
  if (map_ != nullptr || !KeepsReservations(descriptor_)) return;
  void* const map = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (map == MAP_FAILED) return;
  map_ = static_cast<char*>(map);
  map_size_ = size;
}

void PosixWritableFile::Unmap() {
  if (map_ != nullptr) ::munmap(map_, map_size_);
  map_ = nullptr;
  map_size_ = 0;
}

Status PosixWritableFile::Truncate(uint64_t size) {
  assert(descriptor_ >= 0);
  Unmap();  // memory behind the file's end must not be touched
  if (!FitsOffset(size)) return PosixError("ftruncate", path_, EFBIG);
  const off_t end = static_cast<off_t>(size);
  if (RetryInterrupted([&] { return ::ftruncate(descriptor_, end); }) == 0) return {};
  return PosixError("ftruncate", path_, errno);
}

Status PosixWritableFile::Sync() {
  assert(descriptor_ >= 0);
  if (RetryInterrupted([&] { return ::fdatasync(descriptor_); }) != 0) {
    return PosixError("fdatasync", path_, errno);
  }
  // Only now are the pages clean and can be dropped.
  if (drop_by_advice_) (void)::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
  return {};
}

Status PosixWritableFile::Close() {
  assert(descriptor_ >= 0);
  Unmap();
  const int descriptor = std::exchange(descriptor_, -1);
  // After EINTR Linux has released the descriptor; to try again could close somebody else's.
  if (::close(descriptor) == 0 || errno == EINTR) return {};
  return PosixError("close", path_, errno);
}

}  // namespace lsm
