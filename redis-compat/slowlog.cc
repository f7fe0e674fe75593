// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/slowlog.h"

#include <fmt/format.h>

#include <utility>

namespace redis {

void SlowLog::Add(int64_t second, int64_t micros, std::span<const std::string_view> arguments,
                  std::string_view client_address, std::string_view client_name) {
  if (max_length_ == 0) {
    ++next_id_;
    return;
  }
  Entry entry;
  entry.id = next_id_++;
  entry.second = second;
  entry.micros = micros;
  entry.client_address = client_address;
  entry.client_name = client_name.substr(0, kMaxArgumentBytes);
  // The last place says how many are missing.
  const bool fits = arguments.size() <= kMaxArguments;
  const size_t shown = fits ? arguments.size() : kMaxArguments - 1;
  entry.arguments.reserve(shown + 1);
  for (const std::string_view argument : arguments.first(shown)) {
    std::string& copy = entry.arguments.emplace_back(argument.substr(0, kMaxArgumentBytes));
    if (argument.size() > kMaxArgumentBytes) {
      copy += fmt::format("... ({} more bytes)", argument.size() - kMaxArgumentBytes);
    }
  }
  if (!fits) {
    entry.arguments.push_back(fmt::format("... ({} more arguments)", arguments.size() - shown));
  }
  entries_.push_front(std::move(entry));
  if (entries_.size() > max_length_) entries_.pop_back();
}

void SlowLog::set_max_length(size_t length) {
  max_length_ = length;
  if (entries_.size() > length) entries_.resize(length);
}

}  // namespace redis
