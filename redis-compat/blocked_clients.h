// SPDX-License-Identifier: BSD-3-Clause
// BlockedClients parks clients whose command cannot be answered yet.
//
//   1. A handler that has to wait calls Park, makes no reply and writes nothing. The command stays
//      in the session's input, and nothing behind it is executed.
//   2. The client is woken: by what it waits for, by its time, or by CLIENT UNBLOCK.
//   3. In the session's next turn the command is executed again from the start. outcome() tells the
//      handler how the wait ended; it answers, or parks again until the same deadline.
//
// Where a command may not block (inside EXEC) Park does nothing and the handler answers as if its
// time were over. CLIENT PAUSE parks commands before their handler is asked (Postpone): they are
// executed as if they had just come.
//
// A deadline is met within a millisecond: the host is asked for an alarm when it is near, so that
// far deadlines of clients that are woken earlier leave nothing behind.
//
// Clients are addressed by id; one that disconnects is forgotten.
// Thread safety: none; belongs to the loop.

#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "lsm/clock.h"
#include "lsm/types.h"
#include "redis-compat/command.h"
#include "redis-compat/config.h"
#include "redis-compat/host.h"
#include "redis-compat/session.h"

namespace redis {

class BlockedClients {
 public:
  enum class Reason : uint8_t {
    kReplicas,  // WAIT
    kSync,      // WAITAOF
    kDelay,     // a failed authentication: is no wait of the client's, and cannot be cut short
    kPause,     // CLIENT PAUSE
    kSave,      // SAVE, until its checkpoint has ended
    kShutdown,  // SHUTDOWN SAVE likewise; kTimedOut: it was aborted
  };
  enum class Outcome : uint8_t {
    kNone,       // the command is executed for the first time, or still waits
    kReady,      // what it waits for has happened, or may have
    kTimedOut,   // also after CLIENT UNBLOCK TIMEOUT
    kUnblocked,  // CLIENT UNBLOCK ERROR; the dispatcher answers
  };

  BlockedClients(lsm::Clock* clock, Host* host, const Settings* settings)
      : clock_(clock), host_(host), settings_(settings) {}

  // For handlers. `timeout_ms` counts from the first time the command was parked; 0: no timeout.
  // False, and nothing happens, where the command may not block.
  [[nodiscard]] bool Park(const CommandContext& context, Reason reason, int64_t timeout_ms);
  // The same until everything up to `sequence` is synced.
  [[nodiscard]] bool ParkUntilSynced(const CommandContext& context, lsm::SequenceNumber sequence,
                                     int64_t timeout_ms);
  Outcome outcome(const Session& session) const;

  // For the dispatcher. Parks a command that was not executed, until a monotonic time.
  void Postpone(Session* session, int64_t deadline_us);
  // False while the session still waits. REQUIRES: session->blocked()
  bool MayRun(Session* session);
  // Whether the command that was just executed waits (again). REQUIRES: session->blocked()
  bool IsWaiting(const Session& session) const { return outcome(session) == Outcome::kNone; }
  // The command was answered. REQUIRES: session->blocked()
  void Finish(Session* session);

  // The session dies.
  void Forget(Session* session);
  // Everything up to `synced` is on disk; `visible` is the newest unit there is.
  void OnSynced(lsm::SequenceNumber synced, lsm::SequenceNumber visible);
  bool WantSync() const { return !syncs_.empty(); }
  // From time to time: whose time is over is woken, and alarms are set for the next ones.
  void CheckDeadlines();
  // In the order they came.
  void WakeAll(Reason reason, Outcome outcome = Outcome::kReady);
  bool AnyWaits(Reason reason) const { return CountOf(reason) > 0; }
  // CLIENT UNBLOCK. False if the client does not wait, or not for something that can be given up.
  bool Unblock(ClientId client, Outcome outcome);

  // Whether the client waits for an event that it would lose by going away.
  bool WaitsForEvent(const Session& session) const;

  // What INFO calls blocked clients.
  size_t count() const { return entries_.size() - CountOf(Reason::kDelay); }
  size_t count_with_timeout() const { return deadlines_.size(); }

 private:
  struct Entry {
    Reason reason;
    Outcome outcome = Outcome::kNone;
    bool has_alarm = false;
    uint64_t ticket = 0;  // order of arrival
    int64_t deadline_us;  // kNever: none
    lsm::SequenceNumber sequence = 0;
  };
  using Entries = std::unordered_map<ClientId, Entry>;

  // It was the command that asked to wait.
  static bool IsOwnWait(Reason reason);
  size_t CountOf(Reason reason) const { return counts_[static_cast<size_t>(reason)]; }
  Entry& Add(Session* session, Reason reason, int64_t deadline_us);
  void Remove(Entries::iterator entry);
  void Settle(ClientId client, Entry* entry, Outcome outcome);
  void Wake(ClientId client, Entry* entry, Outcome outcome);
  void SetAlarmIfNear(ClientId client, Entry* entry, int64_t now_us);
  int64_t DeadlineAfter(int64_t timeout_ms) const;

  lsm::Clock* const clock_;
  Host* const host_;
  const Settings* const settings_;
  Entries entries_;
  std::array<size_t, 6> counts_ = {};  // by reason
  uint64_t next_ticket_ = 1;
  std::set<std::pair<int64_t, ClientId>> deadlines_;          // of those that still wait
  std::set<std::pair<lsm::SequenceNumber, ClientId>> syncs_;  // of those that still wait
};

}  // namespace redis
