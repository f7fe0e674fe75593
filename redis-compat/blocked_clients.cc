// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/blocked_clients.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "redis-compat/instance.h"

namespace redis {

namespace {

constexpr int64_t kNever = INT64_MAX;

}  // namespace

int64_t BlockedClients::DeadlineAfter(int64_t timeout_ms) const {
  const int64_t now_us = clock_->MonotonicMicros();
  if (timeout_ms <= 0 || timeout_ms > (kNever - now_us) / 1000) return kNever;
  return now_us + timeout_ms * 1000;
}

BlockedClients::Entry& BlockedClients::Add(Session* session, Reason reason, int64_t deadline_us) {
  const auto [found, is_new] = entries_.try_emplace(session->id());
  Entry& entry = found->second;
  if (is_new) {
    entry.reason = reason;
    entry.ticket = next_ticket_++;
    entry.deadline_us = deadline_us;
    ++counts_[static_cast<size_t>(reason)];
    session->blocked_ = true;
  }
  assert(entry.reason == reason);
  entry.outcome = Outcome::kNone;
  if (entry.deadline_us != kNever) {
    deadlines_.emplace(entry.deadline_us, session->id());
    SetAlarmIfNear(session->id(), &entry, clock_->MonotonicMicros());
  }
  return entry;
}

bool BlockedClients::Park(const CommandContext& context, Reason reason, int64_t timeout_ms) {
  if (context.in_transaction) return false;
  Add(&context.session, reason, DeadlineAfter(timeout_ms));
  return true;
}

bool BlockedClients::ParkUntilSynced(const CommandContext& context, lsm::SequenceNumber sequence,
                                     int64_t timeout_ms) {
  if (context.in_transaction) return false;
  Add(&context.session, Reason::kSync, DeadlineAfter(timeout_ms)).sequence = sequence;
  syncs_.emplace(sequence, context.session.id());
  return true;
}

void BlockedClients::Postpone(Session* session, int64_t deadline_us) {
  Add(session, Reason::kPause, deadline_us);
}

BlockedClients::Outcome BlockedClients::outcome(const Session& session) const {
  if (!session.blocked()) return Outcome::kNone;
  return entries_.at(session.id()).outcome;
}

bool BlockedClients::MayRun(Session* session) {
  const auto found = entries_.find(session->id());
  assert(found != entries_.end());
  Entry& entry = found->second;
  if (entry.outcome == Outcome::kNone) {
    const int64_t now_us = clock_->MonotonicMicros();
    if (now_us < entry.deadline_us) {
      // The host's alarms may be early.
      entry.has_alarm = false;
      SetAlarmIfNear(session->id(), &entry, now_us);
      return false;
    }
    Settle(session->id(), &entry, Outcome::kTimedOut);
  }
  if (entry.reason == Reason::kPause) Finish(session);
  return true;
}

void BlockedClients::Finish(Session* session) { Forget(session); }

void BlockedClients::Forget(Session* session) {
  if (!session->blocked_) return;
  session->blocked_ = false;
  const auto found = entries_.find(session->id());
  Remove(found);
}

void BlockedClients::Remove(Entries::iterator found) {
  const Entry& entry = found->second;
  deadlines_.erase({entry.deadline_us, found->first});
  syncs_.erase({entry.sequence, found->first});
  --counts_[static_cast<size_t>(entry.reason)];
  entries_.erase(found);
}

void BlockedClients::Settle(ClientId client, Entry* entry, Outcome outcome) {
  entry->outcome = outcome;
  deadlines_.erase({entry->deadline_us, client});
  syncs_.erase({entry->sequence, client});
}

void BlockedClients::Wake(ClientId client, Entry* entry, Outcome outcome) {
  Settle(client, entry, outcome);
  host_->Wake(client);
}

void BlockedClients::OnSynced(lsm::SequenceNumber synced, lsm::SequenceNumber visible) {
  while (!syncs_.empty()) {
    const auto [sequence, client] = *syncs_.begin();
    // A unit beyond what is visible was lost: there is nothing left of it to be synced.
    if (std::min(sequence, visible) > synced) return;
    Wake(client, &entries_.at(client), Outcome::kReady);
  }
}

void BlockedClients::SetAlarmIfNear(ClientId client, Entry* entry, int64_t now_us) {
  // Twice the time until deadlines are looked at again.
  const int64_t near_us = 2'000'000 / std::clamp<int64_t>(settings_->hz, 1, 500);
  const int64_t left_us = entry->deadline_us - now_us;
  if (entry->has_alarm || left_us > near_us) return;
  entry->has_alarm = true;
  host_->WakeAfter(client, left_us);
}

void BlockedClients::CheckDeadlines() {
  if (deadlines_.empty()) return;
  const int64_t now_us = clock_->MonotonicMicros();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_us) {
    const ClientId client = deadlines_.begin()->second;
    Wake(client, &entries_.at(client), Outcome::kTimedOut);
  }
  for (const auto& [deadline_us, client] : deadlines_) {
    Entry& entry = entries_.at(client);
    SetAlarmIfNear(client, &entry, now_us);
    if (!entry.has_alarm) break;
  }
}

void BlockedClients::WakeAll(Reason reason, Outcome outcome) {
  if (CountOf(reason) == 0) return;
  std::vector<std::pair<uint64_t, ClientId>> waiting;
  for (const auto& [client, entry] : entries_) {
    if (entry.reason == reason && entry.outcome == Outcome::kNone) {
      waiting.emplace_back(entry.ticket, client);
    }
  }
  std::sort(waiting.begin(), waiting.end());
  for (const auto& [ticket, client] : waiting) {
    Wake(client, &entries_.at(client), outcome);
  }
}

bool BlockedClients::IsOwnWait(Reason reason) {
  return reason == Reason::kReplicas || reason == Reason::kSync;
}

bool BlockedClients::WaitsForEvent(const Session& session) const {
  if (!session.blocked()) return false;
  const Entry& entry = entries_.at(session.id());
  return IsOwnWait(entry.reason) && entry.outcome == Outcome::kNone;
}

bool BlockedClients::Unblock(ClientId client, Outcome outcome) {
  const auto found = entries_.find(client);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (!IsOwnWait(entry.reason) || entry.outcome != Outcome::kNone) return false;
  Wake(client, &entry, outcome);
  return true;
}

}  // namespace redis
