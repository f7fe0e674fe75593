// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/db/obsolete_files.h"

namespace lsm {

std::shared_ptr<const void> BlobFiles::Hold(const std::shared_ptr<BlobFiles>& files,
                                            const FileMetadata& slice) {
  if (slice.blobs.empty()) return nullptr;
  files->Add(slice.blobs);
  auto release = [files](const std::vector<BlobReference>* blobs) {
    files->Release(*blobs);
    delete blobs;
  };
  return std::shared_ptr<const std::vector<BlobReference>>(
      new std::vector<BlobReference>(slice.blobs), std::move(release));
}

void BlobFiles::Add(const std::vector<BlobReference>& blobs) {
  MutexLock lock(&mutex_);
  for (const BlobReference& blob : blobs) {
    Entry& entry = entries_[blob.file];
    entry.size = blob.file_size;
    entry.needed += blob.bytes;
    entry.values += blob.values;
    ++entry.holders;
  }
}

void BlobFiles::Release(const std::vector<BlobReference>& blobs) {
  MutexLock lock(&mutex_);
  for (const BlobReference& blob : blobs) {
    const auto found = entries_.find(blob.file);
    found->second.needed -= blob.bytes;
    found->second.values -= blob.values;
    if (--found->second.holders > 0) continue;
    obsolete_->Add(blob.file, FileKind::kBlob);
    entries_.erase(found);
  }
}

std::set<uint64_t> BlobFiles::Wasteful() const {
  std::set<uint64_t> wasteful;
  MutexLock lock(&mutex_);
  for (const auto& [file, entry] : entries_) {
    // At least what a file has besides values: one that was just written is never wasteful.
    const uint64_t framing = 512 + 64 * entry.values;
    if (entry.needed + framing < entry.size / 2) wasteful.insert(file);
  }
  return wasteful;
}

BlobFiles::Figures BlobFiles::figures() const {
  Figures figures;
  MutexLock lock(&mutex_);
  figures.files = entries_.size();
  for (const auto& [file, entry] : entries_) {
    figures.bytes += entry.size;
    figures.needed_bytes += entry.needed;
  }
  return figures;
}

}  // namespace lsm
