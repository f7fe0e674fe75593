// SPDX-License-Identifier: BSD-3-Clause
// ReplyGate keeps replies back until what they reflect may be shown: until it is appended to the
// log, and under `appendfsync always` until it is synced. Replies that reflect nothing newer leave
// without waiting, as far as the order of their connection allows.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "redis-compat/config.h"
#include "redis-compat/session.h"

namespace redis {

class ReplyGate {
 public:
  ReplyGate(lsm::DB* db, const Settings* settings) : db_(db), settings_(settings) {}

  // A reply was appended to the session's output, beginning at position `begin`.
  void Add(Session* session, uint64_t begin, lsm::SequenceNumber reflects);
  // The group could not be appended: replies that reflect units which are not visible become
  // `error`, "-CODE text" without the line's end.
  void ReplaceLost(Session* session, std::string_view error);
  // Lets go what may leave now. True if something is still held back.
  bool Release(Session* session);

 private:
  lsm::SequenceNumber ShownThrough() const;

  lsm::DB* const db_;
  const Settings* const settings_;
};

}  // namespace redis
