// SPDX-License-Identifier: BSD-3-Clause
#include "net/jemalloc.h"

#include <fmt/format.h>
#include <jemalloc/jemalloc.h>

#include <cstddef>
#include <cstdint>

// Read by jemalloc as it starts. Pages that are empty go back to the system soon, so that
// `maxmemory` need not leave much room for them; a thread of the allocator's own does it. By
// default they stay for ten seconds: of a database that rewrites its files all the time, some 30
// MiB.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:200,muzzy_decay_ms:0";

namespace net {

namespace {

uint64_t Read(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

}  // namespace

redis::MemoryFigures Jemalloc::Figures() {
  // The figures are those of the last time that the epoch was advanced.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  return {.allocator = name_,
          .allocated = Read("stats.allocated"),
          .active = Read("stats.active"),
          .resident = Read("stats.resident")};
}

lsm::Status Jemalloc::Purge() {
  // What this thread keeps for itself goes first, so that its pages can be unused.
  mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  const std::string name = fmt::format("arena.{}.purge", MALLCTL_ARENAS_ALL);
  if (mallctl(name.c_str(), nullptr, nullptr, nullptr, 0) == 0) return lsm::Status::Ok();
  return lsm::Status::IoError("the allocator does not purge");
}

std::string Jemalloc::Report() {
  std::string text;
  malloc_stats_print(
      [](void* out, const char* part) { static_cast<std::string*>(out)->append(part); }, &text,
      nullptr);
  return text;
}

}  // namespace net
