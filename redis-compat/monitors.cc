// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/monitors.h"

#include <fmt/format.h>

#include <iterator>

#include "redis-compat/instance.h"
#include "redis-compat/redact.h"

namespace redis {

namespace {

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out->push_back('\\');
        out->push_back(c);
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\a':
        out->append("\\a");
        break;
      case '\b':
        out->append("\\b");
        break;
      default:
        if (c >= ' ' && c <= '~') {
          out->push_back(c);
        } else {
          fmt::format_to(std::back_inserter(*out), "\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  out->push_back('"');
}

}  // namespace

std::string MonitorLine(const Session& session, const CommandSpec& spec,
                        std::span<const std::string_view> args, int64_t now_us) {
  // The address of a client on a Unix socket is the socket's path with ":0" behind it.
  std::string_view address = session.peer().address;
  if (session.peer().is_unix) address.remove_suffix(address.ends_with(":0") ? 2 : 0);
  std::string line =
      fmt::format("+{}.{:06} [{} {}{}]", now_us / 1'000'000, now_us % 1'000'000,
                  session.state().database, session.peer().is_unix ? "unix:" : "", address);
  for (const std::string_view arg : ShownArguments(spec, args)) {
    line.push_back(' ');
    AppendQuoted(arg, &line);
  }
  return line.append("\r\n");
}

void Monitors::Add(Session* session) {
  session->is_monitor_ = true;
  clients_.push_back(session->id());
}

void Monitors::Remove(Session* session) {
  if (!session->is_monitor_) return;
  session->is_monitor_ = false;
  std::erase(clients_, session->id());
}

void Monitors::Feed(const Session& session, const CommandSpec& spec,
                    std::span<const std::string_view> args, Call call) {
  if (clients_.empty() || spec.Is(kSkipMonitor | kAdmin)) return;
  const std::string line = MonitorLine(session, spec, args, instance_->clock().NowMicros());
  for (const ClientId client : clients_) {
    Session* const monitor = instance_->Find(client);
    const ClientState& state = monitor->state();
    if (state.reply_mode == ClientState::ReplyMode::kOff || state.close_after_reply) continue;
    if (monitor != &session) {
      instance_->Push(monitor, line);
    } else if (call == Call::kQueued) {
      own_lines_ += line;
    } else {
      instance_->Push(monitor, own_lines_ + line);
      own_lines_.clear();
    }
  }
}

}  // namespace redis
