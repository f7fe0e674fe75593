// SPDX-License-Identifier: BSD-3-Clause
// RunServer is the server from its configuration to its exit:
//
//   1. Log the configuration's warnings; fit maxclients and the limit on open files to each other.
//   2. Open the listening sockets, so that a port in use ends it before any data are touched.
//   3. Write the pid file: now no other server that is there already can have the same one.
//   4. Serve until a signal or SHUTDOWN. The data directory is opened, which replays the log, on a
//      thread of its own; until that is done clients are told -LOADING.
//   5. Sync and close the database.
//
// Thread safety: none; called once, by main.

#pragma once

#include "net/allocator.h"
#include "redis-compat/config.h"
#include "redis-compat/host.h"

namespace net {

// The process's exit status. What went wrong is in the log.
int RunServer(redis::Config* config, Allocator* allocator);

}  // namespace net
