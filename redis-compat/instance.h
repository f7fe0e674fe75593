// SPDX-License-Identifier: BSD-3-Clause
// Instance owns a server without its sockets: the database, the configuration, the sessions and
// what is counted about them. It runs in ticks:
//
//   BeginTick
//     Run(session)   for each session with input: parses and executes; write commands take the
//                    writer lock at their first write of the tick
//   EndTick          closes the group of write units, gives the writer lock back, and releases the
//                    replies that may leave
//
// Between EndTick and the next BeginTick the network writes the released output.
//
// If the group cannot be appended to the log, every reply that was made since the group's first
// unit is replaced by an error: its writes have no effect, and what was read may have seen them.
//
// Thread safety: none; everything happens on one loop's thread, background threads come in through
// Host::Post.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/db.h"
#include "redis-compat/config.h"
#include "redis-compat/host.h"
#include "redis-compat/session.h"

namespace redis {

class Instance {
 public:
  // Opens the data directory that `config` names. `config` must outlive the instance. The seams of
  // `engine` (file system, clock, executor) are used as they are; its sizes come from `config`.
  static lsm::Result<std::unique_ptr<Instance>> Open(Config* config, Host* host,
                                                     const lsm::Options& engine);
  virtual ~Instance() = default;

  // A new client. If it is refused (maxclients, protected mode), `refusal` is set to the bytes to
  // send before closing, and null is returned.
  virtual Session* Connect(const Session::Peer& peer, std::string* refusal) = 0;
  // The connection is gone. The session is dead on return.
  virtual void Disconnect(ClientId client) = 0;
  virtual Session* Find(ClientId client) = 0;  // null if gone

  virtual void BeginTick() = 0;
  enum class RunResult {
    kIdle,    // all whole commands were executed
    kPaused,  // input may be left: the output is full, writes are stopped, or a command waits; the
              // host is asked to wake the session when it may go on
    kYield,   // input is left and the turn is over: run it again in the next tick
    kClose,   // close once the output is written
  };
  virtual RunResult Run(Session* session) = 0;
  virtual void EndTick() = 0;

  // Ten times a second or so: expiry, syncs, timeouts, statistics.
  virtual void Cron() = 0;

  // Refuses new work, syncs and closes the database. The last call.
  virtual lsm::Status Shutdown() = 0;
};

}  // namespace redis
