// SPDX-License-Identifier: BSD-3-Clause
// DEBUG: helps with looking for faults and with tests. Its row is protected: the dispatcher asks
// enable-debug-command.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "redis-compat/client_text.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/digest.h"
#include "redis-compat/errors.h"
#include "redis-compat/help_text.h"
#include "redis-compat/instance.h"
#include "redis-compat/keyspace.h"

namespace redis::debug_commands {
namespace {

// Everything that can be seen of one database.
lsm::Status AddDatabase(CommandContext& context, int database, DataDigest* digest) {
  Keyspace keys(&context.instance, &context.unit, database, context.now_ms);
  lsm::Result<KeyIterator> iterator = keys.NewIterator({});
  if (!iterator.ok()) return iterator.status();
  bool is_empty = true;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    const lsm::Result<Header> header = iterator->header();
    if (!header.ok()) return header.status();
    if (keys.IsExpired(*header)) continue;
    if (is_empty) digest->AddOrdered(static_cast<uint32_t>(database));
    is_empty = false;
    DataDigest entry;
    entry.AddOrdered(iterator->key());
    AddStringValue(header->payload, header->expiry_ms.has_value(), &entry);
    digest->Combine(entry);
  }
  return iterator->status();
}

lsm::Status Digest(CommandContext& context) {
  DataDigest digest;
  for (int database = 0; database < context.instance.settings().databases; ++database) {
    RETURN_IF_ERROR(AddDatabase(context, database, &digest));
  }
  context.unit.ReflectEverything();
  context.reply.Simple(ToHex(digest.value()));
  return {};
}

// An absent key's digest is all zeros.
lsm::Status DigestValue(CommandContext& context) {
  const auto names = context.args.subspan(2);
  context.reply.Array(names.size());
  for (const std::string_view name : names) {
    const lsm::Result<KeySlot> slot = context.keys.Find(name);
    if (!slot.ok()) return slot.status();
    DataDigest digest;
    if (slot->exists) {
      AddStringValue(slot->header.payload, slot->header.expiry_ms.has_value(), &digest);
    }
    context.reply.Simple(ToHex(digest.value()));
  }
  return {};
}

// Redis says an address, a reference count and an idle time, which nothing here has.
lsm::Status Object(CommandContext& context) {
  const lsm::Result<KeySlot> slot = context.keys.Find(context.args[2]);
  if (!slot.ok()) return slot.status();
  if (!slot->exists) {
    context.reply.Error(errors::kNoSuchKey);
    return {};
  }
  std::string stored;
  EncodeHeader(slot->header, &stored);
  context.reply.Simple(fmt::format("Value at:{} encoding:{} serializedlength:{}",
                                   static_cast<const void*>(slot->header.payload.data()),
                                   ToString(slot->header.encoding), stored.size()));
  return {};
}

lsm::Status Sleep(CommandContext& context) {
  constexpr double kMaxSeconds = 24 * 3600;
  const std::string text(context.args[2]);
  const double seconds = strtod(text.c_str(), nullptr);
  if (seconds > 0) {
    const double micros = std::min(seconds, kMaxSeconds) * 1e6;
    context.instance.clock().SleepMicros(static_cast<int64_t>(micros));
  }
  context.reply.Ok();
  return {};
}

lsm::Status Help(CommandContext& context) {
  ReplyHelp(&context.reply, "DEBUG",
            {"DIGEST", "Answer a digest of all data, the same for equal data in any order.",
             "DIGEST-VALUE <key> [<key> ...]", "Answer a digest of each value.", "OBJECT <key>",
             "Answer how a value is stored.", "RELOAD", "Close the database and open it again.",
             "SET-ACTIVE-EXPIRE <0|1>", "Whether expired keys are removed in the background.",
             "SLEEP <seconds>", "Stop the server for so long. Decimals allowed."});
  return {};
}

// Redis's options say what to do with the snapshot file and the data in memory.
lsm::Status Reload(CommandContext& context) {
  for (const std::string_view option : context.args.subspan(2)) {
    if (EqualsIgnoringCase(option, "nosave")) continue;
    const bool is_merging =
        EqualsIgnoringCase(option, "merge") || EqualsIgnoringCase(option, "noflush");
    context.reply.Error(
        is_merging ? "ERR DEBUG RELOAD MERGE and NOFLUSH are about snapshot files, which Varve has "
                     "none of"
                   : "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    return {};
  }
  // What the transaction wrote so far is not committed yet, and must be whole or not at all.
  if (context.in_transaction) {
    context.reply.Error("ERR DEBUG RELOAD is not possible inside a transaction");
    return {};
  }
  RETURN_IF_ERROR(context.instance.Reload());
  context.reply.Ok();
  return {};
}

}  // namespace

lsm::Status Debug(CommandContext& context) {
  const std::string_view name = context.args[1];
  const size_t count = context.args.size();
  if (EqualsIgnoringCase(name, "help") && count == 2) return Help(context);
  if (EqualsIgnoringCase(name, "digest") && count == 2) return Digest(context);
  if (EqualsIgnoringCase(name, "digest-value")) return DigestValue(context);
  if (EqualsIgnoringCase(name, "object") && count == 3) return Object(context);
  if (EqualsIgnoringCase(name, "reload")) return Reload(context);
  if (EqualsIgnoringCase(name, "sleep") && count == 3) return Sleep(context);
  if (EqualsIgnoringCase(name, "set-active-expire") && count == 3) {
    const bool enabled = atoi(std::string(context.args[2]).c_str()) != 0;
    context.instance.config().set_active_expire(enabled);
    context.reply.Ok();
    return {};
  }
  constexpr size_t kMaxQuoted = 128;
  context.reply.Error(
      fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
                  UpToNul(name).substr(0, kMaxQuoted)));
  return {};
}

}  // namespace redis::debug_commands
