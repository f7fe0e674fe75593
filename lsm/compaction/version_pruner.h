// SPDX-License-Identifier: BSD-3-Clause
// VersionPruner decides, while records pass in internal order, which of them somebody may still
// need.
//
// The pinned sequence numbers cut time into layers: two records between the same two pins look the
// same to everybody but for the newer one. So of each key and layer only the newest record is kept.
// The newest record of a key is always among them.
//
// A tombstone in the oldest layer hides only records that are dropped with it; where no older file
// has anything of its key, it goes too.
//
// Thread safety: none.

#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/compaction/older_files.h"
#include "lsm/format/internal_key.h"

namespace lsm {

class VersionPruner {
 public:
  // `older` knows where older records may be, and must outlive this; null: anywhere.
  // REQUIRES: `pins` ascend
  VersionPruner(std::vector<SequenceNumber> pins, OlderFiles* older)
      : pins_(std::move(pins)), older_(older) {}

  // REQUIRES: records come in internal order.
  bool Keep(std::string_view user_key, SequenceNumber sequence, RecordType type) {
    const auto pin = std::lower_bound(pins_.begin(), pins_.end(), sequence);
    const auto layer = pin - pins_.begin();
    newest_ = first_ || user_key != key_;
    if (newest_) {
      key_.assign(user_key);
      first_ = false;
    } else if (layer == layer_) {
      return false;
    }
    layer_ = layer;
    const bool may_go = type == RecordType::kTombstone && layer == 0 && older_ != nullptr;
    return !may_go || older_->MayHold(user_key);
  }

  // Whether the record last kept is its key's newest one here, and everybody who may look sees it
  // or a newer one.
  bool IsSettled() const { return newest_ && layer_ == 0; }

 private:
  const std::vector<SequenceNumber> pins_;
  OlderFiles* const older_;
  bool first_ = true;
  bool newest_ = false;  // the last record was the first of its key
  std::string key_;
  std::ptrdiff_t layer_ = 0;
};

}  // namespace lsm
