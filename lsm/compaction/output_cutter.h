// SPDX-License-Identifier: BSD-3-Clause
// OutputCutter says where a compaction's output begins a new file, so that the file's own
// compaction will be cheap: files end where files of the next level end, and no file lies above
// too much of it.
//   1. A file ends when it has reached the target size.
//   2. It ends between two files of the next level when it has reached half of that size.
//   3. It ends when what it covers of the next level is more than kMaxCover targets, so that few
//      records far apart do not make a file that a later compaction must merge with everything.
// The next level is the first one beneath the output that has files.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/version/version.h"

namespace lsm {

class OutputCutter {
 public:
  static constexpr uint64_t kMaxCover = 10;

  OutputCutter(std::shared_ptr<const Version> version, int output_level, uint64_t target_size)
      : version_(std::move(version)), target_size_(target_size) {
    for (int level = output_level + 1; level < kMaxLevels && files_ == nullptr; ++level) {
      if (!version_->files(level).empty()) files_ = &version_->files(level);
    }
  }

  // Whether the file that has `size` bytes ends before `next_key`. REQUIRES: keys ascend
  bool EndsBefore(std::string_view next_key, uint64_t size) {
    bool crossed = false;
    while (files_ != nullptr && at_ < files_->size() && (*files_)[at_]->largest_key < next_key) {
      covered_ += (*files_)[at_]->slice_size;
      crossed = true;
      ++at_;
    }
    const bool ends = size >= target_size_ || (crossed && size >= target_size_ / 2) ||
                      (size > 0 && covered_ > kMaxCover * target_size_);
    if (ends || size == 0) covered_ = 0;
    return ends;
  }

 private:
  const std::shared_ptr<const Version> version_;
  const uint64_t target_size_;
  const std::vector<FileRef>* files_ = nullptr;  // of the next level
  size_t at_ = 0;                                // the first that does not end before the last key
  uint64_t covered_ = 0;                         // bytes of those that the open file lies above
};

}  // namespace lsm
