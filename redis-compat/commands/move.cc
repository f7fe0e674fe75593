// SPDX-License-Identifier: BSD-3-Clause
// Giving keys another name or another database. A key takes its expiry along, and what it leaves
// and where it arrives is one unit, also across databases.

#include <limits>
#include <optional>
#include <string>

#include "redis-compat/arg_parser.h"
#include "redis-compat/commands/database_argument.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"

namespace redis::generic_commands {

namespace {

using lsm::Status;

constexpr std::string_view kSameObject = "ERR source and destination objects are the same";

enum class Renaming { kNoKey, kTaken, kDone };

lsm::Result<Renaming> RenameKey(CommandContext& c, bool only_if_absent) {
  lsm::Result<KeySlot> from = c.keys.FindForWrite(c.args[1]);
  if (!from.ok()) return from.status();
  if (!from->exists) return Renaming::kNoKey;
  if (c.args[1] == c.args[2]) return only_if_absent ? Renaming::kTaken : Renaming::kDone;
  lsm::Result<KeySlot> to = c.keys.FindForWrite(c.args[2]);
  if (!to.ok()) return to.status();
  if (to->exists && only_if_absent) return Renaming::kTaken;
  c.keys.Put(&to.value(), from->header);
  c.keys.Remove(&from.value());
  return Renaming::kDone;
}

struct CopyOptions {
  int database;
  bool replace = false;
};

// False if they are wrong; the error is replied. What stands first is answered for first, also
// where something behind it is wrong.
bool ParseCopyOptions(CommandContext& c, CopyOptions* options) {
  ArgParser parser(c.args, 3);
  while (parser.More()) {
    if (parser.Take("REPLACE")) {
      options->replace = true;
    } else if (parser.Take("DB", 1)) {
      const std::optional<int> database = ParseDatabase(c, parser.Text());
      if (!database) return false;
      options->database = *database;
    } else {
      parser.Fail(errors::kSyntax);
    }
  }
  return !parser.ReplyError(c.reply);
}

std::optional<int64_t> SwappedDatabase(CommandContext& c, size_t argument, std::string_view error) {
  int64_t number = 0;
  if (resp::ParseInteger(c.args[argument], &number) &&
      number >= std::numeric_limits<int32_t>::min() &&
      number <= std::numeric_limits<int32_t>::max()) {
    return number;
  }
  c.reply.Error(error);
  return std::nullopt;
}

}  // namespace

Status Rename(CommandContext& c) {
  const lsm::Result<Renaming> renaming = RenameKey(c, false);
  if (!renaming.ok()) return renaming.status();
  if (*renaming == Renaming::kNoKey) {
    c.reply.Error(errors::kNoSuchKey);
  } else {
    c.reply.Ok();
  }
  return Status::Ok();
}

Status RenameNx(CommandContext& c) {
  const lsm::Result<Renaming> renaming = RenameKey(c, true);
  if (!renaming.ok()) return renaming.status();
  if (*renaming == Renaming::kNoKey) {
    c.reply.Error(errors::kNoSuchKey);
  } else {
    c.reply.Integer(*renaming == Renaming::kDone ? 1 : 0);
  }
  return Status::Ok();
}

Status Copy(CommandContext& c) {
  CopyOptions options{c.keys.database()};
  if (!ParseCopyOptions(c, &options)) return Status::Ok();
  if (options.database == c.keys.database() && c.args[1] == c.args[2]) {
    c.reply.Error(kSameObject);
    return Status::Ok();
  }
  const lsm::Result<KeySlot> from = c.keys.FindForRead(c.args[1]);
  if (!from.ok()) return from.status();
  if (!from->exists) {
    c.reply.Integer(0);
    return Status::Ok();
  }
  Keyspace target(&c.instance, &c.unit, options.database, c.now_ms);
  lsm::Result<KeySlot> to = target.FindForWrite(c.args[2]);
  if (!to.ok()) return to.status();
  const bool copies = !to->exists || options.replace;
  if (copies) target.Put(&to.value(), from->header);
  c.reply.Integer(copies ? 1 : 0);
  return Status::Ok();
}

Status Move(CommandContext& c) {
  const std::optional<int> database = ParseDatabase(c, c.args[2]);
  if (!database) return Status::Ok();
  if (*database == c.keys.database()) {
    c.reply.Error(kSameObject);
    return Status::Ok();
  }
  lsm::Result<KeySlot> from = c.keys.FindForWrite(c.args[1]);
  if (!from.ok()) return from.status();
  Keyspace target(&c.instance, &c.unit, *database, c.now_ms);
  lsm::Result<KeySlot> to = from->exists ? target.FindForWrite(c.args[1]) : KeySlot();
  if (!to.ok()) return to.status();
  const bool moves = from->exists && !to->exists;
  if (moves) {
    target.Put(&to.value(), from->header);
    c.keys.Remove(&from.value());
  }
  c.reply.Integer(moves ? 1 : 0);
  return Status::Ok();
}

Status SwapDb(CommandContext& c) {
  const auto first = SwappedDatabase(c, 1, "ERR invalid first DB index");
  if (!first) return Status::Ok();
  const auto second = SwappedDatabase(c, 2, "ERR invalid second DB index");
  if (!second) return Status::Ok();
  if (!IsDatabase(c, *first) || !IsDatabase(c, *second)) {
    c.reply.Error(errors::kNoSuchDatabase);
    return Status::Ok();
  }
  c.unit.SwapDatabases(static_cast<int>(*first), static_cast<int>(*second));
  c.reply.Ok();
  return Status::Ok();
}

}  // namespace redis::generic_commands
