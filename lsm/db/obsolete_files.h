// SPDX-License-Identifier: BSD-3-Clause
// SST and blob files die by reference count. An SST file may hold slices of several trees; each
// slice that a Version names refers to one FileHold, and to those of the blob files that its
// records point to. When the last reference goes, the file is put on a list. Background work
// removes the files on the list that the manifest does not name.
//
// A blob file is also told how much of it the slices that are alive point to, so that one that is
// mostly garbage is found.
//
// A file of which less than kSparse is left in slices that versions name is put on another list:
// compaction writes these slices anew, so that dropping trees gives the disk back although they
// share files with others.
//
// Thread safety: safe for concurrent use; references are let go under any lock.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "lsm/format/file_names.h"
#include "lsm/util/mutex.h"
#include "lsm/version/version.h"

namespace lsm {

struct ObsoleteFile {
  uint64_t number = 0;
  FileKind kind = FileKind::kSst;
};

class ObsoleteFiles {
 public:
  // Two thirds: so half of the trees may go, and what is dead on disk stays below half of the rest.
  static constexpr uint64_t kSparseOf = 3;
  static constexpr uint64_t kSparse = 2;

  void Add(uint64_t file, FileKind kind = FileKind::kSst) {
    MutexLock lock(&mutex_);
    files_.push_back({file, kind});
    any_.store(true, std::memory_order_release);
  }
  void AddSparse(uint64_t file) {
    MutexLock lock(&mutex_);
    sparse_.push_back(file);
    any_sparse_.store(true, std::memory_order_release);
  }
  bool any_sparse() const { return any_sparse_.load(std::memory_order_acquire); }
  std::vector<uint64_t> TakeSparse() {
    MutexLock lock(&mutex_);
    any_sparse_.store(false, std::memory_order_release);
    return std::move(sparse_);
  }

  bool any() const { return any_.load(std::memory_order_acquire); }
  std::vector<ObsoleteFile> Take() {
    MutexLock lock(&mutex_);
    any_.store(false, std::memory_order_release);
    return std::move(files_);
  }

 private:
  Mutex mutex_;
  std::vector<ObsoleteFile> files_ GUARDED_BY(mutex_);
  std::vector<uint64_t> sparse_ GUARDED_BY(mutex_);
  std::atomic<bool> any_{false};
  std::atomic<bool> any_sparse_{false};
};

class FileHold {
 public:
  FileHold(uint64_t file, std::shared_ptr<ObsoleteFiles> obsolete)
      : file_(file), obsolete_(std::move(obsolete)) {}
  ~FileHold() { obsolete_->Add(file_); }
  FileHold(const FileHold&) = delete;
  FileHold& operator=(const FileHold&) = delete;

  // A slice of so many bytes is named by a version, of a file of `file_size` bytes.
  void AddSlice(uint64_t bytes) { live_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void DropSlice(uint64_t bytes, uint64_t file_size) {
    const uint64_t left = live_bytes_.fetch_sub(bytes, std::memory_order_relaxed) - bytes;
    const bool sparse =
        left > 0 && left * ObsoleteFiles::kSparseOf < file_size * ObsoleteFiles::kSparse;
    if (sparse && !told_sparse_.exchange(true)) obsolete_->AddSparse(file_);
  }

 private:
  const uint64_t file_;
  std::atomic<uint64_t> live_bytes_{0};
  std::atomic<bool> told_sparse_{false};
  const std::shared_ptr<ObsoleteFiles> obsolete_;
};

class BlobFiles {
 public:
  explicit BlobFiles(std::shared_ptr<ObsoleteFiles> obsolete) : obsolete_(std::move(obsolete)) {}

  // Keeps what the slice's records point to, for as long as the object lives; null if that is
  // nothing.
  static std::shared_ptr<const void> Hold(const std::shared_ptr<BlobFiles>& files,
                                          const FileMetadata& slice);

  // Those of which less than half is needed.
  std::set<uint64_t> Wasteful() const EXCLUDES_LOCK(mutex_);

  struct Figures {
    uint64_t files = 0;
    uint64_t bytes = 0;
    uint64_t needed_bytes = 0;
  };
  Figures figures() const EXCLUDES_LOCK(mutex_);

 private:
  struct Entry {
    uint64_t size = 0;
    uint64_t needed = 0;  // bytes
    uint64_t values = 0;  // that these are
    uint64_t holders = 0;
  };
  void Add(const std::vector<BlobReference>& blobs) EXCLUDES_LOCK(mutex_);
  void Release(const std::vector<BlobReference>& blobs) EXCLUDES_LOCK(mutex_);

  const std::shared_ptr<ObsoleteFiles> obsolete_;
  mutable Mutex mutex_;
  std::map<uint64_t, Entry> entries_ GUARDED_BY(mutex_);
};

// A reference that versions share and that keeps the file, and `blobs`, which may be null.
inline FileRef MakeFileRef(FileMetadata metadata, std::shared_ptr<FileHold> hold,
                           std::shared_ptr<const void> blobs) {
  struct Held {
    Held(FileMetadata slice, std::shared_ptr<FileHold> file, std::shared_ptr<const void> pointed)
        : metadata(std::move(slice)), hold(std::move(file)), blobs(std::move(pointed)) {
      hold->AddSlice(metadata.slice_size);
    }
    ~Held() { hold->DropSlice(metadata.slice_size, metadata.file_size); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    const FileMetadata metadata;
    const std::shared_ptr<FileHold> hold;
    const std::shared_ptr<const void> blobs;
  };
  const auto held =
      std::make_shared<const Held>(std::move(metadata), std::move(hold), std::move(blobs));
  return {held, &held->metadata};
}

}  // namespace lsm
