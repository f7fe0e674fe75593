// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/command_docs.h"

namespace redis {
namespace {

constexpr std::string_view kConstant = "O(1)";
constexpr std::string_view kPerKey = "O(N) in the number of keys";
constexpr std::string_view kPerClient = "O(N) in the number of clients";
constexpr std::string_view kDepends = "Depends on the subcommand";

constexpr std::string_view kMultiShard = "request_policy:multi_shard response_policy:agg_sum";
constexpr std::string_view kAllShards = "request_policy:all_shards response_policy:all_succeeded";
constexpr std::string_view kAllNodes = "request_policy:all_nodes response_policy:all_succeeded";
constexpr std::string_view kEachNodeVaries =
    "nondeterministic_output request_policy:all_nodes response_policy:special";
constexpr std::string_view kVaries = "nondeterministic_output";
constexpr std::string_view kVariesOnShards =
    "nondeterministic_output request_policy:all_shards response_policy:special";
constexpr std::string_view kVariesInOrder = "nondeterministic_output_order";

constexpr CommandDoc kDocs[] = {
    // strings
    {"append", "2.0.0", "Adds bytes to the end of a string; an absent key counts as empty.",
     "O(N) in the length of the whole string", "key:key value:string"},
    {"decr", "1.0.0", "Takes one from the integer at a key; an absent key counts as 0.", kConstant,
     "key:key"},
    {"decrby", "1.0.0", "Takes a number from the integer at a key; an absent key counts as 0.",
     kConstant, "key:key decrement:integer"},
    {"get", "1.0.0", "Answers the string at a key.", kConstant, "key:key"},
    {"getdel", "6.2.0", "Answers the string at a key and deletes the key.", kConstant, "key:key"},
    {"getex", "6.2.0", "Answers the string at a key and sets or removes its expiry.", kConstant,
     "key:key [expiration(EX=seconds:integer|PX=milliseconds:integer|"
     "EXAT=unix-time-seconds:unix-time|PXAT=unix-time-milliseconds:unix-time|persist!PERSIST)]"},
    {"getrange", "2.4.0", "Answers a part of the string at a key.",
     "O(N) in the length of the answer", "key:key start:integer end:integer"},
    {"getset", "1.0.0", "Sets a string and answers what was there before.", kConstant,
     "key:key value:string", "", "6.2.0", "`SET` with `GET`"},
    {"incr", "1.0.0", "Adds one to the integer at a key; an absent key counts as 0.", kConstant,
     "key:key"},
    {"incrby", "1.0.0", "Adds a number to the integer at a key; an absent key counts as 0.",
     kConstant, "key:key increment:integer"},
    {"incrbyfloat", "2.6.0",
     "Adds a decimal fraction to the number at a key; an absent key counts as 0.", kConstant,
     "key:key increment:double"},
    {"lcs", "7.0.0", "Answers the longest bytes that two strings share in the same order.",
     "O(N*M/64) in the lengths of the strings",
     "key1:key key2:key [len!LEN] [idx!IDX] [MINMATCHLEN=min-match-len:integer] "
     "[withmatchlen!WITHMATCHLEN]"},
    {"mget", "1.0.0", "Answers the strings at several keys as of one point in time.", kPerKey,
     "key:key...", "request_policy:multi_shard"},
    {"mset", "1.0.1", "Sets several strings at once.", kPerKey, "data{key:key value:string}...",
     "request_policy:multi_shard response_policy:all_succeeded"},
    {"msetnx", "1.0.1", "Sets several strings at once, unless one of the keys exists.", kPerKey,
     "data{key:key value:string}..."},
    {"psetex", "2.6.0", "Sets a string that expires after some milliseconds.", kConstant,
     "key:key milliseconds:integer value:string", "", "2.6.12", "`SET` with `PX`"},
    {"set", "1.0.0", "Sets a string, whatever was at the key, with conditions and an expiry.",
     kConstant,
     "key:key value:string [condition(nx!NX|xx!XX)@2.6.12] [get!GET@6.2.0] "
     "[expiration(EX=seconds:integer@2.6.12|PX=milliseconds:integer@2.6.12|"
     "EXAT=unix-time-seconds:unix-time@6.2.0|PXAT=unix-time-milliseconds:unix-time@6.2.0|"
     "keepttl!KEEPTTL@6.0.0)]"},
    {"setex", "2.0.0", "Sets a string that expires after some seconds.", kConstant,
     "key:key seconds:integer value:string", "", "2.6.12", "`SET` with `EX`"},
    {"setnx", "1.0.0", "Sets a string unless the key exists.", kConstant, "key:key value:string",
     "", "2.6.12", "`SET` with `NX`"},
    {"setrange", "2.2.0",
     "Overwrites a part of the string at a key; an absent key counts as empty.",
     "O(N) in the length of the whole string", "key:key offset:integer value:string"},
    {"strlen", "2.2.0", "Answers the length of the string at a key.", kConstant, "key:key"},
    {"substr", "1.0.0", "Answers a part of the string at a key.",
     "O(N) in the length of the answer", "key:key start:integer end:integer", "", "2.0.0",
     "`GETRANGE`"},

    // keys of any type
    {"copy", "6.2.0", "Copies a key with its expiry to another key.", "O(N) in the value's length",
     "source:key destination:key [DB=destination-db:integer] [replace!REPLACE]"},
    {"dbsize", "1.0.0", "Answers the number of keys in the database.", kConstant, "",
     "request_policy:all_shards response_policy:agg_sum"},
    {"del", "1.0.0", "Deletes keys and answers how many there were.", kPerKey, "key:key...",
     kMultiShard},
    {"exists", "1.0.0", "Answers how many of the keys exist.", kPerKey, "key:key...", kMultiShard},
    {"flushall", "1.0.0", "Deletes every key of every database.", kConstant,
     "[flush-type(async!ASYNC@4.0.0|sync!SYNC@6.2.0)]", kAllShards},
    {"flushdb", "1.0.0", "Deletes every key of the database.", kConstant,
     "[flush-type(async!ASYNC@4.0.0|sync!SYNC@6.2.0)]", kAllShards},
    {"keys", "1.0.0", "Answers the names of all keys that match a pattern.",
     "O(N) in the number of keys that begin with the pattern's literal beginning",
     "pattern:pattern", "request_policy:all_shards nondeterministic_output_order"},
    {"move", "1.0.0", "Moves a key with its expiry to another database.",
     "O(N) in the value's length", "key:key db:integer"},
    {"object", "2.2.3", "Looks at how what is at a key is kept.", kDepends},
    {"object|encoding", "2.2.3", "Answers how the value at a key is encoded.", kConstant, "key:key",
     kVaries},
    {"object|freq", "4.0.0",
     "Answers how often a key is accessed, on a logarithmic scale, under an LFU policy.", kConstant,
     "key:key", kVaries},
    {"object|help", "6.2.0", "Says what the subcommands do.", kConstant},
    {"object|idletime", "2.2.3",
     "Answers the seconds since a key was last accessed, under an LRU policy.", kConstant,
     "key:key", kVaries},
    {"object|refcount", "2.2.3",
     "Answers how often Redis would refer to the value: without limit for small integers, else "
     "once.",
     kConstant, "key:key", kVaries},
    {"randomkey", "1.0.0", "Answers a key that is picked by chance.", kConstant, "",
     "request_policy:all_shards nondeterministic_output"},
    {"rename", "1.0.0", "Gives a key another name, whatever was there.",
     "O(N) in the value's length", "key:key newkey:key"},
    {"renamenx", "1.0.0", "Gives a key another name, unless that is taken.",
     "O(N) in the value's length", "key:key newkey:key"},
    {"scan", "2.8.0", "Walks the keys of the database a few at a time.",
     "O(1) a call, O(N) for the whole walk",
     "cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] [TYPE=type:string@6.0.0]",
     "nondeterministic_output request_policy:special"},
    {"swapdb", "4.0.0", "Exchanges two databases.", kConstant, "index1:integer index2:integer"},
    {"touch", "3.2.1", "Answers how many of the keys exist; counts as an access.", kPerKey,
     "key:key...", kMultiShard},
    {"type", "1.0.0", "Answers the type of what is at a key.", kConstant, "key:key"},
    {"unlink", "4.0.0", "Deletes keys; here the same as DEL, which never blocks either.", kPerKey,
     "key:key...", kMultiShard},

    // expiry
    {"expire", "1.0.0", "Sets the seconds after which a key expires.", kConstant,
     "key:key seconds:integer"
     " [condition(nx!NX|xx!XX|gt!GT|lt!LT)@7.0.0]"},
    {"expireat", "1.2.0", "Sets the second at which a key expires.", kConstant,
     "key:key unix-time-seconds:unix-time"
     " [condition(nx!NX|xx!XX|gt!GT|lt!LT)@7.0.0]"},
    {"expiretime", "7.0.0", "Answers the second at which a key expires.", kConstant, "key:key"},
    {"persist", "2.2.0", "Removes the expiry of a key.", kConstant, "key:key"},
    {"pexpire", "2.6.0", "Sets the milliseconds after which a key expires.", kConstant,
     "key:key milliseconds:integer"
     " [condition(nx!NX|xx!XX|gt!GT|lt!LT)@7.0.0]"},
    {"pexpireat", "2.6.0", "Sets the millisecond at which a key expires.", kConstant,
     "key:key unix-time-milliseconds:unix-time"
     " [condition(nx!NX|xx!XX|gt!GT|lt!LT)@7.0.0]"},
    {"pexpiretime", "7.0.0", "Answers the millisecond at which a key expires.", kConstant,
     "key:key"},
    {"pttl", "2.6.0", "Answers the milliseconds that a key has left.", kConstant, "key:key",
     kVaries},
    {"ttl", "1.0.0", "Answers the seconds that a key has left.", kConstant, "key:key", kVaries},

    // connection
    {"auth", "1.0.0", "Authenticates the connection.", kConstant,
     "[username:string@6.0.0] password:string"},
    {"client", "2.4.0", "Looks at and manages the connections of clients.", kDepends},
    {"client|caching", "6.0.0", "Says whether keys of the next command are tracked.", kConstant,
     "mode(yes!YES|no!NO)"},
    {"client|getname", "2.6.9", "Answers the connection's name.", kConstant},
    {"client|getredir", "6.0.0", "Answers the connection that invalidations are redirected to.",
     kConstant},
    {"client|help", "5.0.0", "Says what the subcommands do.", kConstant},
    {"client|id", "5.0.0", "Answers the connection's number.", kConstant},
    {"client|info", "6.2.0", "Answers what is known about the connection.", kConstant, "", kVaries},
    {"client|kill", "2.4.0", "Closes connections.", kPerClient,
     "filter(old-format:string@!2.8.12|new-format(ID=client-id:integer@2.8.12|"
     "TYPE=client-type(normal!NORMAL|master!MASTER@3.2.0|slave!SLAVE|replica!REPLICA@5.0.0|"
     "pubsub!PUBSUB)@2.8.12|USER=username:string|ADDR=addr:string|LADDR=laddr:string@6.2.0|"
     "SKIPME=skipme(yes!YES|no!NO))...)"},
    {"client|list", "2.4.0", "Answers a line for each connection.", kPerClient,
     "[TYPE=client-type(normal!NORMAL|master!MASTER|replica!REPLICA|pubsub!PUBSUB)@5.0.0] "
     "[ID=client-id:integer@6.2.0...]",
     kVaries},
    {"client|no-evict", "7.0.0", "Protects the connection from being closed to save memory.",
     kConstant, "enabled(on!ON|off!OFF)"},
    {"client|no-touch", "7.2.0", "Says whether reads count as uses of their keys.", kConstant,
     "enabled(on!ON|off!OFF)"},
    {"client|pause", "2.9.50", "Has the commands of all clients wait for a while.", kConstant,
     "timeout:integer [mode(write!WRITE|all!ALL)@6.2.0]"},
    {"client|reply", "3.2.0", "Says whether commands are answered.", kConstant,
     "on-off-skip(on!ON|off!OFF|skip!SKIP)"},
    {"client|setinfo", "7.2.0", "Tells which library the client uses.", kConstant,
     "attr(lib-name=libname:string|lib-ver=libver:string)", kAllNodes},
    {"client|setname", "2.6.9", "Names the connection.", kConstant, "connection-name:string",
     kAllNodes},
    {"client|tracking", "6.0.0", "Turns the tracking of keys for client-side caching on or off.",
     "O(1); more with some options",
     "status(on!ON|off!OFF) [REDIRECT=client-id:integer] [PREFIX=prefix:string...*] "
     "[bcast!BCAST] [optin!OPTIN] [optout!OPTOUT] [noloop!NOLOOP]"},
    {"client|trackinginfo", "6.2.0", "Answers what is tracked for the connection.", kConstant},
    {"client|unblock", "5.0.0", "Ends the wait of a client whose command blocks.",
     "O(log N) in the number of clients",
     "client-id:integer [unblock-type(timeout!TIMEOUT|error!ERROR)]"},
    {"client|unpause", "6.2.0", "Has commands that wait for the end of a pause go on.",
     "O(N) in the number of paused clients"},
    {"echo", "1.0.0", "Answers what it was sent.", kConstant, "message:string"},
    {"hello", "6.0.0", "Greets the server, chooses the protocol's version and authenticates.",
     kConstant,
     "[arguments{protover:integer [AUTH=auth{username:string password:string}] "
     "[SETNAME=clientname:string]}]"},
    {"ping", "1.0.0", "Answers, to show that the server is there.", kConstant, "[message:string]",
     kAllShards},
    {"quit", "1.0.0", "Closes the connection.", kConstant, "", "", "7.2.0",
     "just closing the connection"},
    {"reset", "6.2.0", "Puts the connection back as it was when it was made.", kConstant},
    {"select", "1.0.0", "Changes the connection's database.", kConstant, "index:integer"},

    // waiting
    {"wait", "3.0.0", "Waits until replicas have what the connection wrote.", kConstant,
     "numreplicas:integer timeout:integer", "request_policy:all_shards response_policy:agg_min"},
    {"waitaof", "7.2.0", "Waits until what the connection wrote is on disk.", kConstant,
     "numlocal:integer numreplicas:integer timeout:integer",
     "request_policy:all_shards response_policy:agg_min"},

    // transactions
    {"discard", "2.0.0", "Forgets the commands that were queued since MULTI.",
     "O(N) in the number of queued commands"},
    {"exec", "1.2.0", "Runs the commands that were queued since MULTI, as one.",
     "Depends on the queued commands"},
    {"multi", "1.2.0", "Begins to queue commands, for EXEC to run as one.", kConstant},
    {"unwatch", "2.2.0", "Forgets all watched keys.", kConstant},
    {"watch", "2.2.0", "Makes EXEC do nothing if one of the keys is changed before.", kPerKey,
     "key:key..."},

    // server
    {"bgsave", "1.0.0", "Makes a checkpoint in the background.",
     "O(N) in the number of files and the bytes that are not in files yet",
     "[schedule!SCHEDULE@3.2.2]"},
    {"lastsave", "1.0.0", "Answers when the last checkpoint was made, as a Unix time.", kConstant,
     "", kVaries},
    {"save", "1.0.0", "Makes a checkpoint and waits for it; others are served meanwhile.",
     "O(N) in the number of files and the bytes that are not in files yet"},
    {"shutdown", "1.0.0", "Stops the server; what was acknowledged is kept.",
     "O(N) in the bytes that are not in tables yet",
     "[save-selector(nosave!NOSAVE|save!SAVE)] [now!NOW@7.0.0] [force!FORCE@7.0.0] "
     "[abort!ABORT@7.0.0]"},
    {"slowlog", "2.2.12", "Tells which commands took long.", kDepends},
    {"slowlog|get", "2.2.12", "Answers the newest entries of the slow log.",
     "O(N) in the number of entries that are answered", "[count:integer]",
     "request_policy:all_nodes nondeterministic_output"},
    {"slowlog|help", "6.2.0", "Says what the subcommands do.", kConstant},
    {"slowlog|len", "2.2.12", "Answers the number of entries in the slow log.", kConstant, "",
     "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"slowlog|reset", "2.2.12", "Forgets the entries of the slow log.",
     "O(N) in the number of entries", "", kAllNodes},
    {"command", "2.8.13", "Answers what is known about all commands.",
     "O(N) in the number of commands", "", kVariesInOrder},
    {"command|count", "2.8.13", "Answers the number of commands.", kConstant},
    {"command|docs", "7.0.0", "Answers the documentation of commands.",
     "O(N) in the number of commands", "[command-name:string...]", kVariesInOrder},
    {"command|getkeys", "2.8.13", "Answers which arguments of a command are keys.",
     "O(N) in the number of arguments", "command:string [arg:string...]"},
    {"command|getkeysandflags", "7.0.0",
     "Answers which arguments of a command are keys, and what it does with them.",
     "O(N) in the number of arguments", "command:string [arg:string...]"},
    {"command|help", "5.0.0", "Says what the subcommands do.", kConstant},
    {"command|info", "2.8.13", "Answers what is known about the named commands, or all.",
     "O(N) in the number of commands", "[command-name:string...]", kVariesInOrder},
    {"command|list", "7.0.0", "Answers the names of commands.", "O(N) in the number of commands",
     "[FILTERBY=filterby(MODULE=module-name:string|ACLCAT=category:string|"
     "PATTERN=pattern:pattern)]",
     kVariesInOrder},
    {"config", "2.0.0", "Reads and changes the configuration.", kDepends},
    {"config|get", "2.0.0", "Answers the directives that match patterns, with their values.",
     "O(N) in the number of directives", "parameter:string..."},
    {"config|help", "5.0.0", "Says what the subcommands do.", kConstant},
    {"config|resetstat", "2.0.0", "Sets the counters of INFO to zero.", kConstant, "", kAllNodes},
    {"config|rewrite", "2.8.0", "Writes what was set into the configuration file.", kConstant, "",
     kAllNodes},
    {"config|set", "2.0.0", "Changes directives, all or none.", "O(N) in the number of directives",
     "data{parameter:string value:string}...", kAllNodes},
    {"debug", "1.0.0", "Helps with looking for faults and with tests.", kDepends, "", "", "", "",
     true},
    {"info", "1.0.0", "Answers figures about the server, by section.", kConstant,
     "[section:string...]",
     "nondeterministic_output request_policy:all_shards response_policy:special"},
    {"latency", "2.8.13", "Tells what took too long, and how long commands take.", kDepends},
    {"latency|doctor", "2.8.13", "Answers a report for people about what took too long.", kConstant,
     "", kEachNodeVaries},
    {"latency|graph", "2.8.13", "Draws the samples of an event.", kConstant, "event:string",
     kEachNodeVaries},
    {"latency|help", "2.8.13", "Says what the subcommands do.", kConstant},
    {"latency|histogram", "7.0.0", "Answers how many calls of commands took how long.",
     "O(N) in the number of commands that are answered", "[command:string...]", kEachNodeVaries},
    {"latency|history", "2.8.13", "Answers the samples of an event.", kConstant, "event:string",
     kEachNodeVaries},
    {"latency|latest", "2.8.13", "Answers the last sample of each event.", kConstant, "",
     kEachNodeVaries},
    {"latency|reset", "2.8.13", "Forgets the samples of events.", kConstant, "[event:string...]",
     kAllNodes},
    {"lolwut", "5.0.0", "Draws the layers of a lake's floor.", "O(N) in the size of the picture",
     "[VERSION=version:integer]"},
    {"memory", "4.0.0", "Looks at what takes memory.", kDepends},
    {"memory|doctor", "4.0.0", "Says what stands out about the memory's use.", kConstant, "",
     kVariesOnShards},
    {"memory|help", "4.0.0", "Says what the subcommands do.", kConstant},
    {"memory|malloc-stats", "4.0.0", "Answers the allocator's account of itself.",
     "Depends on how much memory is allocated", "", kVariesOnShards},
    {"memory|purge", "4.0.0", "Gives memory that is not used back to the system.",
     "Depends on how much memory is allocated", "", kAllShards},
    {"memory|stats", "4.0.0", "Answers what takes how much memory.",
     "O(N) in the number of databases", "", kVariesOnShards},
    {"memory|usage", "4.0.0", "Answers the bytes that a key takes.", kConstant,
     "key:key [SAMPLES=count:integer]"},
    {"monitor", "1.0.0", "Shows the connection every command that is executed.", kConstant},
    {"time", "2.6.0", "Answers the server's time.", kConstant, "", kVaries},
};

}  // namespace

std::span<const CommandDoc> AllCommandDocs() { return kDocs; }

const CommandDoc* FindCommandDoc(std::string_view name) {
  for (const CommandDoc& doc : kDocs) {
    if (doc.name == name) return &doc;
  }
  return nullptr;
}

}  // namespace redis
