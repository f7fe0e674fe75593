// SPDX-License-Identifier: BSD-3-Clause
// Any text loads or is refused with a message; what was loaded is printed so that it loads again to
// the same.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "redis-compat/config.h"
#include "redis-compat/config_parse.h"
#include "redis-compat/config_table.h"

namespace {

void CheckRoundTrip(const redis::Config& config) {
  for (const redis::Directive& directive : redis::Directives()) {
    redis::ConfigValue old;
    old.text = config.Value(directive.name);
    const bool is_list = (directive.flags & redis::Directive::kList) && !old.text.empty();
    redis::ConfigValue again;
    const lsm::Status status = redis::ParseDirective(
        directive, is_list ? redis::SplitWords(old.text) : std::vector<std::string>{old.text}, old,
        &again);
    if (!status.ok() || again.text != old.text) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // The file system is not what is tested here.
  if (text.find("nclude") != std::string::npos || text.find("NCLUDE") != std::string::npos) {
    return 0;
  }
  redis::Config config;
  const lsm::Status status = config.LoadText(text);
  if (!status.ok() && status.message().empty()) std::abort();
  CheckRoundTrip(config);
  return 0;
}
