// SPDX-License-Identifier: BSD-3-Clause
// PinnedValue is a value's bytes and whatever keeps them in place: nothing of its own for a value
// in a memtable (the ReadView that found it keeps that), a reference to a cached block for one in
// an SST file.
//
// Valid while the ReadView that made it lives and has not been refreshed; if that is a Writer's,
// only until the next Commit or CloseGroup. Moves are cheap. Thread safety: none.

#pragma once

#include <memory>
#include <string_view>
#include <utility>

namespace lsm {

class PinnedValue {
 public:
  PinnedValue() = default;
  explicit PinnedValue(std::string_view bytes) : bytes_(bytes) {}
  PinnedValue(std::string_view bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}

  std::string_view view() const { return bytes_; }

 private:
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace lsm
