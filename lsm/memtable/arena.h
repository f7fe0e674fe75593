// SPDX-License-Identifier: BSD-3-Clause
// Arena hands out memory that is freed all at once, addressed by 32-bit links.
//
// A link is an offset in units of 8 bytes, so 32 bits reach 32 GiB. Chunks grow from 4 KiB to 1 MiB
// so that an idle tree costs little; an allocation larger than a chunk gets one of its own.
//
// Thread safety: one allocating thread at a time; At() from any thread for a link that was
// published to it. MemoryUsage() from any thread.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace lsm {

class Arena {
 public:
  using Link = uint32_t;
  static constexpr Link kNull = 0;

  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` of uninitialised memory, aligned to 8. REQUIRES: bytes > 0
  Link Allocate(size_t bytes);
  char* At(Link link) const;

  // Bytes taken from the system.
  size_t MemoryUsage() const { return memory_usage_.load(std::memory_order_relaxed); }

 private:
  std::atomic<size_t> memory_usage_{0};
};

}  // namespace lsm
