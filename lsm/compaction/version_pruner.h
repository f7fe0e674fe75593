// SPDX-License-Identifier: BSD-3-Clause
// VersionPruner decides, while records pass in internal order, which of them somebody may still
// need.
//
// The pinned sequence numbers cut time into layers: two records between the same two pins look the
// same to everybody but for the newer one. So of each key and layer only the newest record is kept.
// The newest record of a key is always among them.
//
// A tombstone in the oldest layer hides only records that are dropped with it; where the caller
// knows that nothing older lies beneath, it goes too.
//
// Thread safety: none.

#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/format/internal_key.h"

namespace lsm {

class VersionPruner {
 public:
  // REQUIRES: `pins` ascend. `nothing_beneath`: no older record of any key exists elsewhere.
  VersionPruner(std::vector<SequenceNumber> pins, bool nothing_beneath)
      : pins_(std::move(pins)), nothing_beneath_(nothing_beneath) {}

  // REQUIRES: records come in internal order.
  bool Keep(std::string_view user_key, SequenceNumber sequence, RecordType type) {
    const auto pin = std::lower_bound(pins_.begin(), pins_.end(), sequence);
    const auto layer = pin - pins_.begin();
    const bool new_key = first_ || user_key != key_;
    if (new_key) {
      key_.assign(user_key);
      first_ = false;
    } else if (layer == layer_) {
      return false;
    }
    layer_ = layer;
    return !(nothing_beneath_ && layer == 0 && type == RecordType::kTombstone);
  }

 private:
  const std::vector<SequenceNumber> pins_;
  const bool nothing_beneath_;
  bool first_ = true;
  std::string key_;
  std::ptrdiff_t layer_ = 0;
};

}  // namespace lsm
