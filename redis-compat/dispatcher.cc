// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/dispatcher.h"

#include <algorithm>
#include <string>

#include "redis-compat/access_tracker.h"
#include "redis-compat/blocked_clients.h"
#include "redis-compat/client_limits.h"
#include "redis-compat/command_names.h"
#include "redis-compat/command_table.h"
#include "redis-compat/engine_errors.h"
#include "redis-compat/errors.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/letters.h"
#include "redis-compat/monitors.h"
#include "redis-compat/observer.h"
#include "redis-compat/reply_gate.h"
#include "redis-compat/scan_cursor.h"
#include "redis-compat/transaction.h"
#include "redis-compat/write_gate.h"

namespace redis {

Dispatcher::Dispatcher(Instance* instance)
    : instance_(instance), ahead_(instance), unit_(instance) {
  const CommandNames& names = instance->config().command_names();
  if (!names.empty()) names_ = &names;
}

namespace {

// A session's turn ends after this long, so that a pipeline does not keep others waiting.
constexpr int64_t kTurnUs = 1000;
// A client that has not authenticated may not make the server keep more than this for it.
constexpr size_t kMaxUnsentBeforeAuthentication = size_t{16} << 10;
constexpr size_t kMaxQuoted = 128;

// A browser can be made to send requests to a server of another protocol, and commands in them.
bool IsRequestOfHttp(std::string_view name) {
  return EqualsIgnoringCase(name, "post") || EqualsIgnoringCase(name, "host:");
}

std::string UnknownCommand(std::span<const std::string_view> args) {
  std::string text = "ERR unknown command '";
  text.append(UpToNul(args[0]).substr(0, kMaxQuoted));
  text.append("', with args beginning with: ");
  std::string quoted;
  for (size_t i = 1; i < args.size() && quoted.size() < kMaxQuoted; ++i) {
    const size_t room = kMaxQuoted - quoted.size();
    quoted.append("'").append(UpToNul(args[i]).substr(0, room)).append("' ");
  }
  return text + quoted;
}

std::string UnknownSubcommand(std::span<const std::string_view> args) {
  std::string text = "ERR unknown subcommand '";
  text.append(UpToNul(args[1]).substr(0, kMaxQuoted));
  return text + "'. Try " + ToUpper(UpToNul(args[0])) + " HELP.";
}

}  // namespace

void Dispatcher::ApplyParserLimits(Session* session) {
  resp::Limits limits = resp::kUnauthenticatedLimits;
  if (!instance_->MustAuthenticate(*session)) {
    limits = {};
    limits.max_bulk_length = instance_->max_string_size();
  }
  session->parser_.set_limits(limits);
}

Instance::RunResult Dispatcher::Run(Session* session) {
  using Outcome = Lookahead::Outcome;
  using RunResult = Instance::RunResult;
  if (session->blocked_ && !instance_->blocked_clients_->MayRun(session)) return RunResult::kPaused;
  ClientState& state = session->state();
  ApplyParserLimits(session);
  const int64_t turn_ends_us = now_us() + kTurnUs;
  const size_t pause_at = instance_->client_limits().PauseAt(*session);
  RunResult result = RunResult::kIdle;
  while (true) {
    if (state.close_after_reply) {
      result = RunResult::kClose;
      break;
    }
    if (session->output_bytes() > pause_at) {
      result = RunResult::kPaused;
      break;
    }
    if (session->output_bytes() > kMaxUnsentBeforeAuthentication &&
        instance_->MustAuthenticate(*session)) {
      state.close_after_reply = true;
      continue;
    }
    if (now_us() >= turn_ends_us) {
      result = RunResult::kYield;
      break;
    }
    const Outcome outcome = ahead_.Front(session);
    if (outcome == Outcome::kNeedMore) break;
    if (outcome == Outcome::kError) {
      Reject(session, nullptr, "ERR " + session->parser_.error());
      state.close_after_reply = true;
      continue;
    }
    const bool authenticated = state.authenticated;
    if (outcome == Outcome::kCommand && Execute(session, ahead_.arguments()) == Done::kMustWait) {
      NoteWaiting(session);
      result = RunResult::kPaused;
      break;
    }
    const size_t consumed = ahead_.Pop(session);
    state.input_bytes += consumed;
    instance_->statistics().input_bytes += consumed;
    // Nothing else looks at the clock while lines are empty.
    if (outcome == Outcome::kEmpty) ForgetTime();
    if (state.authenticated != authenticated) ApplyParserLimits(session);
  }
  ahead_.Drop(session);
  session->DropExecutedInput();
  // What was parsed for nothing, or moved, is no part of the next command.
  if (result != RunResult::kIdle || session->input_bytes() > 0) ForgetTime();
  return result;
}

Dispatcher::Done Dispatcher::Execute(Session* session, Arguments args) {
  const CommandSpec* spec = Find(session, args);
  if (spec == nullptr || !IsAllowed(session, *spec)) return Done::kExecuted;
  if (session->is_monitor_ && IsRefusedToMonitor(session, *spec)) return Done::kExecuted;
  if (instance_->pause_.is_on() && IsPostponed(session, *spec)) return Done::kMustWait;
  if (session->transaction_ != nullptr && IsForTransaction(session, *spec, args)) {
    return Done::kExecuted;
  }
  if (MayWrite(*session, *spec)) {
    const bool is_exec = session->transaction_ != nullptr;
    instance_->MakeRoomInGroup(is_exec ? session->transaction_bytes() : 0);
    if (instance_->write_gate_->Ask(session->id()) == WriteGate::Answer::kWait) {
      ++instance_->statistics().write_pauses;
      return Done::kMustWait;
    }
    instance_->BeginWrite();
  }
  return Call(session, *spec, args);
}

const CommandSpec* Dispatcher::Find(Session* session, Arguments args) {
  const CommandSpec* spec = names_ == nullptr ? ahead_.FrontRow() : names_->Find(args[0]);
  if (spec == nullptr && IsRequestOfHttp(args[0])) {
    instance_->client_limits().Warn("A web page may be attacking the server: a client at " +
                                    session->peer().address + " sent '" +
                                    ToUpper(UpToNul(args[0])) + "', connection closed");
    session->state().close_after_reply = true;
    return nullptr;
  }
  if (spec == nullptr || spec->is_subcommand()) {
    Reject(session, nullptr, UnknownCommand(args));
    return nullptr;
  }
  if (args.size() > 1 && HasSubcommands(*spec)) {
    const CommandSpec* subcommand = FindSubcommand(spec->name, args[1]);
    if (subcommand == nullptr) {
      Reject(session, nullptr, UnknownSubcommand(args));
      return nullptr;
    }
    spec = subcommand;
  }
  if (!spec->AcceptsArgumentCount(args.size()) || spec->handler == nullptr) {
    std::string text = "ERR wrong number of arguments for '";
    text.append(spec->name).append("' command");
    Reject(session, spec, text);
    return nullptr;
  }
  return spec;
}

bool Dispatcher::IsAllowed(Session* session, const CommandSpec& spec) {
  if (spec.Is(kProtected)) {
    const ProtectedAccess access = instance_->settings().enable_debug_command;
    const Session::Peer& peer = session->peer();
    const bool local = peer.is_unix || peer.is_loopback;
    if (access == ProtectedAccess::kNo || (access == ProtectedAccess::kLocal && !local)) {
      Reject(session, &spec,
             "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
             "\"local\", you can run it from a local connection, otherwise you need to set this "
             "option in the configuration file, and then restart the server.");
      return false;
    }
  }
  if (!spec.Is(kNoAuth) && instance_->MustAuthenticate(*session)) {
    Reject(session, &spec, errors::kNoAuth);
    return false;
  }
  if (instance_->loading() && (!spec.Is(kLoading) || spec.Is(kProtected) || spec.keys.first != 0)) {
    Reject(session, &spec, "LOADING Redis is loading the dataset in memory");
    return false;
  }
  return true;
}

Dispatcher::Done Dispatcher::Call(Session* session, const CommandSpec& spec, Arguments args) {
  ClientState& state = session->state();
  state.last_command = &spec;
  ++state.commands_processed;
  const int database = state.database;

  uint64_t begin = session->output_end();
  resp::ReplyWriter reply(&session->output_, state.protocol,
                          session->output_.size() + instance_->client_limits().MaxOutput(*session));
  unit_.Clear();
  Keyspace keys(instance_, &unit_, state.database, instance_->now_ms());
  CommandContext context{*instance_, *session, spec, args, reply, unit_, keys, instance_->now_ms()};
  const bool is_resumed = session->blocked_;
  lsm::Status status = is_resumed ? Resume(context) : spec.handler(context);
  if (session->blocked_ && StillWaits(context, is_resumed)) return Done::kMustWait;
  if (instance_->access_tracker() != nullptr) [[unlikely]] {
    instance_->access_tracker()->Note(context);
  }
  const uint64_t reply_size = session->output_end() - begin;
  if (status.ok()) status = instance_->Commit(&unit_);
  if (!status.ok()) {
    // A failed commit may have replaced earlier replies: this one is at another place now.
    session->output_.resize(session->output_.size() - static_cast<size_t>(reply_size));
    begin = session->output_end();
    unit_.Clear();
    // The unit may have held a prefix that is in memory already.
    instance_->cursors_->Forget();
    state.database = database;  // what EXEC ran had no effect
    const std::string error = EngineErrorReply(status);
    reply.Error(IsExec(&spec) ? TransactionDiscarded(error) : error);
  }
  if (!unit_.empty()) session->last_write_ = unit_.reflects();
  if (reply.overflowed()) {
    DropReply(session, begin);
    session->reply_too_large_ = true;
    state.close_after_reply = true;
  }
  FinishReply(session, &spec, begin);
  CountCall(session, spec, args);
  if (instance_->monitors_->any() && !is_resumed) {
    instance_->monitors_->Feed(*session, spec, args, Monitors::Call::kWhole);
    ForgetTime();
  }
  return Done::kExecuted;
}

void Dispatcher::CountCall(Session* session, const CommandSpec& spec, Arguments args) {
  Statistics& statistics = instance_->statistics();
  const int64_t now_us = instance_->clock().MonotonicMicros();
  CommandStats& stats = statistics.commands[CommandIndex(spec)];
  ++stats.calls;
  const auto micros = static_cast<uint64_t>(now_us - last_us_);
  stats.microseconds += micros;
  last_us_ = now_us;
  Observer& observer = instance_->observer();
  observer.RecordLatency(CommandIndex(spec), micros);
  if (observer.IsSlow(micros)) {
    observer.NoteSlow(*session, spec, args, micros, instance_->now_ms());
  }
  ++statistics.commands_processed;
}

void Dispatcher::Reject(Session* session, const CommandSpec* spec, std::string_view error) {
  const uint64_t begin = session->output_end();
  unit_.Clear();
  const std::string text = RejectInTransaction(session, spec, error);
  resp::ReplyWriter(&session->output_, session->state().protocol).Error(text);
  last_us_ = instance_->clock().MonotonicMicros();
  if (spec != nullptr) ++instance_->statistics().commands[CommandIndex(*spec)].rejected;
  FinishReply(session, nullptr, begin);
}

// `spec` is null if the command was not called.
void Dispatcher::CountError(Session* session, const CommandSpec* spec, uint64_t begin) {
  const size_t at = session->output_.size() - static_cast<size_t>(session->output_end() - begin);
  const std::string_view made = std::string_view(session->output_).substr(at);
  if (!made.empty() && made[0] == '-') {
    Statistics& statistics = instance_->statistics();
    ++statistics.error_replies;
    const std::string_view code = made.substr(1, made.find_first_of(" \r") - 1);
    const auto known = statistics.errors_by_code.find(code);
    if (known != statistics.errors_by_code.end()) {
      ++known->second;
    } else {
      statistics.errors_by_code.emplace(code, 1);
    }
    if (spec != nullptr) ++statistics.commands[CommandIndex(*spec)].failed;
  }
}

void Dispatcher::FinishReply(Session* session, const CommandSpec* spec, uint64_t begin) {
  CountError(session, spec, begin);
  using Mode = ClientState::ReplyMode;
  Mode& mode = session->state().reply_mode;
  if (mode != Mode::kOn) DropReply(session, begin);
  if (mode == Mode::kSkipThis) mode = Mode::kOn;
  if (mode == Mode::kSkipNext) mode = Mode::kSkipThis;
  instance_->statistics().output_bytes += session->output_end() - begin;
  instance_->reply_gate_->Add(session, begin, unit_.reflects());
}

}  // namespace redis
