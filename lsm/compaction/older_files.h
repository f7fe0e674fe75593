// SPDX-License-Identifier: BSD-3-Clause
// OlderFiles says whether a key may have records in the levels beneath a compaction's output: if
// not, its tombstone hides nothing. It looks at the files' key ranges, and walks along with the
// compaction: a question costs a comparison or two a level.
//
// Thread safety: none.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/version/version.h"

namespace lsm {

class OlderFiles {
 public:
  // Beneath `level` of `version`.
  OlderFiles(std::shared_ptr<const Version> version, int level)
      : version_(std::move(version)), level_(level) {}

  // REQUIRES: keys never descend
  bool MayHold(std::string_view user_key) {
    for (int level = level_ + 1; level < kMaxLevels; ++level) {
      const std::vector<FileRef>& files = version_->files(level);
      size_t& at = at_[static_cast<size_t>(level)];
      while (at < files.size() && files[at]->largest_key < user_key) ++at;
      if (at < files.size() && files[at]->smallest_key <= user_key) return true;
    }
    return false;
  }

 private:
  const std::shared_ptr<const Version> version_;
  const int level_;
  std::array<size_t, kMaxLevels> at_{};  // the first file that does not end before the last key
};

}  // namespace lsm
