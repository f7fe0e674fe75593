// SPDX-License-Identifier: BSD-3-Clause
// Parts of strings: reading and overwriting a range of bytes.

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "redis-compat/commands/handlers.h"
#include "redis-compat/commands/string_slot.h"
#include "resp/integer.h"

namespace redis::string_commands {

namespace {

using lsm::Status;

// The bytes from `start` to `end`, both counted from the end if they are negative.
std::string_view Range(std::string_view bytes, int64_t start, int64_t end) {
  const auto size = static_cast<int64_t>(bytes.size());
  // Both lie before the string's end, and so before its beginning if the string is short enough:
  // what follows would answer the first byte.
  if (start < 0 && end < 0 && start > end) return {};
  if (start < 0) start = std::max<int64_t>(start + size, 0);
  if (end < 0) end = std::max<int64_t>(end + size, 0);
  end = std::min(end, size - 1);
  if (start > end) return {};
  return bytes.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1));
}

}  // namespace

Status GetRange(CommandContext& c) {
  int64_t start = 0;
  int64_t end = 0;
  if (!resp::ParseInteger(c.args[2], &start) || !resp::ParseInteger(c.args[3], &end)) {
    c.reply.Error(errors::kNotInteger);
    return Status::Ok();
  }
  const lsm::Result<KeySlot> slot = c.keys.FindForRead(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (HasWrongType(c, *slot)) return Status::Ok();
  c.reply.Bulk(slot->exists ? Range(slot->header.payload, start, end) : std::string_view());
  return Status::Ok();
}

Status SetRange(CommandContext& c) {
  int64_t offset = 0;
  if (!resp::ParseInteger(c.args[2], &offset)) {
    c.reply.Error(errors::kNotInteger);
    return Status::Ok();
  }
  if (offset < 0) {
    c.reply.Error("ERR offset is out of range");
    return Status::Ok();
  }
  lsm::Result<KeySlot> slot = c.keys.FindForWrite(c.args[1]);
  if (!slot.ok()) return slot.status();
  if (HasWrongType(c, *slot)) return Status::Ok();
  const std::string_view patch = c.args[3];
  const std::string_view before = slot->exists ? slot->header.payload : std::string_view();
  if (patch.empty()) {
    c.reply.Integer(static_cast<int64_t>(before.size()));
    return Status::Ok();
  }
  const size_t limit = c.instance.max_string_size();
  const auto begin = static_cast<uint64_t>(offset);
  if (patch.size() > limit || begin > limit - patch.size()) {
    c.reply.Error(errors::kStringTooLong);
    return Status::Ok();
  }
  const auto at = static_cast<size_t>(begin);
  std::string value;
  value.reserve(std::max(before.size(), at + patch.size()));
  value.append(before);
  if (value.size() < at + patch.size()) value.resize(at + patch.size(), '\0');
  std::memcpy(value.data() + at, patch.data(), patch.size());
  const std::optional<int64_t> expiry_ms =
      slot->exists ? slot->header.expiry_ms : std::optional<int64_t>();
  c.keys.Put(&slot.value(), {.type = ValueType::kString,
                             .encoding = Encoding::kRaw,
                             .expiry_ms = expiry_ms,
                             .payload = value});
  c.reply.Integer(static_cast<int64_t>(value.size()));
  return Status::Ok();
}

}  // namespace redis::string_commands
