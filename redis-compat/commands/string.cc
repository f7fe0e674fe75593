// SPDX-License-Identifier: BSD-3-Clause
// Strings: values of bytes, and counters in them.

#include <limits>
#include <optional>
#include <string>

#include "redis-compat/commands/handlers.h"
#include "redis-compat/commands/string_options.h"
#include "redis-compat/commands/string_slot.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/integer_text.h"
#include "redis-compat/keyspace.h"
#include "resp/integer.h"

namespace redis::string_commands {

namespace {

using lsm::Status;

// Writes a value whose expiry may lie in the past: then the key is gone at once.
void PutOrExpire(CommandContext& c, KeySlot* slot, std::string_view value,
                 std::optional<int64_t> expiry_ms) {
  if (!expiry_ms || *expiry_ms > c.now_ms) {
    PutString(c, slot, value, expiry_ms);
  } else if (slot->exists) {
    c.keys.Remove(slot);
  }
}

struct SetAnswers {
  enum class Kind { kOkOrNull, kOneOrZero } kind = Kind::kOkOrNull;
  void Done(resp::ReplyWriter& reply) const {
    kind == Kind::kOkOrNull ? reply.Ok() : reply.Integer(1);
  }
  void NotDone(resp::ReplyWriter& reply) const {
    kind == Kind::kOkOrNull ? reply.Null() : reply.Integer(0);
  }
};

// SET and its relatives, after their arguments are understood.
Status SetValue(CommandContext& c, std::string_view value, const StringOptions& options,
                SetAnswers answers) {
  std::optional<int64_t> expiry_ms;
  if (options.expiry && !ResolveExpiry(c, *options.expiry, &expiry_ms)) return Status::Ok();
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (options.get) {
    CountLookup(c, *slot);
    if (HasWrongType(c, *slot)) return Status::Ok();
    ReplyValue(c, *slot);
  }
  if ((options.only_if_absent && slot->exists) || (options.only_if_present && !slot->exists)) {
    if (!options.get) answers.NotDone(c.reply);
    return Status::Ok();
  }
  if (options.keep_ttl && slot->exists) expiry_ms = slot->header.expiry_ms;
  PutOrExpire(c, &slot.value(), value, expiry_ms);
  if (!options.get) answers.Done(c.reply);
  return Status::Ok();
}

Status SetWithExpiry(CommandContext& c, ExpiryArgument::Unit unit) {
  StringOptions options;
  options.expiry = ExpiryArgument{c.args[2], unit, false};
  return SetValue(c, c.args[3], options, {});
}

Status Increment(CommandContext& c, int64_t delta) {
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (HasWrongType(c, *slot)) return Status::Ok();
  int64_t value = 0;
  if (slot->exists && !resp::ParseInteger(slot->header.payload, &value)) {
    c.reply.Error(errors::kNotInteger);
    return Status::Ok();
  }
  if (__builtin_add_overflow(value, delta, &value)) {
    c.reply.Error(errors::kOverflow);
    return Status::Ok();
  }
  const IntegerText digits(value);
  PutString(c, &slot.value(), digits.view(),
            slot->exists ? slot->header.expiry_ms : std::optional<int64_t>());
  c.reply.Integer(value);
  return Status::Ok();
}

// The number in args[2]; an error is replied.
std::optional<int64_t> Delta(CommandContext& c) {
  int64_t delta = 0;
  if (resp::ParseInteger(c.args[2], &delta)) return delta;
  c.reply.Error(errors::kNotInteger);
  return std::nullopt;
}

}  // namespace

Status Set(CommandContext& c) {
  StringOptions options;
  if (!ParseStringOptions(c, StringOptions::For::kSet, 3, &options)) return Status::Ok();
  return SetValue(c, c.args[2], options, {});
}

Status SetNx(CommandContext& c) {
  StringOptions options;
  options.only_if_absent = true;
  return SetValue(c, c.args[2], options, {SetAnswers::Kind::kOneOrZero});
}

Status SetEx(CommandContext& c) { return SetWithExpiry(c, ExpiryArgument::Unit::kSeconds); }

Status PSetEx(CommandContext& c) { return SetWithExpiry(c, ExpiryArgument::Unit::kMilliseconds); }

Status GetSet(CommandContext& c) {
  StringOptions options;
  options.get = true;
  return SetValue(c, c.args[2], options, {});
}

Status Get(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.FindForRead(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (!HasWrongType(c, slot.value())) ReplyValue(c, slot.value());
  return Status::Ok();
}

Status GetDel(CommandContext& c) {
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  CountLookup(c, *slot);
  if (HasWrongType(c, *slot)) return Status::Ok();
  ReplyValue(c, *slot);
  if (slot->exists) c.keys.Remove(&slot.value());
  return Status::Ok();
}

Status GetEx(CommandContext& c) {
  StringOptions options;
  if (!ParseStringOptions(c, StringOptions::For::kGetEx, 2, &options)) return Status::Ok();
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  CountLookup(c, *slot);
  if (HasWrongType(c, *slot)) return Status::Ok();
  std::optional<int64_t> expiry_ms;
  if (slot->exists && options.expiry && !ResolveExpiry(c, *options.expiry, &expiry_ms)) {
    return Status::Ok();
  }
  ReplyValue(c, *slot);
  if (!slot->exists || (!options.expiry && !options.persist)) return Status::Ok();
  if (options.persist && !slot->header.expiry_ms) return Status::Ok();
  if (expiry_ms && *expiry_ms <= c.now_ms) {
    c.keys.Remove(&slot.value());
    return Status::Ok();
  }
  Header header = slot->header;
  header.expiry_ms = expiry_ms;
  c.keys.Put(&slot.value(), header);
  return Status::Ok();
}

Status MGet(CommandContext& c) {
  c.reply.Array(c.args.size() - 1);
  for (const std::string_view key : c.args.subspan(1)) {
    if (c.reply.overflowed()) break;
    const lsm::Result<KeySlot> slot = c.keys.FindForRead(key);
    if (!slot.ok()) return slot.status();
    if (slot.value().IsString()) {
      c.reply.Bulk(slot.value().header.payload);
    } else {
      c.reply.Null();
    }
  }
  return Status::Ok();
}

namespace {

// False if the arguments do not come in pairs; the error is replied.
bool ArePairs(CommandContext& c) {
  if (c.args.size() % 2 == 1) return true;
  c.reply.Error("ERR wrong number of arguments for '" + std::string(c.spec.name) + "' command");
  return false;
}

Status SetPairs(CommandContext& c) {
  for (size_t i = 1; i < c.args.size(); i += 2) {
    lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[i]);
    if (!slot.ok()) return slot.status();
    PutString(c, &slot.value(), c.args[i + 1], std::nullopt);
  }
  return Status::Ok();
}

}  // namespace

Status MSet(CommandContext& c) {
  if (!ArePairs(c)) return Status::Ok();
  RETURN_IF_ERROR(SetPairs(c));
  c.reply.Ok();
  return Status::Ok();
}

Status MSetNx(CommandContext& c) {
  if (!ArePairs(c)) return Status::Ok();
  for (size_t i = 1; i < c.args.size(); i += 2) {
    const lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[i]);
    if (!slot.ok()) return slot.status();
    if (slot.value().exists) {
      c.reply.Integer(0);
      return Status::Ok();
    }
  }
  RETURN_IF_ERROR(SetPairs(c));
  c.reply.Integer(1);
  return Status::Ok();
}

Status Append(CommandContext& c) {
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (HasWrongType(c, *slot)) return Status::Ok();
  if (!slot->exists) {
    PutString(c, &slot.value(), c.args[2], std::nullopt);
    c.reply.Integer(static_cast<int64_t>(c.args[2].size()));
    return Status::Ok();
  }
  const std::string_view before = slot->header.payload;
  // Both are in memory, so the sum cannot overflow.
  if (before.size() + c.args[2].size() > c.instance.max_string_size()) {
    c.reply.Error(errors::kStringTooLong);
    return Status::Ok();
  }
  std::string value;
  value.reserve(before.size() + c.args[2].size());
  value.append(before).append(c.args[2]);
  c.keys.Put(&slot.value(), {.type = ValueType::kString,
                             .encoding = Encoding::kRaw,
                             .expiry_ms = slot->header.expiry_ms,
                             .payload = value});
  c.reply.Integer(static_cast<int64_t>(value.size()));
  return Status::Ok();
}

Status StrLen(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.FindForRead(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (HasWrongType(c, slot.value())) return Status::Ok();
  c.reply.Integer(slot.value().exists ? static_cast<int64_t>(slot.value().header.payload.size())
                                      : 0);
  return Status::Ok();
}

Status Incr(CommandContext& c) { return Increment(c, 1); }

Status Decr(CommandContext& c) { return Increment(c, -1); }

Status IncrBy(CommandContext& c) {
  const std::optional<int64_t> delta = Delta(c);
  return delta ? Increment(c, *delta) : Status::Ok();
}

Status DecrBy(CommandContext& c) {
  const std::optional<int64_t> delta = Delta(c);
  if (!delta) return Status::Ok();
  if (*delta == std::numeric_limits<int64_t>::min()) {
    c.reply.Error(errors::kDecrementOverflow);
    return Status::Ok();
  }
  return Increment(c, -*delta);
}

}  // namespace redis::string_commands
