// SPDX-License-Identifier: BSD-3-Clause
// MemFileSystem is a FileSystem in memory that knows what a power cut may leave of it, and asks an
// Interceptor before each call.
//
// What a power cut leaves:
//   - Of a file, what was synced. Each unsynced 512-byte block is kept or lost by itself, also
//   within
//     one write; so are changes of the length.
//   - Of the names, those that SyncDirectory made durable. Each later creation, link, rename and
//     removal is kept or lost by itself, those of one name in order: a name refers to one of the
//     files that it has referred to since, never to something in between. A rename that was kept
//     may still have its old name, unless it is a directory's.
//   - A directory that is lost takes everything in it along.
//
// Names: "/a/./b/", "a/b" and "a//b" are one path; ".." has no meaning. Renaming is within one
// directory; a directory can be renamed once all names in it are durable, to a name that is free.
//
// Thread safety: as FileSystem demands. An image made by AfterKill or AfterPowerCut shares memory
// with its origin: use both from one thread only, or drop the origin. Handles and locks must not
// outlive their MemFileSystem.

#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/random.h"
#include "lsm/util/mutex.h"
#include "tests/support/mem_file.h"

namespace lsm {

enum class FileCall {
  // These change something.
  kCreate,
  kWrite,
  kAllocate,
  kTruncate,
  kSync,
  kRemove,
  kRename,
  kLink,
  kCreateDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kLock,
  // These do not.
  kOpenForRead,
  kOpenForWrite,
  kRead,
  kClose,
  kExists,
  kFileSize,
  kList,
  kFreeSpace,
};
inline bool ChangesSomething(FileCall call) { return call < FileCall::kOpenForRead; }
std::string_view ToString(FileCall call);

struct FileCallInfo {
  FileCall call;
  std::string_view path;    // without a leading '/'; of a handle: the file's newest name
  std::string_view target;  // kRename, kLink: the new name
  uint64_t offset = 0;      // kWrite, kRead
  uint64_t size = 0;        // kWrite, kRead, kAllocate, kTruncate
};

// What becomes of a call.
struct FileVerdict {
  Status status;            // reported, unless OK, whatever happened
  bool perform = true;      // false with an OK status is a lie
  uint64_t torn_at = 0;     // kWrite that is not performed: so many bytes are written nevertheless
  bool mark_clean = false;  // kSync: pages are marked clean without having been written

  static FileVerdict Proceed() { return {}; }
  static FileVerdict Fail(Status status) { return {std::move(status), false, 0, false}; }
  static FileVerdict Pretend() { return {Status(), false, 0, false}; }
};

class FileInterceptor {
 public:
  virtual ~FileInterceptor() = default;
  // Called before each call, by its thread and without any lock: may call the file system's methods
  // that are not FileSystem's.
  virtual FileVerdict Before(const FileCallInfo& info) = 0;
};

class MemFileSystem : public FileSystem {
 public:
  MemFileSystem() = default;
  MemFileSystem(const MemFileSystem&) = delete;
  MemFileSystem& operator=(const MemFileSystem&) = delete;

  // Not owned; null: none. REQUIRES: no call is under way.
  void SetInterceptor(FileInterceptor* interceptor) { interceptor_ = interceptor; }
  // Makes some of what is not synced durable, as a system does by itself now and then: data in any
  // order, names in order.
  void WriteBackSome(Random* random);
  // The sum of the lengths of all files may not exceed this.
  void SetCapacity(uint64_t bytes);

  // What another process finds after this one was killed: everything, and what was not synced still
  // is not. Locks are free; the image has no interceptor.
  std::unique_ptr<MemFileSystem> AfterKill() const;
  // What a machine may find after its power was cut at this moment. `random` may be null unless
  // `loss` is kRandom.
  std::unique_ptr<MemFileSystem> AfterPowerCut(Random* random, PowerLoss loss) const;

  // All of this bypasses the interceptor, and takes effect on what is durable too.
  // Paths of all files, sorted.
  std::vector<std::string> Files() const;
  // REQUIRES: the file exists, here and below.
  std::string Contents(const std::string& path) const;
  // Creates the file if it does not exist.
  void SetContents(const std::string& path, std::string_view bytes);
  // Xors one byte. REQUIRES: offset is below the file's length.
  void Damage(const std::string& path, uint64_t offset, uint8_t mask);
  void Delete(const std::string& path);

  Result<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path,
                                                        AccessPattern pattern) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, bool truncate) override;
  Result<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path) override;
  Status Remove(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Result<bool> Exists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<uint64_t> FreeSpace(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  static constexpr uint64_t kUnlimited = uint64_t{1} << 50;

  class ReadHandle;
  class WriteHandle;
  class HeldLock;

  // A file or a directory; names refer to it.
  struct Node {
    bool is_directory = false;
    std::string path;  // the newest name
    MemFile content;
  };
  using NodePtr = std::shared_ptr<Node>;
  using Names = std::map<std::string, NodePtr>;
  // A change of names that no SyncDirectory has made durable yet.
  struct NameChange {
    std::string path;
    NodePtr node;              // null: removed
    std::string renamed_from;  // empty: not a rename
  };

  // Before(info) of the interceptor, if there is one.
  FileVerdict Ask(const FileCallInfo& info) const;
  // The same about a call on a handle of `node`.
  FileVerdict AskAbout(FileCall call, const Node& node, uint64_t offset, uint64_t size) const;
  // The path in the one spelling that names_ uses; the root is empty.
  static std::string Normal(std::string_view path);
  NodePtr Find(const std::string& path) const REQUIRES_LOCK(mutex_);
  // The file or directory, or why there is none.
  Result<NodePtr> FindFile(const char* call, const std::string& path) const REQUIRES_LOCK(mutex_);
  Status CheckDirectory(const char* call, const std::string& path) const REQUIRES_LOCK(mutex_);
  // Whether a file may grow by so many bytes.
  Status CheckSpace(const std::string& path, uint64_t growth) const REQUIRES_LOCK(mutex_);
  uint64_t UsedSpace() const REQUIRES_LOCK(mutex_);
  void Apply(NameChange change) REQUIRES_LOCK(mutex_);
  Status RenameDirectory(const NodePtr& node, const std::string& from, const std::string& to)
      REQUIRES_LOCK(mutex_);
  // What lies below `from` lies below `to` now, or nowhere if that is empty.
  static void MoveNamesBelow(const std::string& from, const std::string& to, Names* names);
  static void MakeDurable(const NameChange& change, Names* durable);
  Result<NodePtr> CreateNode(const std::string& path, bool truncate) REQUIRES_LOCK(mutex_);

  FileInterceptor* interceptor_ = nullptr;
  mutable Mutex mutex_;
  Names names_ GUARDED_BY(mutex_);
  Names durable_names_ GUARDED_BY(mutex_);
  std::vector<NameChange> pending_ GUARDED_BY(mutex_);
  std::set<std::string> locked_ GUARDED_BY(mutex_);
  uint64_t capacity_ GUARDED_BY(mutex_) = kUnlimited;
};

}  // namespace lsm
