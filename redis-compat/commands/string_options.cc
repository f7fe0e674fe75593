// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/commands/string_options.h"

#include <limits>
#include <string>

#include "redis-compat/arg_parser.h"

namespace redis {

namespace {

constexpr int64_t kMaxTime = std::numeric_limits<int64_t>::max();

struct ExpiryOption {
  std::string_view name;
  ExpiryArgument::Unit unit;
  bool is_absolute;
};
constexpr ExpiryOption kExpiryOptions[] = {
    {"EX", ExpiryArgument::Unit::kSeconds, false},
    {"PX", ExpiryArgument::Unit::kMilliseconds, false},
    {"EXAT", ExpiryArgument::Unit::kSeconds, true},
    {"PXAT", ExpiryArgument::Unit::kMilliseconds, true},
};

// An option may be repeated; two different ones that both decide about the expiry may not meet.
bool TakeExpiry(ArgParser* parser, StringOptions* options) {
  for (const ExpiryOption& option : kExpiryOptions) {
    if (options->keep_ttl || options->persist || !parser->Take(option.name, 1)) continue;
    const bool meets_another =
        options->expiry && (options->expiry->unit != option.unit ||
                            options->expiry->is_absolute != option.is_absolute);
    if (meets_another) parser->Fail(errors::kSyntax);
    options->expiry = ExpiryArgument{parser->Text(), option.unit, option.is_absolute};
    return true;
  }
  return false;
}

bool TakeSetOption(ArgParser* parser, StringOptions* options) {
  if (!options->only_if_present && parser->Take("NX")) return options->only_if_absent = true;
  if (!options->only_if_absent && parser->Take("XX")) return options->only_if_present = true;
  if (parser->Take("GET")) return options->get = true;
  if (!options->expiry && parser->Take("KEEPTTL")) return options->keep_ttl = true;
  return false;
}

bool TakeGetExOption(ArgParser* parser, StringOptions* options) {
  if (!options->expiry && parser->Take("PERSIST")) return options->persist = true;
  return false;
}

}  // namespace

bool ParseStringOptions(CommandContext& c, StringOptions::For command, size_t first,
                        StringOptions* options) {
  ArgParser parser(c.args, first);
  while (parser.More()) {
    const bool known = command == StringOptions::For::kSet ? TakeSetOption(&parser, options)
                                                           : TakeGetExOption(&parser, options);
    if (!known && !TakeExpiry(&parser, options)) parser.Fail(errors::kSyntax);
  }
  return !parser.ReplyError(c.reply);
}

bool ResolveExpiry(CommandContext& c, const ExpiryArgument& argument,
                   std::optional<int64_t>* expiry_ms) {
  int64_t time = 0;
  if (!resp::ParseInteger(argument.text, &time)) {
    c.reply.Error(errors::kNotInteger);
    return false;
  }
  const bool in_seconds = argument.unit == ExpiryArgument::Unit::kSeconds;
  if (time <= 0 || (in_seconds && time > kMaxTime / 1000)) {
    ReplyInvalidExpireTime(c);
    return false;
  }
  if (in_seconds) time *= 1000;
  if (!argument.is_absolute) {
    if (time > kMaxTime - c.now_ms) {
      ReplyInvalidExpireTime(c);
      return false;
    }
    time += c.now_ms;
  }
  *expiry_ms = time;
  return true;
}

void ReplyInvalidExpireTime(CommandContext& c) {
  c.reply.Error("ERR invalid expire time in '" + std::string(c.spec.name) + "' command");
}

}  // namespace redis
