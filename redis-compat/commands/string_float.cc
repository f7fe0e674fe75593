// SPDX-License-Identifier: BSD-3-Clause
// INCRBYFLOAT.

#include <cmath>
#include <optional>
#include <string>

#include "redis-compat/commands/handlers.h"
#include "redis-compat/commands/string_slot.h"
#include "redis-compat/float_text.h"

namespace redis::string_commands {

using lsm::Status;

Status IncrByFloat(CommandContext& c) {
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (HasWrongType(c, *slot)) return Status::Ok();
  const std::optional<long double> before =
      slot->exists ? ParseLongDouble(slot->header.payload) : std::optional(0.0L);
  const std::optional<long double> increment =
      before ? ParseLongDouble(c.args[2]) : std::optional<long double>();
  if (!increment) {
    c.reply.Error("ERR value is not a valid float");
    return Status::Ok();
  }
  const long double sum = *before + *increment;
  if (!std::isfinite(sum)) {
    c.reply.Error("ERR increment would produce NaN or Infinity");
    return Status::Ok();
  }
  const std::string digits = FormatLongDouble(sum);
  c.keys.Put(&slot.value(),
             {.type = ValueType::kString,
              .encoding = EncodingOfText(digits),
              .expiry_ms = slot->exists ? slot->header.expiry_ms : std::optional<int64_t>(),
              .payload = digits});
  c.reply.Bulk(digits);
  return Status::Ok();
}

}  // namespace redis::string_commands
