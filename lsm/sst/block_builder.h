// SPDX-License-Identifier: BSD-3-Clause
// BlockBuilder makes the contents of a data or index block (FORMAT.md): entries in ascending
// order, each without the bytes that it shares with the key before; at every restart point a key
// is written whole, so that a reader can begin there. A data block ends with a tag for each entry.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/table_format.h"

namespace lsm {

class BlockBuilder {
 public:
  // REQUIRES: restart_interval >= 1
  BlockBuilder(BlockKind kind, int restart_interval);

  // `key` is an internal key. REQUIRES: it comes after every earlier one; UpperBound(key, value) <=
  // kMaxBlockSize.
  void Add(std::string_view key, std::string_view value);

  // Appends the restart points and tags and returns the contents, to which the caller may append.
  // Nothing may be added before Reset.
  std::string* Finish();
  void Reset();

  bool empty() const { return buffer_.empty(); }
  // The last key that was added. REQUIRES: !empty()
  std::string_view last_key() const { return last_key_; }
  // Size of the contents as they are, and at most after one more entry.
  size_t Size() const { return buffer_.size() + restarts_.size() * 4 + 4 + TagsSize(); }
  size_t UpperBound(std::string_view key, std::string_view value) const;

 private:
  size_t TagsSize() const { return kind_ == BlockKind::kData ? tags_.size() + 8 : 0; }

  const BlockKind kind_;
  const size_t restart_interval_;
  std::string buffer_;
  std::vector<uint32_t> restarts_;
  std::string tags_;
  size_t since_restart_ = 0;  // entries since the last restart point, itself included
  std::string last_key_;
};

}  // namespace lsm
