// SPDX-License-Identifier: BSD-3-Clause
// OBJECT: how what is at a key is kept.

#include <cstdint>
#include <limits>

#include "redis-compat/commands/handlers.h"
#include "redis-compat/help_text.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "resp/integer.h"

namespace redis::object_commands {

namespace {

using lsm::Status;

// Redis keeps one object for each of the integers below this and says that they are shared.
constexpr int64_t kSharedIntegers = 10'000;
constexpr int64_t kSharedCount = std::numeric_limits<int32_t>::max();

// False if there is nothing at the key; then null is replied.
bool Exists(CommandContext& c, const KeySlot& slot) {
  if (!slot.exists) c.reply.Null();
  return slot.exists;
}

}  // namespace

Status Encoding(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.Find(c.args[2]);
  if (!slot.ok()) return slot.status();
  if (Exists(c, *slot)) c.reply.Bulk(ToString(slot->header.encoding));
  return Status::Ok();
}

// Nothing is shared here. The answer is Redis's for the same value, because that is what programs
// that ask compare it with.
Status RefCount(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.Find(c.args[2]);
  if (!slot.ok()) return slot.status();
  if (!Exists(c, *slot)) return Status::Ok();
  int64_t number = 0;
  const bool is_shared = slot->header.encoding == redis::Encoding::kInt &&
                         resp::ParseInteger(slot->header.payload, &number) && number >= 0 &&
                         number < kSharedIntegers;
  c.reply.Integer(is_shared ? kSharedCount : 1);
  return Status::Ok();
}

Status Help(CommandContext& c) {
  ReplyHelp(&c.reply, "OBJECT",
            {"ENCODING <key>", "Answer how the value at a key is encoded.", "REFCOUNT <key>",
             "Answer 2147483647 for an integer from 0 to 9999 and 1 for anything else, as Redis."});
  return Status::Ok();
}

}  // namespace redis::object_commands
