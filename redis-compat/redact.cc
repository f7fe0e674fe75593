// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/redact.h"

#include <algorithm>
#include <array>

#include "redis-compat/letters.h"

namespace redis {
namespace {

// Directives whose values nobody else may read.
constexpr std::array<std::string_view, 5> kSecretDirectives = {
    "requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"};

bool IsSecretDirective(std::string_view name) {
  return std::any_of(kSecretDirectives.begin(), kSecretDirectives.end(),
                     [&](std::string_view secret) { return EqualsIgnoringCase(name, secret); });
}

void Redact(std::vector<std::string_view>* args, size_t first, size_t count) {
  for (size_t i = first; i < args->size() && i - first < count; ++i) (*args)[i] = kRedacted;
}

}  // namespace

std::vector<std::string_view> ShownArguments(const CommandSpec& spec,
                                             std::span<const std::string_view> args) {
  std::vector<std::string_view> shown(args.begin(), args.end());
  if (spec.name == "auth") {
    Redact(&shown, 1, shown.size());
  } else if (spec.name == "hello") {
    // Also where the version is missing: the password is there all the same.
    for (size_t i = 1; i < args.size(); ++i) {
      if (!EqualsIgnoringCase(args[i], "auth")) continue;
      Redact(&shown, i + 1, 2);
      i += 2;
    }
  } else if (spec.name == "config|set") {
    for (size_t i = 2; i + 1 < args.size(); i += 2) {
      if (IsSecretDirective(args[i])) Redact(&shown, i + 1, 1);
    }
  }
  return shown;
}

}  // namespace redis
