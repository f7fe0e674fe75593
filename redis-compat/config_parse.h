// SPDX-License-Identifier: BSD-3-Clause
// Parsers of configuration values: numbers with units, and the directives whose values have a form
// of their own. Error messages are Redis's.
//
// Thread safety: pure functions, but for ParseDirectory, which looks at the file system.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"
#include "redis-compat/config_table.h"

namespace redis {

// Splits at single blanks, as CONFIG SET does for directives that take several words. Empty words
// stay; an empty text has none.
std::vector<std::string> SplitWords(std::string_view text);

// "10", "10b", "10k" (1000), "10kb" (1024), "m", "mb", "g", "gb", in any case. No digits mean 0.
// What does not fit is the largest number, which bounds then refuse.
bool ParseMemory(std::string_view text, uint64_t* bytes);

// The parsers of the kind Directive::Parse.
lsm::Status ParseBind(const std::vector<std::string>& words, const ConfigValue& old,
                      ConfigValue* value);
lsm::Status ParseDirectory(const std::vector<std::string>& words, const ConfigValue& old,
                           ConfigValue* value);
lsm::Status ParseHz(const std::vector<std::string>& words, const ConfigValue& old,
                    ConfigValue* value);
lsm::Status ParseSave(const std::vector<std::string>& words, const ConfigValue& old,
                      ConfigValue* value);
lsm::Status ParseOutputBufferLimit(const std::vector<std::string>& words, const ConfigValue& old,
                                   ConfigValue* value);
lsm::Status ParseOomScores(const std::vector<std::string>& words, const ConfigValue& old,
                           ConfigValue* value);
lsm::Status ParsePercentiles(const std::vector<std::string>& words, const ConfigValue& old,
                             ConfigValue* value);
lsm::Status ParseShutdownOptions(const std::vector<std::string>& words, const ConfigValue& old,
                                 ConfigValue* value);
lsm::Status ParseReplicaOf(const std::vector<std::string>& words, const ConfigValue& old,
                           ConfigValue* value);
lsm::Status ParseKeyspaceEvents(const std::vector<std::string>& words, const ConfigValue& old,
                                ConfigValue* value);
lsm::Status ParseTitleTemplate(const std::vector<std::string>& words, const ConfigValue& old,
                               ConfigValue* value);

}  // namespace redis
