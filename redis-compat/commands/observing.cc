// SPDX-License-Identifier: BSD-3-Clause
// SLOWLOG and LATENCY.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "redis-compat/command_table.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/help_text.h"
#include "redis-compat/instance.h"
#include "redis-compat/letters.h"
#include "redis-compat/observer.h"
#include "resp/integer.h"

namespace redis {

namespace slowlog_commands {

lsm::Status Get(CommandContext& context) {
  int64_t count = 10;
  if (context.args.size() > 3) {
    context.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                        std::string(UpToNul(context.args[1]).substr(0, 128)) +
                        "'. Try SLOWLOG HELP.");
    return {};
  }
  if (context.args.size() == 3 && (!resp::ParseInteger(context.args[2], &count) || count < -1)) {
    context.reply.Error("ERR count should be greater than or equal to -1");
    return {};
  }
  const auto& entries = context.instance.observer().slow_log().entries();
  const size_t shown =
      count < 0 ? entries.size() : std::min(entries.size(), static_cast<size_t>(count));
  context.reply.Array(shown);
  for (size_t i = 0; i < shown; ++i) {
    const SlowLog::Entry& entry = entries[i];
    context.reply.Array(6);
    context.reply.Integer(static_cast<int64_t>(entry.id));
    context.reply.Integer(entry.second);
    context.reply.Integer(entry.micros);
    context.reply.Array(entry.arguments.size());
    for (const std::string& argument : entry.arguments) context.reply.Bulk(argument);
    context.reply.Bulk(entry.client_address);
    context.reply.Bulk(entry.client_name);
  }
  return {};
}

lsm::Status Len(CommandContext& context) {
  const size_t count = context.instance.observer().slow_log().entries().size();
  context.reply.Integer(static_cast<int64_t>(count));
  return {};
}

lsm::Status Reset(CommandContext& context) {
  context.instance.observer().slow_log().Reset();
  context.reply.Ok();
  return {};
}

lsm::Status Help(CommandContext& context) {
  ReplyHelp(&context.reply, "SLOWLOG",
            {"GET [<count>]",
             "Answer the newest slow commands, 10 by default, -1 for all: number, second, "
             "microseconds, arguments, client address, client name.",
             "LEN", "Answer how many are kept.",  //
             "RESET", "Forget all."});
  return {};
}

}  // namespace slowlog_commands

namespace latency_commands {
namespace {

void ReplyHistogram(resp::ReplyWriter* reply, const CommandSpec& spec,
                    const LatencyHistogram& histogram) {
  const std::vector<LatencyHistogram::Step> steps = histogram.Cumulative();
  reply->Bulk(spec.name);
  reply->Map(2);
  reply->Bulk("calls");
  reply->Integer(static_cast<int64_t>(histogram.total()));
  reply->Bulk("histogram_usec");
  reply->Map(steps.size());
  for (const LatencyHistogram::Step& step : steps) {
    reply->Integer(static_cast<int64_t>(step.micros));
    reply->Integer(static_cast<int64_t>(step.count));
  }
}

// "get", "CONFIG|GET"; a container stands for itself and its subcommands.
void AddNamed(std::string_view name, std::vector<const CommandSpec*>* rows) {
  const CommandSpec* const named = FindCommand(name);
  if (named == nullptr) return;
  rows->push_back(named);
  if (!HasSubcommands(*named)) return;
  const std::span<const CommandSpec> all = AllCommands();
  for (size_t i = CommandIndex(*named) + 1; i < all.size() && all[i].is_subcommand(); ++i) {
    rows->push_back(&all[i]);
  }
}

std::string_view EventOf(const CommandContext& context) { return context.args[2]; }

}  // namespace

lsm::Status Histogram(CommandContext& context) {
  std::vector<const CommandSpec*> rows;
  for (const std::string_view name : context.args.subspan(2)) AddNamed(name, &rows);
  if (context.args.size() == 2) {
    for (const CommandSpec& spec : AllCommands()) rows.push_back(&spec);
  }
  const CommandLatencies& latencies = context.instance.observer().latencies();
  std::erase_if(rows, [&](const CommandSpec* spec) {
    return latencies.Find(CommandIndex(*spec)) == nullptr;
  });
  context.reply.Map(rows.size());
  for (const CommandSpec* spec : rows) {
    ReplyHistogram(&context.reply, *spec, *latencies.Find(CommandIndex(*spec)));
  }
  return {};
}

lsm::Status Latest(CommandContext& context) {
  const auto& events = context.instance.observer().monitor().events();
  context.reply.Array(events.size());
  for (const auto& [name, event] : events) {
    context.reply.Array(4);
    context.reply.Bulk(name);
    context.reply.Integer(event.samples.back().second);
    context.reply.Integer(event.samples.back().milliseconds);
    context.reply.Integer(event.worst_ms);
  }
  return {};
}

lsm::Status History(CommandContext& context) {
  const auto* const event = context.instance.observer().monitor().Find(EventOf(context));
  if (event == nullptr) {
    context.reply.Array(0);
    return {};
  }
  context.reply.Array(event->samples.size());
  for (const LatencySample& sample : event->samples) {
    context.reply.Array(2);
    context.reply.Integer(sample.second);
    context.reply.Integer(sample.milliseconds);
  }
  return {};
}

lsm::Status Reset(CommandContext& context) {
  LatencyMonitor& monitor = context.instance.observer().monitor();
  const auto names = context.args.subspan(2);
  const size_t count = names.empty() ? monitor.ResetAll()
                                     : static_cast<size_t>(std::count_if(
                                           names.begin(), names.end(), [&](std::string_view name) {
                                             return monitor.Reset(name);
                                           }));
  context.reply.Integer(static_cast<int64_t>(count));
  return {};
}

lsm::Status Graph(CommandContext& context) {
  const auto* const event = context.instance.observer().monitor().Find(EventOf(context));
  if (event == nullptr) {
    context.reply.Error(fmt::format("ERR No samples available for event '{}'",
                                    UpToNul(EventOf(context)).substr(0, 128)));
    return {};
  }
  context.reply.Verbatim("txt", DrawLatencyGraph(EventOf(context), *event, context.now_ms / 1000));
  return {};
}

lsm::Status Doctor(CommandContext& context) {
  context.reply.Verbatim("txt",
                         ReportLatency(context.instance.observer().monitor(), context.now_ms / 1000,
                                       context.instance.settings().slowlog_log_slower_than_us));
  return {};
}

lsm::Status Help(CommandContext& context) {
  ReplyHelp(&context.reply, "LATENCY",
            {"DOCTOR", "Answer a report for people: what took long, and what may help.",
             "GRAPH <event>", "Draw the samples of an event.",  //
             "HISTORY <event>", "Answer the samples of an event: second, milliseconds.", "LATEST",
             "Answer each event's name, last second, its milliseconds, and the worst.",
             "RESET [<event> ...]", "Forget the named events, or all.", "HISTOGRAM [<command> ...]",
             "Answer how many calls took up to so many microseconds, of the named commands or "
             "all."});
  return {};
}

}  // namespace latency_commands

}  // namespace redis
