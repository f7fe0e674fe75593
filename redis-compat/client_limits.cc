// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/client_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "redis-compat/client_text.h"
#include "redis-compat/dispatcher.h"
#include "redis-compat/instance.h"
#include "redis-compat/system_memory.h"

namespace redis {

namespace {

// Output that a client does not read stops its commands.
constexpr size_t kMaxUnsent = size_t{8} << 20;
// How long a client may take to say its password.
constexpr int64_t kAuthenticationMs = 30'000;
// How long a client that has begun a request may send nothing.
constexpr int64_t kIncompleteRequestMs = 5 * 60'000;
// Buffers are taken back from a client that has been idle this long.
constexpr int64_t kBuffersKeptMs = 2000;
// The cron looks at this many clients at least.
constexpr size_t kLeastLookedAt = 5;

}  // namespace

ClientLimits::ClientLimits(Instance* instance)
    : instance_(instance), system_memory_(SystemMemory()) {}

const OutputLimit& ClientLimits::LimitOf(const Session& session) const {
  return instance_->settings().output_limits.at(static_cast<size_t>(session.state().client_class));
}

size_t ClientLimits::MaxOutput(const Session& session) const {
  const uint64_t hard = LimitOf(session).hard;
  return hard == 0 ? kMaxOutput : static_cast<size_t>(std::min<uint64_t>(hard, kMaxOutput));
}

size_t ClientLimits::PauseAt(const Session& session) const {
  return std::min(kMaxUnsent, MaxOutput(session));
}

uint64_t ClientLimits::memory_limit() const {
  const int64_t limit = instance_->settings().maxmemory_clients;
  if (limit >= 0) return static_cast<uint64_t>(limit);
  return system_memory_ / 100 * static_cast<uint64_t>(-limit);  // a percentage
}

void ClientLimits::Count(Session* session) {
  const size_t now = session->is_dropped_ ? 0 : session->memory();
  memory_ = memory_ - session->counted_memory_ + now;
  session->counted_memory_ = now;
}

void ClientLimits::Forget(const Session& session) { memory_ -= session.counted_memory_; }

void ClientLimits::Update(Session* session) {
  if (session->reply_too_large_) return OnTooMuchOutput(session);
  if (session->input_bytes() + session->transaction_bytes() >
      instance_->settings().client_query_buffer_limit) {
    return OnTooMuchInput(session);
  }
  Count(session);
  const uint64_t limit = memory_limit();
  if (limit != 0 && memory_ > limit && !nobody_to_evict_) Evict();
}

void ClientLimits::OnWritten(Session* session) {
  if (HasTooMuchOutput(session)) return OnTooMuchOutput(session);
  Update(session);
}

void ClientLimits::OnTooMuchInput(Session* session) {
  if (session->is_dropped_) return;
  ++instance_->statistics().query_buffer_disconnections;
  Close(session, "Closing client that reached max query buffer length");
}

void ClientLimits::OnTooMuchOutput(Session* session) {
  if (session->is_dropped_) return;
  ++instance_->statistics().output_buffer_disconnections;
  Close(session, "Closing client that exceeds its output buffer limit");
}

bool ClientLimits::HasTooMuchOutput(Session* session) {
  const size_t bytes = session->output_bytes();
  if (bytes == 0) {
    session->soft_limit_since_ms_ = 0;
    return false;
  }
  if (bytes > MaxOutput(*session)) return true;
  const OutputLimit& limit = LimitOf(*session);
  if (limit.soft == 0 || bytes <= limit.soft) {
    session->soft_limit_since_ms_ = 0;
    return false;
  }
  const int64_t now_ms = instance_->now_ms();
  if (session->soft_limit_since_ms_ == 0) session->soft_limit_since_ms_ = now_ms;
  return now_ms - session->soft_limit_since_ms_ > limit.soft_seconds * 1000;
}

bool ClientLimits::IsTooSlow(const Session& session) const {
  const ClientState& state = session.state();
  const int64_t now_ms = instance_->now_ms();
  const int64_t idle_ms = now_ms - state.last_interaction_ms;
  const int64_t timeout_ms = instance_->settings().timeout_s * 1000;
  // Whoever waits for the server is not idle.
  const bool listens = session.blocked() || session.is_monitor();
  if (timeout_ms > 0 && idle_ms > timeout_ms && !listens &&
      state.client_class == ClientState::ClientClass::kNormal) {
    return true;
  }
  if (instance_->MustAuthenticate(session) &&
      now_ms - state.unauthenticated_since_ms > kAuthenticationMs) {
    return true;
  }
  return session.parser_.in_request() && idle_ms > kIncompleteRequestMs;
}

void ClientLimits::Close(Session* session, std::string_view why) {
  if (session->is_dropped_) return;
  instance_->dispatcher().ForgetTime();  // this is no part of the next command
  Warn(fmt::format("{}: {}", why, DescribeClient(*session, instance_->now_ms())));
  instance_->CloseSession(session);
  session->DropBuffers();
  Count(session);
}

void ClientLimits::Evict() {
  instance_->dispatcher().ForgetTime();
  // 1. Count everybody anew: some have written their output since.
  // 2. Close the largest, until the rest is within the limit.
  std::vector<std::pair<size_t, Session*>> largest;
  for (const auto& [id, session] : instance_->sessions()) {
    Count(session.get());
    if (session->state().no_evict || session->is_dropped_) continue;
    largest.emplace_back(session->counted_memory_, session.get());
  }
  std::make_heap(largest.begin(), largest.end());
  const uint64_t limit = memory_limit();
  while (memory_ > limit) {
    if (largest.empty()) {
      nobody_to_evict_ = true;
      return;
    }
    std::pop_heap(largest.begin(), largest.end());
    ++instance_->statistics().evicted_clients;
    Close(largest.back().second, "Evicting client");
    largest.pop_back();
  }
}

void ClientLimits::Cron() {
  nobody_to_evict_ = false;
  if (const uint64_t left_out = log_.TakeLeftOut(); left_out > 0) {
    instance_->host().Log(lsm::LogLevel::kWarning,
                          fmt::format("{} more lines about clients were left out", left_out));
  }
  const auto& sessions = instance_->sessions();
  const size_t share =
      std::max(kLeastLookedAt, sessions.size() / static_cast<size_t>(instance_->settings().hz));
  for (size_t i = std::min(share + 1, sessions.size()); i > 0; --i) {
    auto next = sessions.upper_bound(last_looked_at_);
    if (next == sessions.end()) next = sessions.begin();
    Session* const session = next->second.get();
    last_looked_at_ = next->first;
    const ClientState& state = session->state();
    if (HasTooMuchOutput(session)) {
      OnTooMuchOutput(session);
    } else if (IsTooSlow(*session) && !state.close_after_reply) {
      instance_->CloseSession(session);
    } else if (instance_->now_ms() - state.last_interaction_ms > kBuffersKeptMs) {
      session->ReleaseSpareMemory();
    }
    Update(session);
  }
}

void ClientLimits::Warn(std::string_view message) {
  if (log_.Allow(instance_->clock().MonotonicMicros() / 1000)) {
    instance_->host().Log(lsm::LogLevel::kWarning, message);
  }
}

}  // namespace redis
