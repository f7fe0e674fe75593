// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/config_parse.h"

#include <fmt/format.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "redis-compat/letters.h"
#include "resp/integer.h"

namespace redis {
namespace {

lsm::Status Invalid(std::string message) {
  return lsm::Status::InvalidArgument(std::move(message));
}

std::string Join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

// An empty word alone means "no words": save "", bind "".
std::vector<std::string> WithoutSoleEmptyWord(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0].empty()) return {};
  return words;
}

lsm::Status ParseBool(std::string_view word, ConfigValue* value) {
  const bool yes = EqualsIgnoringCase(word, "yes");
  if (!yes && !EqualsIgnoringCase(word, "no")) return Invalid("argument must be 'yes' or 'no'");
  *value = {yes ? "yes" : "no", yes};
  return {};
}

lsm::Status ParseBoundedInteger(int64_t min, int64_t max, std::string_view word,
                                ConfigValue* value) {
  int64_t number = 0;
  if (!resp::ParseInteger(word, &number))
    return Invalid("argument couldn't be parsed into an integer");
  if (number < min || number > max) {
    return Invalid(fmt::format("argument must be between {} and {} inclusive", min, max));
  }
  *value = {std::to_string(number), number};
  return {};
}

lsm::Status ParseBoundedMemory(const Directive& directive, std::string_view word,
                               ConfigValue* value) {
  const bool may_be_percent = directive.kind == Directive::Kind::kMemoryOrPercent;
  const char* const form = may_be_percent ? "argument must be a memory or percent value"
                                          : "argument must be a memory value";
  if (may_be_percent && word.ends_with('%')) {
    int64_t percent = 0;
    if (!resp::ParseInteger(word.substr(0, word.size() - 1), &percent) || percent < 0) {
      return Invalid(form);
    }
    if (percent > 100) return Invalid("percentage argument must be less or equal to 100");
    *value = {fmt::format("{}%", percent), -percent};
    return {};
  }
  uint64_t bytes = 0;
  if (!ParseMemory(word, &bytes)) return Invalid(form);
  if (bytes < directive.min || bytes > directive.max) {
    return Invalid(
        fmt::format("argument must be between {} and {} inclusive", directive.min, directive.max));
  }
  *value = {std::to_string(bytes), static_cast<int64_t>(bytes)};
  return {};
}

lsm::Status ParseOctal(const Directive& directive, std::string_view word, ConfigValue* value) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, 8);
  if (error != std::errc() || end != word.data() + word.size()) {
    return Invalid("argument couldn't be parsed as an octal number");
  }
  if (number < directive.min || number > directive.max) {
    return Invalid(fmt::format("argument must be between {:o} and {:o} inclusive", directive.min,
                               directive.max));
  }
  *value = {fmt::format("{:o}", number), static_cast<int64_t>(number)};
  return {};
}

lsm::Status NotAChoice(std::string_view choices) {
  return Invalid(fmt::format("argument(s) must be one of the following: {}", choices));
}

// The place of `word` in the comma-separated choices, -1 if absent.
int64_t PlaceOf(std::string_view word, std::string_view choices, std::string_view* spelled) {
  for (int64_t place = 0; !choices.empty(); ++place) {
    const size_t comma = std::min(choices.find(", "), choices.size());
    *spelled = choices.substr(0, comma);
    if (EqualsIgnoringCase(word, *spelled)) return place;
    choices.remove_prefix(std::min(comma + 2, choices.size()));
  }
  return -1;
}

lsm::Status ParseChoice(const Directive& directive, std::string_view word, ConfigValue* value) {
  std::string_view spelled;
  const int64_t place = PlaceOf(word, directive.choices, &spelled);
  if (place < 0) return NotAChoice(directive.choices);
  *value = {std::string(spelled), place};
  return {};
}

lsm::Status ParseText(const Directive& directive, const std::string& word, ConfigValue* value) {
  if ((directive.flags & Directive::kBareName) && word.find('/') != std::string::npos) {
    const bool is_directory = directive.name.ends_with("dirname");
    return Invalid(fmt::format("{} can't be a path, just a {}", directive.name,
                               is_directory ? "dirname" : "filename"));
  }
  *value = {word, 0};
  return {};
}

}  // namespace

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  for (;;) {
    const size_t blank = text.find(' ');
    words.emplace_back(text.substr(0, blank));
    if (blank == std::string_view::npos) return words;
    text.remove_prefix(blank + 1);
  }
}

bool ParseMemory(std::string_view text, uint64_t* bytes) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const std::string_view unit = text.substr(digits);
  constexpr std::array<std::pair<std::string_view, uint64_t>, 8> kUnits = {
      {{"", 1},
       {"b", 1},
       {"k", 1000},
       {"kb", 1024},
       {"m", 1000 * 1000},
       {"mb", 1024 * 1024},
       {"g", 1000 * 1000 * 1000},
       {"gb", 1024 * 1024 * 1024}}};
  for (const auto& [name, factor] : kUnits) {
    if (!EqualsIgnoringCase(unit, name)) continue;
    uint64_t number = 0;
    if (digits > 0) {
      const auto result = std::from_chars(text.data(), text.data() + digits, number);
      if (result.ec != std::errc()) number = UINT64_MAX;
    }
    if (__builtin_mul_overflow(number, factor, bytes)) *bytes = UINT64_MAX;
    return true;
  }
  return false;
}

lsm::Status ParseBind(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                      ConfigValue* value) {
  constexpr size_t kMaxAddresses = 16;
  const std::vector<std::string> addresses = WithoutSoleEmptyWord(words);
  if (addresses.size() > kMaxAddresses) return Invalid("Too many bind addresses specified.");
  *value = {Join(addresses), 0};
  return {};
}

lsm::Status ParseDirectory(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                           ConfigValue* value) {
  char resolved[PATH_MAX];
  if (realpath(words[0].c_str(), resolved) == nullptr) return Invalid(strerror(errno));
  struct stat info;
  if (stat(resolved, &info) != 0) return Invalid(strerror(errno));
  if (!S_ISDIR(info.st_mode)) return Invalid(strerror(ENOTDIR));
  if (access(resolved, X_OK) != 0) return Invalid(strerror(errno));
  *value = {resolved, 0};
  return {};
}

lsm::Status ParseHz(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                    ConfigValue* value) {
  RETURN_IF_ERROR(ParseBoundedInteger(0, INT32_MAX, words[0], value));
  const int64_t clamped = std::clamp<int64_t>(value->number, 1, 500);
  *value = {std::to_string(clamped), clamped};
  return {};
}

lsm::Status ParseSave(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                      ConfigValue* value) {
  const std::vector<std::string> points = WithoutSoleEmptyWord(words);
  bool valid = points.size() % 2 == 0;
  for (size_t i = 0; valid && i < points.size(); ++i) {
    int64_t number = 0;
    const int64_t min = i % 2 == 0 ? 1 : 0;  // seconds, then changes
    valid = resp::ParseInteger(points[i], &number) && number >= min && number <= INT32_MAX;
  }
  if (!valid) return Invalid("Invalid save parameters");
  *value = {Join(points), 0};
  return {};
}

lsm::Status ParseOutputBufferLimit(const std::vector<std::string>& words, const ConfigValue& old,
                                   ConfigValue* value) {
  // 1. Four words a class: name, hard limit, soft limit, soft seconds.
  // 2. Classes that are not named keep what they had.
  constexpr std::array<std::string_view, 3> kClasses = {"normal", "slave", "pubsub"};
  if (words.empty() || words.size() % 4 != 0) {
    return Invalid("Wrong number of arguments in buffer limit configuration.");
  }
  std::vector<std::string> all = SplitWords(old.text);
  if (all.size() != kClasses.size() * 4) all.assign(kClasses.size() * 4, "0");
  for (size_t i = 0; i < kClasses.size(); ++i) all[i * 4] = kClasses[i];
  for (size_t i = 0; i < words.size(); i += 4) {
    std::string_view name = words[i];
    if (EqualsIgnoringCase(name, "replica")) name = "slave";
    const auto found = std::find_if(kClasses.begin(), kClasses.end(), [&](std::string_view known) {
      return EqualsIgnoringCase(name, known);
    });
    if (found == kClasses.end()) {
      return Invalid("Invalid client class specified in buffer limit configuration.");
    }
    uint64_t hard = 0;
    uint64_t soft = 0;
    int64_t seconds = 0;
    if (!ParseMemory(words[i + 1], &hard) || !ParseMemory(words[i + 2], &soft) ||
        !resp::ParseInteger(words[i + 3], &seconds) || seconds < 0 || seconds > INT32_MAX) {
      return Invalid("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    const size_t place = static_cast<size_t>(found - kClasses.begin()) * 4;
    all[place + 1] = std::to_string(hard);
    all[place + 2] = std::to_string(soft);
    all[place + 3] = std::to_string(seconds);
  }
  *value = {Join(all), 0};
  return {};
}

lsm::Status ParseOomScores(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                           ConfigValue* value) {
  if (words.size() != 3) return Invalid("wrong number of arguments");
  for (const std::string& word : words) {
    int64_t number = 0;
    if (!resp::ParseInteger(word, &number) || number < -2000 || number > 2000) {
      return Invalid("Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    }
  }
  *value = {Join(words), 0};
  return {};
}

lsm::Status ParsePercentiles(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                             ConfigValue* value) {
  std::vector<std::string> printed;
  for (const std::string& word : WithoutSoleEmptyWord(words)) {
    double percentile = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), percentile);
    if (error != std::errc() || end != word.data() + word.size()) {
      return Invalid("Invalid latency-tracking-info-percentiles parameters");
    }
    if (!(percentile >= 0.0 && percentile <= 100.0)) {
      return Invalid("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
    printed.push_back(fmt::format("{}", percentile));
  }
  *value = {Join(printed), 0};
  return {};
}

lsm::Status ParseShutdownOptions(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                                 ConfigValue* value) {
  constexpr std::string_view kChoices = "default, save, nosave, now, force";
  std::array<std::string_view, 5> chosen = {};
  for (const std::string& word : words) {
    std::string_view spelled;
    const int64_t place = PlaceOf(word, kChoices, &spelled);
    if (place < 0) return NotAChoice(kChoices);
    chosen.at(static_cast<size_t>(place)) = spelled;
  }
  if (!chosen[1].empty() && !chosen[2].empty()) {
    return Invalid("shutdown options SAVE and NOSAVE can't be used simultaneously");
  }
  std::vector<std::string> named;
  for (size_t i = 1; i < chosen.size(); ++i) {
    if (!chosen[i].empty()) named.emplace_back(chosen[i]);
  }
  *value = {named.empty() ? "default" : Join(named), 0};
  return {};
}

lsm::Status ParseReplicaOf(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                           ConfigValue* value) {
  if (words.size() == 1 && words[0].empty()) {
    *value = {};
    return {};
  }
  if (words.size() != 2) return Invalid("wrong number of arguments");
  if (EqualsIgnoringCase(words[0], "no") && EqualsIgnoringCase(words[1], "one")) {
    *value = {};
    return {};
  }
  int64_t port = 0;
  if (!resp::ParseInteger(words[1], &port) || port < 0 || port > 65535) {
    return Invalid("Invalid master port");
  }
  *value = {Join(words), 0};
  return {};
}

lsm::Status ParseKeyspaceEvents(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                                ConfigValue* value) {
  // 'A' stands for the classes up to 'd'. The rest is printed in this order.
  constexpr std::string_view kAll = "g$lshzxetd";
  constexpr std::string_view kOrder = "g$lshzxetdnKEm";
  std::string given;
  for (const char c : words[0]) {
    if (c == 'A') {
      given += kAll;
    } else if (kOrder.find(c) != std::string_view::npos) {
      given += c;
    } else {
      return Invalid("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    }
  }
  const auto has = [&](char c) { return given.find(c) != std::string::npos; };
  const bool all = std::all_of(kAll.begin(), kAll.end(), has);
  std::string text = all ? "A" : "";
  for (const char c : kOrder) {
    const bool in_all = kAll.find(c) != std::string_view::npos;
    if (has(c) && !(all && (in_all || c == 'n'))) text += c;
  }
  *value = {text, 0};
  return {};
}

lsm::Status ParseTitleTemplate(const std::vector<std::string>& words, const ConfigValue& /*old*/,
                               ConfigValue* value) {
  constexpr std::array<std::string_view, 7> kVariables = {
      "title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"};
  std::string_view rest = words[0];
  for (size_t open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
    const size_t close = rest.find('}', open);
    const std::string_view name =
        close == std::string_view::npos ? "" : rest.substr(open + 1, close - open - 1);
    if (std::find(kVariables.begin(), kVariables.end(), name) == kVariables.end()) {
      return Invalid("template format is invalid or contains unknown variables");
    }
    rest.remove_prefix(close + 1);
  }
  *value = {words[0], 0};
  return {};
}

lsm::Status ParseDirective(const Directive& directive, const std::vector<std::string>& words,
                           const ConfigValue& old, ConfigValue* value) {
  if (words.empty() || (words.size() > 1 && !(directive.flags & Directive::kList))) {
    return Invalid("wrong number of arguments");
  }
  ConfigValue parsed;
  switch (directive.kind) {
    case Directive::Kind::kBool:
      RETURN_IF_ERROR(ParseBool(words[0], &parsed));
      break;
    case Directive::Kind::kInteger:
      RETURN_IF_ERROR(ParseBoundedInteger(static_cast<int64_t>(directive.min),
                                          static_cast<int64_t>(directive.max), words[0], &parsed));
      break;
    case Directive::Kind::kMemory:
    case Directive::Kind::kMemoryOrPercent:
      RETURN_IF_ERROR(ParseBoundedMemory(directive, words[0], &parsed));
      break;
    case Directive::Kind::kOctal:
      RETURN_IF_ERROR(ParseOctal(directive, words[0], &parsed));
      break;
    case Directive::Kind::kChoice:
      RETURN_IF_ERROR(ParseChoice(directive, words[0], &parsed));
      break;
    case Directive::Kind::kText:
      RETURN_IF_ERROR(ParseText(directive, words[0], &parsed));
      break;
    case Directive::Kind::kCustom:
      RETURN_IF_ERROR(directive.parse(words, old, &parsed));
      break;
  }
  if ((directive.flags & Directive::kUnsupported) && parsed.text != directive.initial) {
    return Invalid(fmt::format("'{}' is not supported by this version of Varve", directive.name));
  }
  *value = std::move(parsed);
  return {};
}

}  // namespace redis
