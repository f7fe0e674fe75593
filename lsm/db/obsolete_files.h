// SPDX-License-Identifier: BSD-3-Clause
// SST files die by reference count. A file may hold slices of several trees; each slice that a
// Version names refers to one FileHold, and when the last reference goes, the file's number is put
// on a list. Background work removes the files on the list that the manifest does not name.
//
// Thread safety: safe for concurrent use; references are let go under any lock.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lsm/util/mutex.h"
#include "lsm/version/version.h"

namespace lsm {

class ObsoleteFiles {
 public:
  void Add(uint64_t file) {
    MutexLock lock(&mutex_);
    files_.push_back(file);
    any_.store(true, std::memory_order_release);
  }
  bool any() const { return any_.load(std::memory_order_acquire); }
  std::vector<uint64_t> Take() {
    MutexLock lock(&mutex_);
    any_.store(false, std::memory_order_release);
    return std::move(files_);
  }

 private:
  Mutex mutex_;
  std::vector<uint64_t> files_ GUARDED_BY(mutex_);
  std::atomic<bool> any_{false};
};

class FileHold {
 public:
  FileHold(uint64_t file, std::shared_ptr<ObsoleteFiles> obsolete)
      : file_(file), obsolete_(std::move(obsolete)) {}
  ~FileHold() { obsolete_->Add(file_); }
  FileHold(const FileHold&) = delete;
  FileHold& operator=(const FileHold&) = delete;

 private:
  const uint64_t file_;
  const std::shared_ptr<ObsoleteFiles> obsolete_;
};

// A reference that versions share and that keeps the file.
inline FileRef MakeFileRef(FileMetadata metadata, std::shared_ptr<FileHold> hold) {
  struct Held {
    FileMetadata metadata;
    std::shared_ptr<FileHold> hold;
  };
  auto held = std::make_shared<const Held>(Held{std::move(metadata), std::move(hold)});
  return {held, &held->metadata};
}

}  // namespace lsm
