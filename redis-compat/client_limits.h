// SPDX-License-Identifier: BSD-3-Clause
// ClientLimits keeps what clients cost within bounds: each one's input and output, all of them
// together, and how long they may do nothing.
//
//   - Output. Above `client-output-buffer-limit` of its class a client is closed, at once above the
//     hard limit and after a time above the soft one. A class without a hard limit has kMaxOutput.
//     No more commands of a client run while it has kMaxUnsent that it does not read, so that only
//     one large reply, or what others send it, takes a client beyond that.
//   - Input. `client-query-buffer-limit`, for what was received and for what is queued by MULTI.
//   - Together. Above `maxmemory-clients` those with the largest buffers are closed, but for those
//     that said CLIENT NO-EVICT. Their buffers are freed at once.
//   - Time. `timeout`; a client has 30 seconds to authenticate, and 5 minutes to go on with a
//     request that it began.
//
// Memory is summed up as it changes, a session at a time: nothing here walks over all clients, but
// for an eviction, and for the cron, which takes a share of them each time. The cron also takes
// buffers back from clients that have become idle.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "redis-compat/config.h"
#include "redis-compat/log_limiter.h"
#include "redis-compat/session.h"

namespace redis {

class Instance;

class ClientLimits {
 public:
  // No client's output grows beyond this.
  static constexpr size_t kMaxOutput = size_t{1} << 30;

  explicit ClientLimits(Instance* instance);

  // Output above this pauses the client's commands.
  size_t PauseAt(const Session& session) const;
  // What a client's unread output may be. A reply that alone is more ends the client.
  size_t MaxOutput(const Session& session) const;

  // A session's buffers may have changed: bytes were received, commands were run. May close it, or
  // others. REQUIRES: no command is running
  void Update(Session* session);
  // As much of its output was written as its socket takes.
  void OnWritten(Session* session);
  // Must be called before a session dies.
  void Forget(const Session& session);

  // Looks at a share of the clients; at all of them about once a second.
  void Cron();

  // A warning that a client can cause at will: of many in a second only some are logged.
  void Warn(std::string_view message);

  // Of all clients' buffers and what belongs to them.
  size_t memory() const { return memory_; }
  // `maxmemory-clients` in bytes; 0: no limit.
  uint64_t memory_limit() const;

 private:
  const OutputLimit& LimitOf(const Session& session) const;
  bool HasTooMuchOutput(Session* session);
  void OnTooMuchInput(Session* session);
  void OnTooMuchOutput(Session* session);
  bool IsTooSlow(const Session& session) const;
  void Close(Session* session, std::string_view why);
  void Count(Session* session);
  void Evict();

  Instance* const instance_;
  const uint64_t system_memory_;
  size_t memory_ = 0;
  bool nobody_to_evict_ = false;  // until the next cron
  ClientId last_looked_at_ = 0;
  LogLimiter log_;
};

}  // namespace redis
