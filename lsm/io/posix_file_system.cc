// SPDX-License-Identifier: BSD-3-Clause
// FileSystem::Posix: one system call behind each call, every error in words.
//
// Thread safety: safe for concurrent use; the only state is the set of held locks.
// Invariant: held_ names exactly the lock files that a living PosixFileLock of this process has.

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

#include "lsm/file_system.h"
#include "lsm/io/posix_file.h"
#include "lsm/util/check.h"
#include "lsm/util/mutex.h"

namespace lsm {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

int OpenRetrying(const std::string& path, int flags) {
  int descriptor;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

// The lock files that this process holds. flock alone tells handles of one process apart on local
// file systems, but network file systems may turn it into a lock that belongs to the process.
class HeldLocks {
 public:
  using FileId = std::pair<dev_t, ino_t>;

  bool Contains(FileId id) {
    MutexLock lock(&mutex_);
    return held_.contains(id);
  }

  // False if the file is held already.
  bool Insert(FileId id) {
    MutexLock lock(&mutex_);
    return held_.insert(id).second;
  }

  // Closes the descriptor, which gives up the lock, and then forgets the file.
  void Release(FileId id, int descriptor) {
    MutexLock lock(&mutex_);
    ::close(descriptor);
    VARVE_CHECK(held_.erase(id) == 1);
  }

 private:
  Mutex mutex_;
  std::set<FileId> held_ GUARDED_BY(mutex_);
};

Status HeldByThisProcess(const std::string& path) {
  return Status::Busy("lock " + path + ": held by this process");
}

class PosixFileLock : public FileLock {
 public:
  PosixFileLock(HeldLocks* locks, HeldLocks::FileId id, int descriptor)
      : locks_(locks), id_(id), descriptor_(descriptor) {}
  ~PosixFileLock() override { locks_->Release(id_, descriptor_); }
  PosixFileLock(const PosixFileLock&) = delete;
  PosixFileLock& operator=(const PosixFileLock&) = delete;

 private:
  HeldLocks* const locks_;
  const HeldLocks::FileId id_;
  const int descriptor_;
};

class PosixFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        AccessPattern pattern) override {
    const int descriptor = OpenRetrying(path, O_RDONLY);
    if (descriptor < 0) return PosixError("open", path, errno);
    return std::unique_ptr<RandomAccessFile>(
        std::make_unique<PosixRandomAccessFile>(descriptor, path, pattern));
  }

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, bool truncate) override {
    return OpenWritable(path, O_CREAT | (truncate ? O_TRUNC : O_EXCL));
  }

  Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) override {
    return OpenWritable(path, 0);
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return PosixError("unlink", path, errno);
    return {};
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return PosixError("rename", from + " to " + to, errno);
    }
    return {};
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return PosixError("link", from + " to " + to, errno);
    return {};
  }

  Result<bool> Exists(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT) return false;
    return PosixError("stat", path, errno);
  }

  Result<uint64_t> FileSize(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return PosixError("stat", path, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  Status CreateDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirectoryMode) == 0) return {};
    const int error_number = errno;
    struct stat info;
    if (error_number == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      return {};
    }
    return PosixError("mkdir", path, error_number);
  }

  Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return PosixError("rmdir", path, errno);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    // Not opendir: the thread sanitizer does not see that it opens a descriptor, and takes another
    // thread's socket that had the same number for the same thing.
    const int descriptor = OpenRetrying(path, O_RDONLY | O_DIRECTORY);
    if (descriptor < 0) return PosixError("opendir", path, errno);
    DIR* directory = ::fdopendir(descriptor);
    if (directory == nullptr) {
      const int error_number = errno;
      ::close(descriptor);
      return PosixError("fdopendir", path, error_number);
    }
    std::vector<std::string> names;
    errno = 0;  // readdir tells its end from an error by this alone
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int error_number = errno;
    ::closedir(directory);
    if (error_number != 0) return PosixError("readdir", path, error_number);
    return names;
  }

  Status SyncDirectory(const std::string& path) override {
    const int descriptor = OpenRetrying(path, O_RDONLY | O_DIRECTORY);
    if (descriptor < 0) return PosixError("open", path, errno);
    int failed;
    do {
      failed = ::fsync(descriptor);
    } while (failed != 0 && errno == EINTR);
    const int error_number = errno;
    ::close(descriptor);
    if (failed != 0) return PosixError("fsync", path, error_number);
    return {};
  }

  Result<uint64_t> FreeSpace(const std::string& path) override {
    struct statvfs info;
    int failed;
    do {
      failed = ::statvfs(path.c_str(), &info);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) return PosixError("statvfs", path, errno);
    return uint64_t{info.f_bavail} * uint64_t{info.f_frsize};
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  static Result<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path, int flags) {
    const int descriptor = OpenRetrying(path, O_RDWR | flags);
    if (descriptor < 0) return PosixError("open", path, errno);
    return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(descriptor, path));
  }

  HeldLocks locks_;
};

// 1. Refuse a file that this process has locked, without opening it: where locks belong to the
// process, closing any descriptor of the file would give up the one that is held.
// 2. Open or create the file. 3. Claim it within this process, by device and inode, so that two
// spellings of one path are one lock. 4. Claim it among processes. A process that dies at any point
// leaves nothing behind: the system drops its flock.
Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && locks_.Contains({info.st_dev, info.st_ino})) {
    return HeldByThisProcess(path);
  }
  int descriptor = OpenRetrying(path, O_RDWR | O_CREAT);
  // Who may only read the file can still lock it.
  if (descriptor < 0 && (errno == EACCES || errno == EROFS)) {
    descriptor = OpenRetrying(path, O_RDONLY);
  }
  if (descriptor < 0) return PosixError("open", path, errno);
  if (::fstat(descriptor, &info) != 0) {
    const int error_number = errno;
    ::close(descriptor);
    return PosixError("fstat", path, error_number);
  }
  const HeldLocks::FileId id(info.st_dev, info.st_ino);
  if (!locks_.Insert(id)) {
    ::close(descriptor);
    return HeldByThisProcess(path);
  }
  int failed;
  do {
    failed = ::flock(descriptor, LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) {
    return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(&locks_, id, descriptor));
  }
  const int error_number = errno;
  locks_.Release(id, descriptor);
  if (error_number == EWOULDBLOCK) {
    return Status::Busy("lock " + path + ": held by another process");
  }
  return PosixError("flock", path, error_number);
}

}  // namespace

FileSystem* FileSystem::Posix() {
  static FileSystem* const instance = new PosixFileSystem;
  return instance;
}

}  // namespace lsm
