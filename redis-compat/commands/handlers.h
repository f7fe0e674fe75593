// SPDX-License-Identifier: BSD-3-Clause
// Every handler by family; the rows in command_table.cc name them.

#pragma once

#include "redis-compat/command.h"

namespace redis {

namespace string_commands {
Handler Append, Decr, DecrBy, Get, GetDel, GetEx, GetRange, GetSet, Incr, IncrBy, IncrByFloat, Lcs,
    MGet, MSet, MSetNx, PSetEx, Set, SetEx, SetNx, SetRange, StrLen;
}  // namespace string_commands

namespace generic_commands {
Handler Copy, DbSize, Del, Exists, FlushAll, FlushDb, Keys, Move, RandomKey, Rename, RenameNx, Scan,
    SwapDb, Touch, Type;
}  // namespace generic_commands

namespace object_commands {
Handler Encoding, Freq, Help, IdleTime, RefCount;
}  // namespace object_commands

namespace memory_commands {
Handler Doctor, Help, MallocStats, Purge, Stats, Usage;
}  // namespace memory_commands

namespace expire_commands {
Handler Expire, ExpireAt, ExpireTime, Persist, PExpire, PExpireAt, PExpireTime, PTtl, Ttl;
}  // namespace expire_commands

namespace connection_commands {
Handler Auth, Echo, Hello, Ping, Quit, Reset, Select;
}  // namespace connection_commands

namespace client_commands {
Handler Caching, GetName, GetRedir, Help, Id, Info, Kill, List, NoEvict, NoTouch, Pause, Reply,
    SetInfo, SetName, Tracking, TrackingInfo, Unblock, Unpause;
}  // namespace client_commands

namespace monitor_commands {
Handler Monitor;
}  // namespace monitor_commands

namespace waiting_commands {
Handler Wait, WaitAof;
}  // namespace waiting_commands

namespace server_commands {
Handler ConfigGet, ConfigHelp, ConfigResetStat, ConfigRewrite, ConfigSet, Info, Lolwut, Time;
}  // namespace server_commands

namespace slowlog_commands {
Handler Get, Help, Len, Reset;
}  // namespace slowlog_commands

namespace latency_commands {
Handler Doctor, Graph, Help, Histogram, History, Latest, Reset;
}  // namespace latency_commands

namespace saving_commands {
Handler BgSave, LastSave, Save, Shutdown;
}  // namespace saving_commands

namespace introspection_commands {
Handler Command, CommandCount, CommandDocs, CommandGetKeys, CommandGetKeysAndFlags, CommandHelp,
    CommandInfo, CommandList;
}  // namespace introspection_commands

namespace transaction_commands {
Handler Discard, Exec, Multi, Unwatch, Watch;
}  // namespace transaction_commands

namespace debug_commands {
Handler Debug;
}  // namespace debug_commands

}  // namespace redis
