// SPDX-License-Identifier: BSD-3-Clause
// What the handlers of strings do with slots.
// Thread safety: pure functions on the command's own state.

#pragma once

#include <optional>
#include <string_view>

#include "redis-compat/command.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"

namespace redis::string_commands {

// Replies the error and returns true if the slot holds something else than a string.
inline bool HasWrongType(CommandContext& c, const KeySlot& slot) {
  if (!slot.exists || slot.IsString()) return false;
  c.reply.Error(errors::kWrongType);
  return true;
}

inline void ReplyValue(CommandContext& c, const KeySlot& slot) {
  if (slot.exists) {
    c.reply.Bulk(slot.header.payload);
  } else {
    c.reply.Null();
  }
}

inline void CountLookup(CommandContext& c, const KeySlot& slot) {
  Statistics& statistics = c.instance.statistics();
  ++(slot.exists ? statistics.keyspace_hits : statistics.keyspace_misses);
}

inline void PutString(CommandContext& c, KeySlot* slot, std::string_view value,
                      std::optional<int64_t> expiry_ms) {
  c.keys.Put(slot, {.type = ValueType::kString,
                    .encoding = EncodingOfString(value),
                    .expiry_ms = expiry_ms,
                    .payload = value});
}

}  // namespace redis::string_commands
