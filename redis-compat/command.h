// SPDX-License-Identifier: BSD-3-Clause
// A command is one row: CommandSpec says everything about it that the dispatcher, ACL, COMMAND and
// later cluster routing and replication need, and names its handler.
//
// Thread safety: rows are constants.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lsm/status.h"
#include "resp/reply_writer.h"

namespace redis {

class Instance;
class Keyspace;
class Session;
class WriteUnit;
struct CommandSpec;

// What a handler works with, for the time of one call.
struct CommandContext {
  Instance& instance;
  Session& session;
  const CommandSpec& spec;
  // args[0] is the name as it was sent; a subcommand's own arguments begin at args[2].
  std::span<const std::string_view> args;
  resp::ReplyWriter& reply;
  // Collects what the command writes; committed by the dispatcher when the handler has returned.
  WriteUnit& unit;
  Keyspace& keys;  // the session's database
  int64_t now_ms;  // the tick's time; the same for every command of the tick
  // EXEC runs the command: it must not block, and `unit` holds writes of the commands before it.
  bool in_transaction = false;
};

// Makes exactly one reply. What Redis answers with an error is a reply (ReplyWriter::Error); a
// status that is not OK means that the engine failed: the dispatcher drops what was replied and
// written and answers with that.
using Handler = lsm::Status(CommandContext& context);

// The flags of Redis 7.2, as COMMAND INFO names them.
enum CommandFlag : uint32_t {
  kWrite = 1u << 0,     // may change data: takes the writer lock, waits while writes are stopped
  kReadonly = 1u << 1,  // reads data
  kDenyOom = 1u << 2,
  kAdmin = 1u << 3,
  kPubsub = 1u << 4,
  kNoscript = 1u << 5,
  kBlocking = 1u << 6,
  kLoading = 1u << 7,
  kStale = 1u << 8,
  kSkipMonitor = 1u << 9,
  kSkipSlowlog = 1u << 10,
  kAsking = 1u << 11,
  kFast = 1u << 12,
  kNoAuth = 1u << 13,
  kMayReplicate = 1u << 14,
  kSentinel = 1u << 15,
  kOnlySentinel = 1u << 16,
  kNoMandatoryKeys = 1u << 17,
  kProtected = 1u << 18,
  kNoAsyncLoading = 1u << 19,
  kNoMulti = 1u << 20,
  kMovableKeys = 1u << 21,
  kAllowBusy = 1u << 22,
  // Not Redis's: looking at the keys is no access (OBJECT FREQ, OBJECT IDLETIME).
  kNoTouch = 1u << 31,
};

// ACL categories, in Redis's order; AclCategories has all of a row's.
enum AclCategory : uint32_t {
  kAclKeyspace = 1u << 0,
  kAclRead = 1u << 1,
  kAclWrite = 1u << 2,
  kAclSet = 1u << 3,
  kAclSortedSet = 1u << 4,
  kAclList = 1u << 5,
  kAclHash = 1u << 6,
  kAclString = 1u << 7,
  kAclBitmap = 1u << 8,
  kAclHyperLogLog = 1u << 9,
  kAclGeo = 1u << 10,
  kAclStream = 1u << 11,
  kAclPubsub = 1u << 12,
  kAclAdmin = 1u << 13,
  kAclFast = 1u << 14,
  kAclSlow = 1u << 15,
  kAclBlocking = 1u << 16,
  kAclDangerous = 1u << 17,
  kAclConnection = 1u << 18,
  kAclTransaction = 1u << 19,
  kAclScripting = 1u << 20,
};

// What a command does with the keys of a key specification, as COMMAND INFO names it.
enum KeyFlag : uint32_t {
  kKeyRo = 1u << 0,
  kKeyRw = 1u << 1,
  kKeyOw = 1u << 2,
  kKeyRm = 1u << 3,
  kKeyAccess = 1u << 4,
  kKeyUpdate = 1u << 5,
  kKeyInsert = 1u << 6,
  kKeyDelete = 1u << 7,
  kKeyNotKey = 1u << 8,
  kKeyIncomplete = 1u << 9,
  kKeyVariableFlags = 1u << 10,
};

// Where the keys are among the arguments. `last` counts from the end if it is negative (-1: the
// last argument). first == 0: the command has no keys.
struct KeySpec {
  int8_t first = 0;
  int8_t last = 0;
  int8_t step = 0;
  uint32_t flags = 0;
};

inline constexpr KeySpec kNoKeys{};
constexpr KeySpec OneKey(uint32_t flags) { return {1, 1, 1, flags}; }
// The second argument: of a subcommand its first own.
constexpr KeySpec SecondKey(uint32_t flags) { return {2, 2, 1, flags}; }
constexpr KeySpec TwoKeys(uint32_t flags) { return {1, 2, 1, flags}; }
constexpr KeySpec AllKeys(uint32_t flags) { return {1, -1, 1, flags}; }
constexpr KeySpec KeyValuePairs(uint32_t flags) { return {1, -1, 2, flags}; }

// As COMMAND DOCS names them.
enum class CommandGroup : uint8_t { kString, kGeneric, kConnection, kServer, kTransactions };

// What a row shares with its neighbours.
struct CommandFamily {
  CommandGroup group;
  uint32_t categories;  // those that the row's flags do not imply
};

struct CommandSpec {
  // Lower case; a subcommand's is "container|sub".
  std::string_view name;
  // Null for a container: a command that only has subcommands.
  Handler* handler;
  // Arguments, the name included: exactly n, or for -n at least n. A subcommand's counts both
  // names.
  int arity;
  uint32_t flags;
  KeySpec keys;
  CommandFamily family;
  // Of commands that do other things with their second key than with their first: `keys` is about
  // the first one alone.
  KeySpec second_key = kNoKeys;

  constexpr bool Is(uint32_t flag) const { return (flags & flag) != 0; }
  constexpr bool is_subcommand() const { return name.find('|') != std::string_view::npos; }
  constexpr bool AcceptsArgumentCount(size_t count) const {
    const auto n = static_cast<int64_t>(count);
    return arity >= 0 ? n == arity : n >= -arity;
  }
};

// The row's categories and those that follow from its flags.
constexpr uint32_t AclCategories(const CommandSpec& spec) {
  uint32_t categories = spec.family.categories;
  if (spec.Is(kWrite)) categories |= kAclWrite;
  if (spec.Is(kReadonly) && (categories & kAclScripting) == 0) categories |= kAclRead;
  if (spec.Is(kAdmin)) categories |= kAclAdmin | kAclDangerous;
  if (spec.Is(kPubsub)) categories |= kAclPubsub;
  if (spec.Is(kBlocking)) categories |= kAclBlocking;
  categories |= spec.Is(kFast) ? kAclFast : kAclSlow;
  return categories;
}

}  // namespace redis
