// SPDX-License-Identifier: BSD-3-Clause
// What the window still holds of the wanted bytes is kept, so that nothing is read twice. A piece
// ends where a page ends: the page cache may drop the pages of one piece before the next is read.

#include "lsm/sst/read_ahead.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace lsm {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

size_t ReadAhead::Window(uint64_t offset, size_t n) {
  const bool follows = offset == std::exchange(expected_, offset + n);
  if (!follows) {
    followed_ = 0;
    next_ = first_;
  } else if (followed_ < patience_) {
    ++followed_;
  }
  return followed_ < patience_ ? n : next_;
}

void ReadAhead::KeepFrom(uint64_t offset) {
  const bool inside = offset >= begin_ && offset - begin_ < size_;
  const size_t skipped = inside ? static_cast<size_t>(offset - begin_) : size_;
  if (skipped != 0 && skipped != size_) {
    std::memmove(buffer_.get(), buffer_.get() + skipped, size_ - skipped);
  }
  size_ -= skipped;
  begin_ = offset;
}

void ReadAhead::Reserve(size_t n) {
  if (n <= capacity_) return;
  auto larger = std::make_unique_for_overwrite<char[]>(n);
  if (size_ != 0) std::memcpy(larger.get(), buffer_.get(), size_);
  buffer_ = std::move(larger);
  capacity_ = n;
}

Result<std::string_view> ReadAhead::Read(const RandomAccessFile& file, uint64_t offset, size_t n,
                                         uint64_t end) {
  assert(offset <= end && n <= end - offset);
  const size_t window = Window(offset, n);
  const bool inside = offset >= begin_ && offset - begin_ <= size_;
  if (!inside || size_ - static_cast<size_t>(offset - begin_) < n) {
    KeepFrom(offset);
    uint64_t until = offset + std::max(n, window);
    until = std::min((until + kPage - 1) / kPage * kPage, end);
    if (window > n) next_ = std::min(next_ * 2, largest_);
    const auto wanted = static_cast<size_t>(until - offset);
    Reserve(wanted);
    const Result<size_t> got = file.ReadAt(begin_ + size_, wanted - size_, buffer_.get() + size_);
    RETURN_IF_ERROR(got.status());
    size_ += *got;
  }
  const auto skipped = static_cast<size_t>(offset - begin_);
  return std::string_view(buffer_.get() + skipped, std::min(n, size_ - skipped));
}

}  // namespace lsm
