// SPDX-License-Identifier: BSD-3-Clause
// When keys expire: setting, asking and taking it back.

#include <limits>
#include <optional>
#include <string>

#include "redis-compat/arg_parser.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/commands/string_options.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"

namespace redis::expire_commands {

namespace {

using lsm::Status;

constexpr int64_t kNoKey = -2;
constexpr int64_t kNoExpiry = -1;

struct Conditions {
  bool nx = false;  // only if the key has no expiry
  bool xx = false;  // only if it has one
  bool gt = false;  // only if the new one is later; a key without one never expires
  bool lt = false;  // only if it is earlier
};

bool ParseConditions(CommandContext& c, Conditions* conditions) {
  ArgParser parser(c.args, 3);
  while (parser.More()) {
    if (parser.Take("NX")) {
      conditions->nx = true;
    } else if (parser.Take("XX")) {
      conditions->xx = true;
    } else if (parser.Take("GT")) {
      conditions->gt = true;
    } else if (parser.Take("LT")) {
      conditions->lt = true;
    } else {
      parser.Fail("ERR Unsupported option " + std::string(UpToNul(parser.Peek())));
    }
  }
  if (conditions->nx && (conditions->xx || conditions->gt || conditions->lt)) {
    parser.Fail("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (conditions->gt && conditions->lt) {
    parser.Fail("ERR GT and LT options at the same time are not compatible");
  }
  return !parser.ReplyError(c.reply);
}

bool Hold(const Conditions& conditions, const std::optional<int64_t>& before, int64_t after) {
  if (conditions.nx && before) return false;
  if (conditions.xx && !before) return false;
  if (conditions.gt && (!before || after <= *before)) return false;
  if (conditions.lt && before && after >= *before) return false;
  return true;
}

enum class Unit { kSeconds, kMilliseconds };
enum class Origin { kNow, kEpoch };

// Negative times are in the past, and delete the key.
Status ExpireGeneric(CommandContext& c, Unit unit, Origin origin) {
  Conditions conditions;
  if (!ParseConditions(c, &conditions)) return Status::Ok();
  int64_t time_ms = 0;
  if (!resp::ParseInteger(c.args[2], &time_ms)) {
    c.reply.Error(errors::kNotInteger);
    return Status::Ok();
  }
  const int64_t factor = unit == Unit::kSeconds ? 1000 : 1;
  const int64_t base = origin == Origin::kNow ? c.now_ms : 0;
  if (__builtin_mul_overflow(time_ms, factor, &time_ms) ||
      __builtin_add_overflow(time_ms, base, &time_ms)) {
    ReplyInvalidExpireTime(c);
    return Status::Ok();
  }
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (!slot->exists || !Hold(conditions, slot->header.expiry_ms, time_ms)) {
    c.reply.Integer(0);
    return Status::Ok();
  }
  if (time_ms <= c.now_ms) {
    c.keys.Remove(&slot.value());
  } else {
    Header header = slot->header;
    header.expiry_ms = time_ms;
    c.keys.Put(&slot.value(), header);
  }
  c.reply.Integer(1);
  return Status::Ok();
}

// The key's expiry, kNoKey or kNoExpiry.
lsm::Result<int64_t> ExpiryOf(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.FindForRead(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (!slot.value().exists) return kNoKey;
  return slot.value().header.expiry_ms.value_or(kNoExpiry);
}

Status ReplyExpiry(CommandContext& c, Unit unit, Origin origin) {
  const lsm::Result<int64_t> expiry = ExpiryOf(c);
  if (!expiry.ok()) return expiry.status();
  int64_t answer = expiry.value();
  if (answer >= 0) {
    if (origin == Origin::kNow) answer -= c.now_ms;
    if (unit == Unit::kSeconds) answer = answer / 1000 + (answer % 1000 >= 500 ? 1 : 0);
  }
  c.reply.Integer(answer);
  return Status::Ok();
}

}  // namespace

Status Expire(CommandContext& c) { return ExpireGeneric(c, Unit::kSeconds, Origin::kNow); }
Status PExpire(CommandContext& c) { return ExpireGeneric(c, Unit::kMilliseconds, Origin::kNow); }
Status ExpireAt(CommandContext& c) { return ExpireGeneric(c, Unit::kSeconds, Origin::kEpoch); }
Status PExpireAt(CommandContext& c) {
  return ExpireGeneric(c, Unit::kMilliseconds, Origin::kEpoch);
}

Status Ttl(CommandContext& c) { return ReplyExpiry(c, Unit::kSeconds, Origin::kNow); }
Status PTtl(CommandContext& c) { return ReplyExpiry(c, Unit::kMilliseconds, Origin::kNow); }
Status ExpireTime(CommandContext& c) { return ReplyExpiry(c, Unit::kSeconds, Origin::kEpoch); }
Status PExpireTime(CommandContext& c) {
  return ReplyExpiry(c, Unit::kMilliseconds, Origin::kEpoch);
}

Status Persist(CommandContext& c) {
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  const bool had_expiry = slot->exists && slot->header.expiry_ms;
  if (had_expiry) {
    Header header = slot->header;
    header.expiry_ms.reset();
    c.keys.Put(&slot.value(), header);
  }
  c.reply.Integer(had_expiry ? 1 : 0);
  return Status::Ok();
}

}  // namespace redis::expire_commands
