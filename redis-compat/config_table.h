// SPDX-License-Identifier: BSD-3-Clause
// The directives of redis.conf, one row each, and what turns the words after a directive's name
// into its value.
//
// Invariant: a value's text is canonical: parsing it again gives the same value.
//
// Thread safety: constant data.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"

namespace redis {

struct Settings;

struct ConfigValue {
  std::string text;    // as CONFIG GET prints it
  int64_t number = 0;  // booleans as 0 and 1, choices by their place, memory as its bits
};

struct Directive {
  enum class Kind { kBool, kInteger, kMemory, kMemoryOrPercent, kOctal, kChoice, kText, kCustom };
  enum Flag : uint32_t {
    kImmutable = 1,    // CONFIG SET refuses it
    kGuarded = 2,      // CONFIG SET needs enable-protected-configs
    kHidden = 4,       // CONFIG GET shows it by its exact name only
    kList = 8,         // takes any number of words
    kBareName = 16,    // the text must not contain a slash
    kUnsupported = 32  // a value other than the default is refused: ignoring it would be dangerous
  };
  using Parse = lsm::Status (*)(const std::vector<std::string>& words, const ConfigValue& old,
                                ConfigValue* value);
  using Apply = void (*)(Settings* settings, const ConfigValue& value);

  std::string_view name;
  Kind kind = Kind::kText;
  uint32_t flags = 0;
  std::string_view initial = {};
  uint64_t min = 0;  // the bits of an int64_t where the kind is signed
  uint64_t max = 0;
  std::string_view choices = {};  // "everysec, always, no", as errors list them
  Parse parse = nullptr;          // of kCustom
  std::string_view alias = {};    // an older name
  Apply apply = nullptr;          // null: the value is kept, but nothing here depends on it

  constexpr Directive Alias(std::string_view other_name) const {
    Directive copy = *this;
    copy.alias = other_name;
    return copy;
  }
  constexpr Directive To(Apply function) const {
    Directive copy = *this;
    copy.apply = function;
    return copy;
  }
};

std::span<const Directive> Directives();
// By either name, in any case; null if there is none.
const Directive* FindDirective(std::string_view name);

// The value that `words` give to the directive. The error's message is Redis's.
lsm::Status ParseDirective(const Directive& directive, const std::vector<std::string>& words,
                           const ConfigValue& old, ConfigValue* value);

}  // namespace redis
