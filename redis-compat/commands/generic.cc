// SPDX-License-Identifier: BSD-3-Clause
// Keys of any type: deleting, finding, counting and walking over them.

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "redis-compat/arg_parser.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/glob.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/letters.h"
#include "redis-compat/scan_cursor.h"

namespace redis::generic_commands {

namespace {

using lsm::Status;

// A cursor as C's strtoul reads it, for clients depend on what it lets pass: a sign, and nothing at
// all for 0.
std::optional<uint64_t> ParseCursor(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  if (text.empty()) return 0;
  const bool is_negative = text[0] == '-';
  if (is_negative || text[0] == '+') text.remove_prefix(1);
  uint64_t cursor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return is_negative ? uint64_t{0} - cursor : cursor;
}

// The SYNC and ASYNC of FLUSHDB and FLUSHALL; both are instant here.
bool AcceptsFlushMode(CommandContext& c) {
  ArgParser parser(c.args, 1);
  if (parser.More() && !parser.Take("SYNC") && !parser.Take("ASYNC")) parser.Fail(errors::kSyntax);
  if (parser.More()) parser.Fail(errors::kSyntax);
  return !parser.ReplyError(c.reply);
}

void ReplyKeys(CommandContext& c, const std::vector<std::string>& keys) {
  c.reply.Array(keys.size());
  for (const std::string& key : keys) c.reply.Bulk(key);
}

}  // namespace

Status Del(CommandContext& c) {
  int64_t removed = 0;
  for (const std::string_view key : c.args.subspan(1)) {
    lsm::Result<KeySlot> slot = c.keys.FindForWrite(key);
    if (!slot.ok()) return slot.status();
    if (!slot->exists) continue;
    c.keys.Remove(&slot.value());
    ++removed;
  }
  c.reply.Integer(removed);
  return Status::Ok();
}

Status Exists(CommandContext& c) {
  int64_t found = 0;
  for (const std::string_view key : c.args.subspan(1)) {
    const lsm::Result<KeySlot> slot = c.keys.FindForRead(key);
    if (!slot.ok()) return slot.status();
    found += slot.value().exists ? 1 : 0;
  }
  c.reply.Integer(found);
  return Status::Ok();
}

// As EXISTS, but it counts as an access where accesses are counted.
Status Touch(CommandContext& c) { return Exists(c); }

Status Type(CommandContext& c) {
  const lsm::Result<KeySlot> slot = c.keys.FindForRead(c.args[1]);
  if (!slot.ok()) return slot.status();
  c.reply.Simple(slot.value().exists ? ToString(slot.value().header.type) : "none");
  return Status::Ok();
}

Status Keys(CommandContext& c) {
  const std::string_view pattern = c.args[1];
  if (pattern.size() > kMaxPatternSize) {
    c.reply.Error(errors::kPatternTooLong);
    return Status::Ok();
  }
  lsm::IterateOptions range = RangeOfPattern(pattern);
  range.fill_cache = false;
  lsm::Result<KeyIterator> iterator = c.keys.NewIterator(std::move(range));
  if (!iterator.ok()) return iterator.status();
  // Straight into the reply, and no further than it may grow: there may be more keys than memory.
  const size_t place = c.reply.BeginArray();
  size_t count = 0;
  for (iterator->SeekToFirst(); iterator->Valid() && !c.reply.overflowed(); iterator->Next()) {
    const lsm::Result<Header> header = iterator->header();
    if (!header.ok()) return header.status();
    if (c.keys.IsExpired(header.value())) continue;
    if (pattern != "*" && !GlobMatch(pattern, iterator->key())) continue;
    c.reply.Bulk(iterator->key());
    ++count;
  }
  RETURN_IF_ERROR(iterator->status());
  c.reply.EndArray(place, count);
  return Status::Ok();
}

Status Scan(CommandContext& c) {
  const std::optional<uint64_t> cursor = ParseCursor(c.args[1]);
  if (!cursor) {
    c.reply.Error(errors::kInvalidCursor);
    return Status::Ok();
  }
  ScanOptions options;
  options.cursor = *cursor;
  ArgParser parser(c.args, 2);
  while (parser.More()) {
    if (parser.Take("COUNT", 1)) {
      const int64_t count = parser.Integer();
      if (count < 1) parser.Fail(errors::kSyntax);
      options.count = static_cast<uint64_t>(std::max<int64_t>(count, 1));
    } else if (parser.Take("MATCH", 1)) {
      options.pattern = parser.Text();
      if (options.pattern->size() > kMaxPatternSize) parser.Fail(errors::kPatternTooLong);
    } else if (parser.Take("TYPE", 1)) {
      options.type = ToLower(parser.Text());
    } else {
      parser.Fail(errors::kSyntax);
    }
  }
  if (parser.ReplyError(c.reply)) return Status::Ok();
  const lsm::Result<ScanResult> result = redis::Scan(&c.instance, &c.keys, options);
  if (!result.ok()) return result.status();
  c.reply.Array(2);
  c.reply.Bulk(std::to_string(result.value().cursor));
  ReplyKeys(c, result.value().keys);
  return Status::Ok();
}

Status DbSize(CommandContext& c) {
  const lsm::Result<int64_t> count = c.keys.KeyCount();
  if (!count.ok()) return count.status();
  c.reply.Integer(count.value());
  return Status::Ok();
}

Status RandomKey(CommandContext& c) {
  const lsm::Result<std::optional<std::string>> key = c.keys.RandomKey();
  if (!key.ok()) return key.status();
  if (key.value()) {
    c.reply.Bulk(*key.value());
  } else {
    c.reply.Null();
  }
  return Status::Ok();
}

Status FlushDb(CommandContext& c) {
  if (!AcceptsFlushMode(c)) return Status::Ok();
  c.keys.Flush();
  c.reply.Ok();
  return Status::Ok();
}

Status FlushAll(CommandContext& c) {
  if (!AcceptsFlushMode(c)) return Status::Ok();
  for (const int database : c.unit.NonEmptyDatabases()) c.unit.DropDatabaseTree(database);
  c.reply.Ok();
  return Status::Ok();
}

}  // namespace redis::generic_commands
