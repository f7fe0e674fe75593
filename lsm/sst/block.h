// SPDX-License-Identifier: BSD-3-Clause
// Block is the uncompressed contents of a block (FORMAT.md): of a data or index block, whose
// entries its iterator walks, or of one that is a value of a blob file.
//
// The bytes may be hostile: their checksum was right, which says that they are what was written,
// not that they make sense. Whatever they hold, nothing outside of the block is touched, every
// call ends, and what is malformed is reported.
//
// Thread safety: a Block is immutable and safe for concurrent use; an iterator belongs to one
// thread.

#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/format/compression.h"
#include "lsm/format/internal_iterator.h"
#include "lsm/format/internal_key.h"
#include "lsm/format/table_format.h"

namespace lsm {

class Block {
  struct Layout {
    uint32_t entries_end = 0;  // where the entries end and the restart points begin
    uint32_t restart_count = 0;
    // Of a data block:
    uint32_t tags = 0;  // where they begin
    uint32_t tag_count = 0;
    uint32_t restart_interval = 0;
  };
  struct OnlyParse {};

 public:
  class Iterator;

  // What Find found; `corruption` is what is malformed, or null.
  struct Found {
    TableLookup lookup{};
    std::string_view value{};
    const char* corruption = nullptr;
  };

  // Takes the first `size` of the bytes as contents. Null with `*why` set if what stands behind the
  // entries is malformed.
  static std::shared_ptr<const Block> Parse(OwnedBytes bytes, size_t size, BlockKind kind,
                                            const char** why);
  Block(OnlyParse, OwnedBytes bytes, const Layout& layout)
      : bytes_(std::move(bytes)), layout_(layout) {}

  // The newest record of `user_key` that `sequence` can see. `hash` is HashKey(user_key).
  // REQUIRES: a data block
  Found Find(std::string_view user_key, uint64_t hash, SequenceNumber sequence) const;

  // What Find looks at, in this order, so that it can be on its way into the processor's cache.
  // PrefetchEntries looks at the tags.
  void PrefetchTags() const;
  void PrefetchEntries(uint64_t hash) const;

  // Where every search begins: the restart points, and the tags behind them. For prefetching.
  const char* directory() const { return bytes_.data.get() + layout_.entries_end; }

  // Blocks of records and of indexes have restart points.
  bool is_value() const { return layout_.restart_count == 0; }
  // REQUIRES: is_value()
  std::string_view value() const { return bytes_.view().substr(0, layout_.entries_end); }

  // Memory that the block occupies, with the bookkeeping of its owners.
  size_t charge() const;

  // Walks every entry and checks what reading does not: that the restart points, and only they,
  // are entries that share nothing because they begin anew, that keys ascend, and that the tags
  // are those of the keys. Null if so.
  const char* Check() const;

 private:
  class Walk;
  // An entry as it is written.
  struct Entry {
    uint32_t shared;
    uint32_t next_offset;
    std::string_view unshared;
    std::string_view value;
  };

  static const char* ParseLayout(std::string_view contents, BlockKind kind, Layout* layout);
  const char* CheckRestarts() const;
  const char* CheckTags() const;
  // Decodes the entry at `offset`, behind one whose key has `previous_size` bytes. Null, or what is
  // malformed. REQUIRES: offset <= entries_end
  const char* DecodeEntry(uint32_t offset, size_t previous_size, Entry* entry) const;
  Found FindBySeeking(std::string_view user_key, SequenceNumber sequence) const;
  // Asks for the memory between a restart point and the next one.
  void PrefetchInterval(uint32_t i) const;

  std::string_view tags() const { return {bytes_.data.get() + layout_.tags, layout_.tag_count}; }
  uint32_t Restart(uint32_t i) const {
    return DecodeFixed32(bytes_.data.get() + layout_.entries_end + size_t{4} * i);
  }

  const OwnedBytes bytes_;
  const Layout layout_;
};

// Not Valid() before it is positioned, past either end, and for good after corruption was met.
class Block::Iterator {
 public:
  Iterator() = default;  // Reset comes first
  // `block` must outlive the iterator's use.
  explicit Iterator(const Block* block) : block_(block) {}
  Iterator(const Iterator&) = delete;
  Iterator& operator=(const Iterator&) = delete;

  // As if made anew for `block`.
  void Reset(const Block* block) {
    block_ = block;
    valid_ = false;
    corruption_ = nullptr;
  }

  bool Valid() const { return valid_; }
  // What is malformed, or null.
  const char* corruption() const { return corruption_; }

  void SeekToFirst();
  void SeekToLast();
  // REQUIRES: there is such a restart point
  void SeekToRestart(uint32_t i) { DecodeRestart(i); }
  // To the first entry at or after (user_key, sequence).
  void Seek(std::string_view user_key, SequenceNumber sequence);
  // To the last entry before (user_key, sequence).
  void SeekBefore(std::string_view user_key, SequenceNumber sequence);
  // REQUIRES: Valid()
  void Next();
  void Prev();

  // Good until the iterator moves. REQUIRES: Valid()
  const InternalRecord& record() const {
    assert(valid_);
    return record_;
  }
  std::string_view user_key() const { return record().user_key; }
  SequenceNumber sequence() const { return record().sequence; }
  RecordType type() const { return record().type; }
  std::string_view value() const { return record().value; }
  // Of the entry within the block.
  uint32_t offset() const { return offset_; }
  // Whether the entry is that restart point.
  bool IsRestart(uint32_t i) const {
    return i < block_->layout_.restart_count && block_->Restart(i) == offset_;
  }

 private:
  friend class Block;

  // Decodes the entry at `offset`, whose predecessor was decoded last unless it is a restart point.
  // False at the end and on corruption.
  bool Decode(uint32_t offset);
  // Decodes the entry of a restart point.
  bool DecodeRestart(uint32_t i);
  // The last restart point whose offset is below `offset`. REQUIRES: offset > 0
  uint32_t RestartBefore(uint32_t offset) const;
  bool Corrupt(const char* why);

  const Block* block_ = nullptr;
  bool valid_ = false;
  const char* corruption_ = nullptr;
  uint32_t offset_ = 0;       // of the entry
  uint32_t next_offset_ = 0;  // of the one behind it
  std::string_view key_;      // internal key: in the block if it shares nothing, else in buffer_
  InternalRecord record_;
  std::string buffer_;
};

}  // namespace lsm
