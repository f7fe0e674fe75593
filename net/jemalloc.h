// SPDX-License-Identifier: BSD-3-Clause
// Jemalloc is the Allocator of a process that is linked with jemalloc.
// Thread safety: safe for concurrent use.

#pragma once

#include "net/allocator.h"

namespace net {

class Jemalloc : public Allocator {
 public:
  using Allocator::Allocator;

  redis::MemoryFigures Figures() override;
  // Gives unused pages of all arenas back to the system.
  lsm::Status Purge() override;
  std::string Report() override;
};

}  // namespace net
