// SPDX-License-Identifier: BSD-3-Clause
// BlockIndex is an index block in a form that is quick to search: for each entry the handle, and of
// the key the eight bytes behind what all of the slice's keys begin with, as a number. Bisecting
// these decodes nothing, and they lie close together; only keys that agree in them are compared.
//
// Thread safety: immutable after Read.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/format/table_format.h"
#include "lsm/sst/block.h"
#include "lsm/sst/table_file.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/util/allocation.h"

namespace lsm {

class BlockIndex {
 public:
  // Reads the index block, which may be hostile.
  static Result<BlockIndex> Read(const TableFile& file, BlockHandle handle);

  size_t size() const { return handles_.size(); }
  // Where the data block is. REQUIRES: i < size()
  BlockHandle handle(size_t i) const { return handles_[i]; }
  const Block& block() const { return *block_; }

  // Of the heap.
  size_t MemoryUsage() const {
    return block_->charge() + AllocatedBytes(words_.data()) + AllocatedBytes(handles_.data());
  }

  // The number of the first block whose key is at or after (user_key, sequence); size() if all are
  // before it.
  size_t Find(std::string_view user_key, SequenceNumber sequence) const;

 private:
  const char* Build(std::shared_ptr<const Block> block, uint64_t offset);

  std::shared_ptr<const Block> block_;
  std::string prefix_;  // of all user keys
  std::vector<uint64_t> words_;
  std::vector<BlockHandle> handles_;
};

}  // namespace lsm
