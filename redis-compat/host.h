// SPDX-License-Identifier: BSD-3-Clause
// Host is what the Redis layer needs from whoever runs it: the network room in the server, a fake
// in tests. All calls but Post come from the loop's thread.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/listener.h"
#include "lsm/status.h"

namespace redis {

using ClientId = uint64_t;  // never reused

// What the allocator says, in bytes; zeros if it does not tell.
struct MemoryFigures {
  std::string_view allocator = {};  // "jemalloc-5.3.0"
  uint64_t allocated = 0;           // by the program
  uint64_t active = 0;              // in pages that hold something of it
  uint64_t resident = 0;            // in pages that were taken from the system
};

class Host {
 public:
  virtual ~Host() = default;

  // Runs `task` on the loop's thread, soon. Safe from any thread; after Stop it may never run.
  virtual void Post(std::function<void()> task) = 0;
  // The session has output, or input that it may go on with: include it in the next tick.
  virtual void Wake(ClientId client) = 0;
  // The same after a delay: writes are being slowed. Without timers the session tries at once.
  virtual void WakeAfter(ClientId client, int64_t /*delay_micros*/) { Wake(client); }
  // Closes the connection, whatever has not been written to it. Its session dies after the tick.
  virtual void CloseClient(ClientId client) = 0;
  // Leaves the loop after this tick's replies are written. The process exits 0.
  virtual void Stop() = 0;
  // Listening addresses, keepalive, hz and such, after CONFIG SET changed them. If it fails nothing
  // has changed; the message is what follows "... - " in CONFIG SET's error.
  virtual lsm::Status ApplyNetworkConfig() { return lsm::Status::Ok(); }
  virtual MemoryFigures Memory() { return {}; }
  // "epoll": how the network waits for sockets; empty if there is none.
  virtual std::string_view PollingApi() { return {}; }
  // What is listened on, a text each as INFO has them: "name=tcp,bind=127.0.0.1,port=6379".
  virtual std::vector<std::string> Listeners() { return {}; }
  // Asks the allocator to give unused memory back to the system.
  virtual lsm::Status PurgeMemory() { return lsm::Status::Ok(); }
  // The allocator's own account of itself; empty if it has none.
  virtual std::string AllocatorReport() { return {}; }
  // A line for the server's log. Safe from any thread.
  virtual void Log(lsm::LogLevel /*level*/, std::string_view /*message*/) {}
};

}  // namespace redis
