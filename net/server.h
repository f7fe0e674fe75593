// SPDX-License-Identifier: BSD-3-Clause
// RunServer is the server from its configuration to its exit:
//
//   1. Log the configuration's warnings; fit maxclients and the limit on open files to each other.
//   2. Open the listening sockets, so that a port in use ends it before any data are touched.
//   3. Open the data directory, which replays the log. Clients wait in the kernel's queue.
//   4. Serve until a signal or SHUTDOWN.
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
