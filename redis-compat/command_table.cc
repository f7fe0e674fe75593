// SPDX-License-Identifier: BSD-3-Clause
// Rows are written by family. The lookup is a hash table that the compiler builds: open addressing
// over the lower-case bytes of the name, so that a lookup is one hash and rarely more than one
// comparison.

#include "redis-compat/command_table.h"

#include <array>
#include <cstdint>

#include "redis-compat/commands/handlers.h"
#include "redis-compat/letters.h"

namespace redis {

namespace {

namespace str = string_commands;
namespace gen = generic_commands;
namespace obj = object_commands;
namespace exp = expire_commands;
namespace con = connection_commands;
namespace cli = client_commands;
namespace wai = waiting_commands;
namespace sav = saving_commands;
namespace srv = server_commands;
namespace mem = memory_commands;
namespace isp = introspection_commands;
namespace dbg = debug_commands;
namespace slo = slowlog_commands;
namespace lat = latency_commands;
namespace txn = transaction_commands;

// Names that keep a row on one line.
constexpr CommandFamily kStrings{CommandGroup::kString, kAclString};
constexpr CommandFamily kGenerics{CommandGroup::kGeneric, kAclKeyspace};
constexpr CommandFamily kContainers{CommandGroup::kGeneric, 0};
constexpr CommandFamily kDangerous{CommandGroup::kGeneric, kAclKeyspace | kAclDangerous};
constexpr CommandFamily kCounting{CommandGroup::kServer, kAclKeyspace};
constexpr CommandFamily kFlushing{CommandGroup::kServer, kAclKeyspace | kAclDangerous};

constexpr CommandFamily kConnection{CommandGroup::kConnection, kAclConnection};
constexpr CommandFamily kClients{CommandGroup::kConnection, 0};
constexpr CommandFamily kWaiting{CommandGroup::kGeneric, kAclConnection};
constexpr CommandFamily kCommands{CommandGroup::kServer, kAclConnection};
constexpr CommandFamily kServers{CommandGroup::kServer, 0};
constexpr CommandFamily kSaves{CommandGroup::kServer, kAclAdmin | kAclDangerous};
constexpr CommandFamily kTelling{CommandGroup::kServer, kAclDangerous};
constexpr CommandFamily kTransactions{CommandGroup::kTransactions, kAclTransaction};

constexpr uint32_t kGrow = kWrite | kDenyOom;
constexpr uint32_t kFastGrow = kGrow | kFast;
constexpr uint32_t kFastWrite = kWrite | kFast;
constexpr uint32_t kFastRead = kReadonly | kFast;
constexpr uint32_t kFastLook = kFastRead | kNoTouch;
constexpr uint32_t kLook = kReadonly | kNoTouch;
constexpr uint32_t kAnytime = kLoading | kStale;
constexpr uint32_t kCalm = kNoscript | kAnytime;
constexpr uint32_t kManage = kAdmin | kCalm;
constexpr uint32_t kAlways = kCalm | kFast | kAllowBusy;
constexpr uint32_t kHandshake = kCalm | kFast | kNoAuth | kAllowBusy;

constexpr uint32_t kModify = kKeyRw | kKeyAccess | kKeyUpdate;
constexpr uint32_t kSetKey = kModify | kKeyVariableFlags;
constexpr uint32_t kTouch = kKeyRw | kKeyUpdate;
constexpr uint32_t kTake = kKeyRw | kKeyAccess | kKeyDelete;
constexpr uint32_t kGrowKey = kKeyRw | kKeyInsert;
constexpr uint32_t kReplace = kKeyOw | kKeyUpdate;
constexpr uint32_t kInsert = kKeyOw | kKeyInsert;
constexpr uint32_t kRemove = kKeyRm | kKeyDelete;
constexpr uint32_t kReadKey = kKeyRo | kKeyAccess;

// clang-format off
constexpr CommandSpec kRows[] = {
    // Strings.
    {"append",      str::Append,      3,  kFastGrow,  OneKey(kGrowKey),             kStrings},
    {"decr",        str::Decr,        2,  kFastGrow,  OneKey(kModify),              kStrings},
    {"decrby",      str::DecrBy,      3,  kFastGrow,  OneKey(kModify),              kStrings},
    {"get",         str::Get,         2,  kFastRead,  OneKey(kReadKey),             kStrings},
    {"getdel",      str::GetDel,      2,  kFastWrite, OneKey(kTake),                kStrings},
    {"getex",       str::GetEx,       -2, kFastWrite, OneKey(kModify),              kStrings},
    {"getrange",    str::GetRange,    4,  kReadonly,  OneKey(kReadKey),             kStrings},
    {"getset",      str::GetSet,      3,  kFastGrow,  OneKey(kModify),              kStrings},
    {"incr",        str::Incr,        2,  kFastGrow,  OneKey(kModify),              kStrings},
    {"incrby",      str::IncrBy,      3,  kFastGrow,  OneKey(kModify),              kStrings},
    {"incrbyfloat", str::IncrByFloat, 3,  kFastGrow,  OneKey(kModify),              kStrings},
    {"lcs",         str::Lcs,         -3, kReadonly,  TwoKeys(kReadKey),            kStrings},
    {"mget",        str::MGet,        -2, kFastRead,  AllKeys(kReadKey),            kStrings},
    {"mset",        str::MSet,        -3, kGrow,      KeyValuePairs(kReplace),      kStrings},
    {"msetnx",      str::MSetNx,      -3, kGrow,      KeyValuePairs(kInsert),       kStrings},
    {"psetex",      str::PSetEx,      4,  kGrow,      OneKey(kReplace),             kStrings},
    {"set",         str::Set,         -3, kGrow,      OneKey(kSetKey),              kStrings},
    {"setex",       str::SetEx,       4,  kGrow,      OneKey(kReplace),             kStrings},
    {"setnx",       str::SetNx,       3,  kFastGrow,  OneKey(kInsert),              kStrings},
    {"setrange",    str::SetRange,    4,  kGrow,      OneKey(kTouch),               kStrings},
    {"strlen",      str::StrLen,      2,  kFastRead,  OneKey(kKeyRo),               kStrings},
    {"substr",      str::GetRange,    4,  kReadonly,  OneKey(kReadKey),             kStrings},

    // Keys of any type.
    {"copy",        gen::Copy,        -3, kGrow,      OneKey(kReadKey),             kGenerics,
     SecondKey(kReplace)},
    {"dbsize",      gen::DbSize,      1,  kFastRead,  kNoKeys,                      kCounting},
    {"del",         gen::Del,         -2, kWrite,     AllKeys(kRemove),             kGenerics},
    {"exists",      gen::Exists,      -2, kFastLook,  AllKeys(kKeyRo),              kGenerics},
    {"flushall",    gen::FlushAll,    -1, kWrite,     kNoKeys,                      kFlushing},
    {"flushdb",     gen::FlushDb,     -1, kWrite,     kNoKeys,                      kFlushing},
    {"keys",        gen::Keys,        2,  kReadonly,  kNoKeys,                      kDangerous},
    {"move",        gen::Move,        3,  kFastWrite, OneKey(kModify),              kGenerics},
    {"object",      nullptr,          -2, 0,          kNoKeys,                      kContainers},
    {"object|encoding", obj::Encoding, 3, kLook,      SecondKey(kKeyRo),            kGenerics},
    {"object|freq", obj::Freq,        3,  kLook,      SecondKey(kKeyRo),            kGenerics},
    {"object|help", obj::Help,        2,  kAnytime,   kNoKeys,                      kGenerics},
    {"object|idletime", obj::IdleTime, 3, kLook,      SecondKey(kKeyRo),            kGenerics},
    {"object|refcount", obj::RefCount, 3, kLook,      SecondKey(kKeyRo),            kGenerics},
    {"randomkey",   gen::RandomKey,   1,  kReadonly,  kNoKeys,                      kGenerics},
    {"rename",      gen::Rename,      3,  kWrite,     OneKey(kTake),                kGenerics,
     SecondKey(kReplace)},
    {"renamenx",    gen::RenameNx,    3,  kFastWrite, OneKey(kTake),                kGenerics,
     SecondKey(kInsert)},
    {"scan",        gen::Scan,        -2, kReadonly,  kNoKeys,                      kGenerics},
    {"swapdb",      gen::SwapDb,      3,  kFastWrite, kNoKeys,                      kFlushing},
    {"touch",       gen::Touch,       -2, kFastRead,  AllKeys(kKeyRo),              kGenerics},
    {"type",        gen::Type,        2,  kFastLook,  OneKey(kKeyRo),               kGenerics},
    {"unlink",      gen::Del,         -2, kFastWrite, AllKeys(kRemove),             kGenerics},

    // Expiry.
    {"expire",      exp::Expire,      -3, kFastWrite, OneKey(kTouch),               kGenerics},
    {"expireat",    exp::ExpireAt,    -3, kFastWrite, OneKey(kTouch),               kGenerics},
    {"expiretime",  exp::ExpireTime,  2,  kFastLook,  OneKey(kReadKey),             kGenerics},
    {"persist",     exp::Persist,     2,  kFastWrite, OneKey(kTouch),               kGenerics},
    {"pexpire",     exp::PExpire,     -3, kFastWrite, OneKey(kTouch),               kGenerics},
    {"pexpireat",   exp::PExpireAt,   -3, kFastWrite, OneKey(kTouch),               kGenerics},
    {"pexpiretime", exp::PExpireTime, 2,  kFastLook,  OneKey(kReadKey),             kGenerics},
    {"pttl",        exp::PTtl,        2,  kFastLook,  OneKey(kReadKey),             kGenerics},
    {"ttl",         exp::Ttl,         2,  kFastLook,  OneKey(kReadKey),             kGenerics},

    // The connection.
    {"auth",        con::Auth,        -2, kHandshake, kNoKeys,                      kConnection},
    {"client",      nullptr,          -2, 0,          kNoKeys,                      kClients},
    {"client|caching", cli::Caching,  3,  kCalm,      kNoKeys,                      kConnection},
    {"client|getname", cli::GetName,  2,  kCalm,      kNoKeys,                      kConnection},
    {"client|getredir", cli::GetRedir, 2, kCalm,      kNoKeys,                      kConnection},
    {"client|help", cli::Help,        2,  kAnytime,   kNoKeys,                      kConnection},
    {"client|id",   cli::Id,          2,  kCalm,      kNoKeys,                      kConnection},
    {"client|info", cli::Info,        2,  kCalm,      kNoKeys,                      kConnection},
    {"client|kill", cli::Kill,        -3, kManage,    kNoKeys,                      kConnection},
    {"client|list", cli::List,        -2, kManage,    kNoKeys,                      kConnection},
    {"client|no-evict", cli::NoEvict, 3,  kManage,    kNoKeys,                      kConnection},
    {"client|no-touch", cli::NoTouch, 3,  kCalm,      kNoKeys,                      kConnection},
    {"client|pause", cli::Pause,      -3, kManage,    kNoKeys,                      kConnection},
    {"client|reply", cli::Reply,      3,  kCalm,      kNoKeys,                      kConnection},
    {"client|setinfo", cli::SetInfo,  4,  kCalm,      kNoKeys,                      kConnection},
    {"client|setname", cli::SetName,  3,  kCalm,      kNoKeys,                      kConnection},
    {"client|tracking", cli::Tracking, -3, kCalm,     kNoKeys,                      kConnection},
    {"client|trackinginfo", cli::TrackingInfo, 2, kCalm, kNoKeys,                   kConnection},
    {"client|unblock", cli::Unblock,  -3, kManage,    kNoKeys,                      kConnection},
    {"client|unpause", cli::Unpause,  2,  kManage,    kNoKeys,                      kConnection},
    {"echo",        con::Echo,        2,  kAnytime | kFast, kNoKeys,                kConnection},
    {"hello",       con::Hello,       -1, kHandshake, kNoKeys,                      kConnection},
    {"ping",        con::Ping,        -1, kFast,      kNoKeys,                      kConnection},
    {"quit",        con::Quit,        -1, kHandshake, kNoKeys,                      kConnection},
    {"reset",       con::Reset,       1,  kHandshake, kNoKeys,                      kConnection},
    {"select",      con::Select,      2,  kAnytime | kFast, kNoKeys,                kConnection},
    {"wait",        wai::Wait,        3,  kNoscript,  kNoKeys,                      kWaiting},
    {"waitaof",     wai::WaitAof,     4,  kNoscript,  kNoKeys,                      kWaiting},

    // Transactions.
    {"discard",     txn::Discard,     1,  kAlways,    kNoKeys,                      kTransactions},
    {"exec",        txn::Exec,        1,  kCalm | kSkipSlowlog, kNoKeys,            kTransactions},
    {"multi",       txn::Multi,       1,  kAlways,    kNoKeys,                      kTransactions},
    {"unwatch",     txn::Unwatch,     1,  kAlways,    kNoKeys,                      kTransactions},
    {"watch",       txn::Watch,       -2, kAlways,    AllKeys(kKeyRo),              kTransactions},

    // Saving and stopping.
    {"bgsave",      sav::BgSave,      -1, kAdmin | kNoscript | kNoAsyncLoading, kNoKeys, kServers},
    {"lastsave",    sav::LastSave,    1,  kLoading | kStale | kFast, kNoKeys,       kSaves},
    {"save",        sav::Save,        1,  kAdmin | kNoscript | kNoAsyncLoading | kNoMulti, kNoKeys,
     kServers},
    {"shutdown",    sav::Shutdown,    -1, kManage | kNoMulti | kAllowBusy, kNoKeys, kServers},

    // The server. A container has no handler, unless it is a command of its own as well.
    {"command",     isp::Command,     -1, kAnytime,   kNoKeys,                      kCommands},
    {"command|count", isp::CommandCount, 2, kAnytime, kNoKeys,                      kCommands},
    {"command|docs", isp::CommandDocs, -2, kAnytime,  kNoKeys,                      kCommands},
    {"command|getkeys", isp::CommandGetKeys, -3, kAnytime, kNoKeys,                 kCommands},
    {"command|getkeysandflags", isp::CommandGetKeysAndFlags, -3, kAnytime, kNoKeys, kCommands},
    {"command|help", isp::CommandHelp, 2, kAnytime,   kNoKeys,                      kCommands},
    {"command|info", isp::CommandInfo, -2, kAnytime,  kNoKeys,                      kCommands},
    {"command|list", isp::CommandList, -2, kAnytime,  kNoKeys,                      kCommands},
    {"config",      nullptr,          -2, 0,          kNoKeys,                      kServers},
    {"config|get",  srv::ConfigGet,   -3, kManage,    kNoKeys,                      kServers},
    {"config|help", srv::ConfigHelp,  2,  kAnytime,   kNoKeys,                      kServers},
    {"config|resetstat", srv::ConfigResetStat, 2, kManage, kNoKeys,                 kServers},
    {"config|rewrite", srv::ConfigRewrite, 2, kManage, kNoKeys,                     kServers},
    {"config|set",  srv::ConfigSet,   -4, kManage,    kNoKeys,                      kServers},
    {"debug",       dbg::Debug,       -2, kManage | kProtected, kNoKeys,            kServers},
    {"info",        srv::Info,        -1, kAnytime,   kNoKeys,                      kTelling},
    {"latency",     nullptr,          -2, 0,          kNoKeys,                      kServers},
    {"latency|doctor", lat::Doctor,   2,  kManage,    kNoKeys,                      kServers},
    {"latency|graph", lat::Graph,     3,  kManage,    kNoKeys,                      kServers},
    {"latency|help", lat::Help,       2,  kAnytime,   kNoKeys,                      kServers},
    {"latency|histogram", lat::Histogram, -2, kManage, kNoKeys,                     kServers},
    {"latency|history", lat::History, 3,  kManage,    kNoKeys,                      kServers},
    {"latency|latest", lat::Latest,   2,  kManage,    kNoKeys,                      kServers},
    {"latency|reset", lat::Reset,     -2, kManage,    kNoKeys,                      kServers},
    {"lolwut",      srv::Lolwut,      -1, kFastRead,  kNoKeys,                      kServers},
    {"memory",      nullptr,          -2, 0,          kNoKeys,                      kServers},
    {"memory|doctor", mem::Doctor,    2,  0,          kNoKeys,                      kServers},
    {"memory|help", mem::Help,        2,  kAnytime,   kNoKeys,                      kServers},
    {"memory|malloc-stats", mem::MallocStats, 2, 0,   kNoKeys,                      kServers},
    {"memory|purge", mem::Purge,      2,  0,          kNoKeys,                      kServers},
    {"memory|stats", mem::Stats,      2,  0,          kNoKeys,                      kServers},
    {"memory|usage", mem::Usage,      -3, kLook,      SecondKey(kKeyRo),            kServers},
    {"monitor",     monitor_commands::Monitor, 1, kManage, kNoKeys,                 kServers},
    {"time",        srv::Time,        1,  kAnytime | kFast, kNoKeys,                kServers},
    {"slowlog",     nullptr,          -2, 0,          kNoKeys,                      kServers},
    {"slowlog|get", slo::Get,         -2, kAdmin | kAnytime, kNoKeys,               kServers},
    {"slowlog|help", slo::Help,       2,  kAnytime,   kNoKeys,                      kServers},
    {"slowlog|len", slo::Len,         2,  kAdmin | kAnytime, kNoKeys,               kServers},
    {"slowlog|reset", slo::Reset,     2,  kAdmin | kAnytime, kNoKeys,               kServers},
};
// clang-format on

constexpr size_t kRowCount = std::size(kRows);

// FNV-1a over the lower-case bytes of a name, also in parts.
constexpr uint32_t kHashSeed = 2166136261u;
constexpr uint32_t HashName(std::string_view name, uint32_t hash = kHashSeed) {
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(ToLower(c))) * 16777619u;
  }
  return hash;
}

constexpr size_t kSlots = 1024;
constexpr int16_t kEmptySlot = -1;
static_assert(kRowCount * 4 <= kSlots, "the lookup table is too full to be fast");

consteval std::array<int16_t, kSlots> BuildLookup() {
  std::array<int16_t, kSlots> slots{};
  slots.fill(kEmptySlot);
  for (size_t row = 0; row < kRowCount; ++row) {
    size_t slot = HashName(kRows[row].name) % kSlots;
    while (slots[slot] != kEmptySlot) slot = (slot + 1) % kSlots;
    slots[slot] = static_cast<int16_t>(row);
  }
  return slots;
}
constexpr std::array<int16_t, kSlots> kLookup = BuildLookup();

consteval bool NamesAreUniqueAndLowerCase() {
  for (size_t i = 0; i < kRowCount; ++i) {
    for (const char c : kRows[i].name) {
      if (c != ToLower(c)) return false;
    }
    for (size_t j = i + 1; j < kRowCount; ++j) {
      if (kRows[i].name == kRows[j].name) return false;
    }
  }
  return true;
}
static_assert(NamesAreUniqueAndLowerCase());

// Every key a row promises must be there when the arity is met.
consteval bool AritiesHoldTheirKeys() {
  for (const CommandSpec& row : kRows) {
    const int least = row.arity < 0 ? -row.arity : row.arity;
    if (row.arity == 0 || (row.is_subcommand() && least < 2)) return false;
    const KeySpec& keys = row.keys;
    if (keys.first == 0) {
      if (keys.last != 0 || keys.step != 0 || keys.flags != 0) return false;
      continue;
    }
    if (keys.step <= 0 || keys.first >= least) return false;
    if (keys.last >= least) return false;
    if (keys.last >= 0 && keys.last < keys.first) return false;
    if (keys.last < 0 && row.arity > 0) return false;  // a fixed count needs no open end
    // WATCH names keys that it neither reads nor writes.
    if (!row.Is(kWrite | kReadonly) && row.name != "watch") return false;
    const KeySpec& second = row.second_key;
    if (second.first == 0) continue;
    if (keys.first != 1 || keys.last != 1 || second.first != 2 || second.last != 2 || least < 3) {
      return false;
    }
  }
  return true;
}
static_assert(AritiesHoldTheirKeys());

consteval bool NeverBothWriteAndReadonly() {
  for (const CommandSpec& row : kRows) {
    if (row.Is(kWrite) && row.Is(kReadonly)) return false;
  }
  return true;
}
static_assert(NeverBothWriteAndReadonly());

consteval bool SubcommandsFollowTheirContainer() {
  std::string_view container;
  for (const CommandSpec& row : kRows) {
    const size_t bar = row.name.find('|');
    if (bar == std::string_view::npos) {
      container = row.name;
    } else if (row.name.substr(0, bar) != container) {
      return false;
    }
  }
  return true;
}
static_assert(SubcommandsFollowTheirContainer());

}  // namespace

std::span<const CommandSpec> AllCommands() { return kRows; }

const CommandSpec* FindCommand(std::string_view name) {
  for (size_t slot = HashName(name) % kSlots; kLookup[slot] != kEmptySlot;
       slot = (slot + 1) % kSlots) {
    const CommandSpec& row = kRows[static_cast<size_t>(kLookup[slot])];
    if (EqualsIgnoringCase(row.name, name)) return &row;
  }
  return nullptr;
}

const CommandSpec* FindSubcommand(std::string_view container, std::string_view sub) {
  const uint32_t hash = HashName(sub, HashName("|", HashName(container)));
  for (size_t slot = hash % kSlots; kLookup[slot] != kEmptySlot; slot = (slot + 1) % kSlots) {
    const CommandSpec& row = kRows[static_cast<size_t>(kLookup[slot])];
    const size_t bar = row.name.find('|');
    if (bar == std::string_view::npos) continue;
    if (EqualsIgnoringCase(row.name.substr(0, bar), container) &&
        EqualsIgnoringCase(row.name.substr(bar + 1), sub)) {
      return &row;
    }
  }
  return nullptr;
}

bool HasSubcommands(const CommandSpec& spec) {
  const size_t next = CommandIndex(spec) + 1;
  return !spec.is_subcommand() && next < kRowCount && kRows[next].is_subcommand();
}

size_t CommandIndex(const CommandSpec& spec) { return static_cast<size_t>(&spec - kRows); }

}  // namespace redis
