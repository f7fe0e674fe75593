// SPDX-License-Identifier: BSD-3-Clause
// MemFile is the content of one file of MemFileSystem: what a reader sees now, and what a power cut
// may leave of it.
//
// Content is a list of chunks that copies share until one of them writes; a chunk that was never
// written is a null pointer and reads as zeros, so a reserved segment costs nothing. What was
// durable is kept as an undo list: the old chunk of each one changed since the last sync. A sync
// forgets the list, so its cost is that of what was written.
//
// Thread safety: none; MemFileSystem locks. Copies share chunks: they belong to one thread at a
// time together.
// Invariants: a chunk is changed only while no copy shares it; undo_ has an entry for each chunk
// whose content may differ from the durable one.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "lsm/random.h"

namespace lsm {

// How a power cut treats what was not synced.
enum class PowerLoss {
  kKeepNothing,
  kKeepEverything,
  kRandom,  // each piece by a coin, whose odds are drawn anew for each cut
};

// Decides piece by piece what reaches the disk without a sync.
class DurabilityCoin {
 public:
  // `random` may be null unless `loss` is kRandom.
  DurabilityCoin(Random* random, PowerLoss loss);
  bool Keep();
  // All of n, a part of it, or nothing.
  uint64_t KeepUpTo(uint64_t n);

 private:
  Random* const random_;
  uint64_t keep_of_16_;  // 0: nothing, 16: everything
};

class MemFile {
 public:
  // What a disk writes whole or not at all.
  static constexpr size_t kBlockSize = 512;

  uint64_t size() const { return size_; }
  // Returns how many of the `n` bytes there were before the end of the file.
  size_t Read(uint64_t offset, size_t n, char* scratch) const;
  void Write(uint64_t offset, std::string_view data);
  // Longer: zeros are appended.
  void Truncate(uint64_t size);

  // All that was written is durable.
  void Sync();
  bool HasUnsynced() const { return size_ != synced_size_ || !undo_.empty(); }
  // Some of what was written becomes durable, as the coin says: what the system does by itself.
  void WriteBack(DurabilityCoin* coin);
  // What is left after a power cut, as a file without unsynced data.
  MemFile AfterPowerCut(DurabilityCoin* coin) const;
  // Like a sync that failed: pages are marked clean though nothing reached the disk. Readers go on
  // seeing them, a later sync does not write them, and a power cut loses them.
  void ForgetUnsynced();

  // Xors one byte, now and on disk. REQUIRES: offset < size()
  void Damage(uint64_t offset, uint8_t mask);

 private:
  static constexpr size_t kChunkSize = 4096;
  using Chunk = std::array<char, kChunkSize>;
  using ChunkPtr = std::shared_ptr<Chunk>;

  // The chunk for reading, null if it is zeros.
  ChunkPtr Find(uint64_t index) const;
  // The chunk for writing, unshared, with its durable content in the undo list.
  Chunk* Change(uint64_t index);
  // Makes what lies behind size_ zeros again, which Truncate to a greater size relies on.
  void DropBehindSize();

  uint64_t size_ = 0;
  std::vector<ChunkPtr> chunks_;
  uint64_t synced_size_ = 0;
  // The smallest length since the last sync: what was durable behind it has been cut off.
  uint64_t smallest_size_ = 0;
  std::map<uint64_t, ChunkPtr> undo_;
  // Durable content of chunks that no sync will write, see ForgetUnsynced. Disjoint from undo_.
  std::map<uint64_t, ChunkPtr> stuck_;
};

}  // namespace lsm
