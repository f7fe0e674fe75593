// SPDX-License-Identifier: BSD-3-Clause
// OBJECT: how what is at a key is kept.

#include <cstdint>
#include <limits>

#include "redis-compat/access_tracker.h"
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

Status Freq(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.Find(c.args[2]);
  if (!slot.ok()) return slot.status();
  if (!Exists(c, *slot)) return Status::Ok();
  const AccessTracker* tracker = c.instance.access_tracker();
  if (tracker == nullptr || tracker->kind() != AccessTracker::Kind::kFrequency) {
    c.reply.Error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
        "that when switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.");
    return Status::Ok();
  }
  c.reply.Integer(tracker->Frequency(c.keys.tree(), c.args[2], c.now_ms));
  return Status::Ok();
}

Status IdleTime(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.Find(c.args[2]);
  if (!slot.ok()) return slot.status();
  if (!Exists(c, *slot)) return Status::Ok();
  const AccessTracker* tracker = c.instance.access_tracker();
  if (tracker == nullptr) {
    // Redis always knows; here it would cost every access, so it has to be asked for.
    c.reply.Error(
        "ERR An LRU maxmemory policy is not selected, idle time not tracked. Varve tracks it under "
        "allkeys-lru and volatile-lru only.");
    return Status::Ok();
  }
  if (tracker->kind() != AccessTracker::Kind::kRecency) {
    c.reply.Error(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust.");
    return Status::Ok();
  }
  c.reply.Integer(tracker->IdleSeconds(c.keys.tree(), c.args[2], c.now_ms));
  return Status::Ok();
}

Status Help(CommandContext& c) {
  ReplyHelp(
      &c.reply, "OBJECT",
      {"ENCODING <key>", "Answer how the value at a key is encoded.", "FREQ <key>",
       "Answer how often a key is accessed, on a logarithmic scale from 0 to 255.",
       "IDLETIME <key>", "Answer the seconds since a key was last accessed.", "REFCOUNT <key>",
       "Answer 2147483647 for an integer from 0 to 9999 and 1 for anything else, as Redis."});
  return Status::Ok();
}

}  // namespace redis::object_commands
