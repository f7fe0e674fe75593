// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/io/file_window.h"

#include <algorithm>

namespace lsm {
namespace {

constexpr uint64_t kStep = uint64_t{512} << 10;

}  // namespace

Result<FileWindow> FileWindow::Open(FileSystem* fs, const std::string& path) {
  // Not kSequential: what is read is to stay in memory. A log's pages may be the only place where
  // their bytes still are.
  Result<std::unique_ptr<RandomAccessFile>> file = fs->OpenForRead(path, AccessPattern::kRandom);
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  return FileWindow(std::move(*file), *size);
}

Result<std::string_view> FileWindow::Read(uint64_t offset, uint64_t n) {
  if (offset >= size_) return std::string_view();
  n = std::min(n, size_ - offset);
  if (offset < begin_ || offset - begin_ > buffer_.size() ||
      buffer_.size() - (offset - begin_) < n) {
    const uint64_t want = std::min(std::max(n, kStep), size_ - offset);
    buffer_.resize(want);
    const Result<size_t> got = file_->ReadAt(offset, want, buffer_.data());
    if (!got.ok()) {
      buffer_.clear();
      return got.status();
    }
    buffer_.resize(*got);
    begin_ = offset;
  }
  return std::string_view(buffer_).substr(offset - begin_, n);
}

}  // namespace lsm
