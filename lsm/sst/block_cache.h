// SPDX-License-Identifier: BSD-3-Clause
// BlockCache keeps uncompressed blocks of SST files within a byte budget, sharded; the victim is
// found by CLOCK (one reference bit an entry). A block in use stays alive through its reference
// after it has left the cache. A pinned entry does not leave it: whoever looks it up finds it, even
// if the pinned ones alone exceed the budget.
//
// Thread safety: safe for concurrent use.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace lsm {

class Block;

class BlockCache {
  struct Rep;

 public:
  // Keeps one entry in the cache. Empty if default-constructed or moved from. Must not outlive the
  // cache. Thread safety: none.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept
        : rep_(std::exchange(other.rep_, nullptr)), key_(other.key_), charge_(other.charge_) {}
    Pin& operator=(Pin&& other) noexcept {
      if (this == &other) return *this;
      Release();
      rep_ = std::exchange(other.rep_, nullptr);
      key_ = other.key_;
      charge_ = other.charge_;
      return *this;
    }
    ~Pin() { Release(); }
    bool empty() const { return rep_ == nullptr; }
    // Of the entry. REQUIRES: !empty()
    size_t charge() const { return charge_; }

   private:
    friend class BlockCache;
    void Release();

    Rep* rep_ = nullptr;
    std::pair<uint64_t, uint64_t> key_;  // file and offset
    size_t charge_ = 0;
  };

  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();

  // Null if absent.
  std::shared_ptr<const Block> Lookup(uint64_t file, uint64_t offset);
  // What Lookup looks at, in this order, so that it can be on its way into the processor's cache:
  // the entry, then the block. Peek is a Lookup that leaves no trace.
  void PrefetchEntry(uint64_t file, uint64_t offset) const;
  void PrefetchBlock(uint64_t file, uint64_t offset) const;
  std::shared_ptr<const Block> Peek(uint64_t file, uint64_t offset) const;
  // `charge`: bytes the block occupies, bookkeeping included. If the block is there already, that
  // one stays. Nothing is kept, and nothing evicted, if what is pinned leaves no room for it.
  void Insert(uint64_t file, uint64_t offset, std::shared_ptr<const Block> block, size_t charge);
  // The same, whatever the budget, and pins it.
  Pin InsertPinned(uint64_t file, uint64_t offset, std::shared_ptr<const Block> block,
                   size_t charge);
  // Empty if absent. Is not counted as a use.
  Pin PinIfPresent(uint64_t file, uint64_t offset);

  size_t usage_bytes() const;
  size_t capacity_bytes() const;
  // Takes effect at once for what is inserted; what is beyond it is for Shrink, and for insertions,
  // a few at a time.
  void SetCapacity(size_t bytes);
  // Evicts up to `entries` entries that are beyond the capacity. True if more are.
  bool Shrink(size_t entries);
  uint64_t hits() const;
  uint64_t misses() const;

 private:
  std::unique_ptr<Rep> rep_;
};

}  // namespace lsm
