// SPDX-License-Identifier: BSD-3-Clause
// Allocator is what can be asked of the process's memory allocator. This one has nothing to tell,
// as the allocators that sanitizers bring.
// Thread safety: safe for concurrent use.

#pragma once

#include <string>
#include <string_view>

#include "lsm/status.h"
#include "redis-compat/host.h"

namespace net {

class Allocator {
 public:
  // `name` is what INFO calls it, and must outlive this.
  explicit Allocator(std::string_view name) : name_(name) {}
  virtual ~Allocator() = default;

  virtual redis::MemoryFigures Figures() { return {.allocator = name_}; }
  virtual lsm::Status Purge() { return lsm::Status::Ok(); }
  virtual std::string Report() { return {}; }

 protected:
  const std::string_view name_;
};

}  // namespace net
