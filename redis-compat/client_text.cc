// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/client_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "redis-compat/transaction.h"

namespace redis {
namespace {

std::string Flags(const Session& session) {
  std::string flags;
  const Transaction* transaction = session.transaction();
  if (session.is_monitor()) flags += 'O';
  if (transaction != nullptr && transaction->is_open()) flags += 'x';
  if (session.blocked()) flags += 'b';
  if (transaction != nullptr && transaction->is_dirty()) flags += 'd';
  if (session.state().close_after_reply) flags += 'c';
  if (session.peer().is_unix) flags += 'U';
  if (session.state().no_evict) flags += 'e';
  if (session.state().no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

}  // namespace

bool IsPrintableWord(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::string DescribeClient(const Session& session, int64_t now_ms) {
  const ClientState& state = session.state();
  const auto seconds_since = [&](int64_t then_ms) {
    return std::max<int64_t>(0, now_ms - then_ms) / 1000;
  };
  const std::string_view command = state.last_command ? state.last_command->name : "NULL";
  const int protocol = state.protocol == resp::Version::kResp3 ? 3 : 2;
  const Transaction* transaction = session.transaction();
  const int64_t queued = transaction != nullptr && transaction->is_open()
                             ? static_cast<int64_t>(transaction->size())
                             : -1;
  // Arguments are views into the input: those of a command that waits are told apart.
  const size_t queued_input = session.input_bytes() - session.waiting_input_bytes();
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 "
      "multi={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll=0 omem=0 "
      "tot-mem={} events=r cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
      session.id(), session.peer().address, session.peer().local_address, session.peer().fd,
      state.name, seconds_since(state.created_ms), seconds_since(state.last_interaction_ms),
      Flags(session), state.database, queued, queued_input,
      session.input_capacity() - std::min(session.input_capacity(), session.input_bytes()),
      session.waiting_argument_bytes(), session.transaction_bytes(), session.output_capacity(),
      session.output_capacity(), session.output_bytes(), session.memory(), command, protocol,
      state.lib_name, state.lib_version);
}

}  // namespace redis
