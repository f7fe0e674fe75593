// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/transaction.h"

#include <algorithm>
#include <cassert>

namespace redis {

void Transaction::Open() {
  assert(!is_open_);
  is_open_ = true;
}

void Transaction::Queue(const CommandSpec& spec, std::span<const std::string_view> args) {
  assert(is_open_);
  // Nothing of it will run.
  if (is_aborted_ || is_dirty_) return;
  Queued& queued = commands_.emplace_back(Queued{&spec, sizes_.size(), args.size(), {}});
  size_t bytes = 0;
  for (const std::string_view arg : args) bytes += arg.size();
  queued.bytes.reserve(bytes);
  for (const std::string_view arg : args) {
    queued.bytes.append(arg);
    sizes_.push_back(arg.size());
  }
  writes_ |= spec.Is(kWrite);
  queued_bytes_ += sizeof(Queued) + args.size() * sizeof(size_t) + bytes;
}

void Transaction::Arguments(size_t i, std::vector<std::string_view>* args) const {
  const Queued& queued = commands_[i];
  args->clear();
  size_t at = 0;
  for (size_t n = 0; n < queued.arguments; ++n) {
    const size_t size = sizes_[queued.first_size + n];
    args->push_back(std::string_view(queued.bytes).substr(at, size));
    at += size;
  }
}

void Transaction::MarkDirty(lsm::SequenceNumber by) {
  is_dirty_ = true;
  dirtied_by_ = std::max(dirtied_by_, by);
}

}  // namespace redis
