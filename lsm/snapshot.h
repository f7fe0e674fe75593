// SPDX-License-Identifier: BSD-3-Clause
// Snapshot pins a sequence number: records that were newest at that point are kept for as long as
// it lives. It holds no files or memory by itself.
// Thread safety: immutable; may be released by any thread. Must not outlive its DB.

#pragma once

#include "lsm/types.h"

namespace lsm {

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual SequenceNumber sequence() const = 0;
};

}  // namespace lsm
