// SPDX-License-Identifier: BSD-3-Clause
// Arena hands out memory addressed by 32-bit links. It is freed all at once; a piece that is not
// needed any more can be given back before that, and is handed out again.
//
// A link is an offset in units of 8 bytes, so 32 bits reach 32 GiB. The offsets are divided into
// regions of 1 MiB. A chunk of memory begins at the start of a region and, if it is larger than
// one, covers as many as it needs; the region table says where each region lies in memory, so a
// link is followed with one look into a table that is always in the cache.
//
// Chunks grow from 4 KiB to 1 MiB by doubling, the first is taken at the first allocation, and an
// allocation above a quarter of the largest chunk gets a chunk of its own: an idle arena costs
// nothing but itself, and at most a quarter of a chunk is left unused at its end. A small chunk
// wastes offsets (it has a whole region), not memory.
//
// A piece given back is kept in a list of its size, up to 1 KiB, and fits only requests of that
// size: what is overwritten mostly keeps its size. Larger pieces serve the best fit, and what is
// left of them goes back. Under the address sanitizer a piece given back must not be touched.
//
// Thread safety: one allocating thread at a time; At() from any thread for a link that was
// published to it. MemoryUsage() from any thread.
//
// Why At() needs no lock: the table entries of an allocation are written before Allocate returns
// its link, so whoever was handed the link by a release store can read them. A table that is full
// is replaced by a larger copy with one release store and kept until the arena dies, and entries
// that are in use never change; so it does not matter which of the tables a reader has.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lsm {

class Arena {
 public:
  using Link = uint32_t;
  static constexpr Link kNull = 0;
  static constexpr size_t kUnit = 8;  // bytes from one link to the next

  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` of uninitialised memory, aligned to 8. REQUIRES: bytes > 0
  Link Allocate(size_t bytes);
  // Gives back what Allocate returned for `bytes`, or the end of it. REQUIRES: nobody reads it now
  // or will; the allocating thread.
  void Free(Link link, size_t bytes);

  char* At(Link link) const {
    char* const* regions = regions_.load(std::memory_order_acquire);
    return regions[link / kUnitsPerRegion] + size_t{link % kUnitsPerRegion} * kUnit;
  }

  // Bytes taken from the system.
  size_t MemoryUsage() const { return memory_usage_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kFirstChunk = size_t{4} * 1024;
  static constexpr size_t kMaxChunk = size_t{1024} * 1024;
  static constexpr size_t kOwnChunk = kMaxChunk / 4;
  static constexpr size_t kRegion = kMaxChunk;
  static constexpr Link kUnitsPerRegion = kRegion / kUnit;
  static constexpr size_t kMaxRegions = (uint64_t{1} << 32) / kUnitsPerRegion;
  static constexpr size_t kFirstRegions = 8;

  struct FreeLists;

  static constexpr size_t UnitsOf(size_t bytes) { return (bytes + kUnit - 1) / kUnit; }
  // From what was given back; null if nothing fits.
  Link Reuse(size_t units);
  // Takes memory for `bytes` and gives it regions; returns the first of these.
  size_t AddChunk(size_t bytes);
  void GrowRegionTable(size_t needed);
  void CountMemory(size_t bytes);

  // What is left of the current chunk: links [next_, end_).
  Link next_ = 0;
  Link end_ = 0;
  size_t chunk_size_ = 0;    // of the current chunk; 0 before the first
  size_t region_count_ = 1;  // region 0 stays empty: it holds the null link
  size_t region_capacity_ = kFirstRegions;
  std::array<char*, kFirstRegions> first_regions_{};
  std::atomic<char* const*> regions_{first_regions_.data()};
  char** writable_regions_ = first_regions_.data();  // the same table, for the writer
  std::vector<std::unique_ptr<char*[]>> region_tables_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::unique_ptr<FreeLists> free_;  // null until something is given back
  std::atomic<size_t> memory_usage_{0};
};

}  // namespace lsm
