// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_iterator.h"

namespace lsm {

Status TableSlice::IndexCorruption(const char* why) const {
  return file_->Corruption("index block", where_.index.offset, why);
}

Result<BlockHandle> TableSlice::DataHandle(const Block::Iterator& index) const {
  std::string_view value = index.value();
  BlockHandle handle;
  if (!GetBlockHandle(&value, &handle) || !value.empty()) {
    return IndexCorruption("malformed handle");
  }
  if (!handle.Within(where_.index.offset)) {
    return IndexCorruption("a data block lies behind the index");
  }
  return handle;
}

Result<std::shared_ptr<const Block>> TableSlice::ReadDataBlock(BlockHandle handle,
                                                               bool fill_cache) const {
  if (cache_ != nullptr) {
    if (std::shared_ptr<const Block> block = cache_->Lookup(file_->number(), handle.offset)) {
      return block;
    }
  }
  Result<std::shared_ptr<const Block>> block = file_->ReadBlock(handle, BlockKind::kData);
  RETURN_IF_ERROR(block.status());
  blocks_read_.fetch_add(1, std::memory_order_relaxed);
  if (cache_ != nullptr && fill_cache) {
    cache_->Insert(file_->number(), handle.offset, *block, (*block)->charge());
  }
  return block;
}

Result<std::shared_ptr<const Block>> TableSlice::ReadDataBlock(const Block::Iterator& index,
                                                               bool fill_cache) const {
  const Result<BlockHandle> handle = DataHandle(index);
  RETURN_IF_ERROR(handle.status());
  return ReadDataBlock(*handle, fill_cache);
}

void TableIterator::DropBlock() {
  block_ = nullptr;
  data_.Reset(nullptr);
}

bool TableIterator::LoadBlock() {
  if (index_.corruption() != nullptr) status_ = slice_->IndexCorruption(index_.corruption());
  if (!status_.ok() || !index_.Valid()) {
    DropBlock();
    return false;
  }
  const Result<BlockHandle> handle = slice_->DataHandle(index_);
  if (handle.ok() && block_ != nullptr && block_offset_ == handle->offset) {
    data_.Reset(block_.get());
    return true;
  }
  DropBlock();
  if (!handle.ok()) {
    status_ = handle.status();
    return false;
  }
  Result<std::shared_ptr<const Block>> block = slice_->ReadDataBlock(*handle, fill_cache_);
  if (!block.ok()) {
    status_ = block.status();
    return false;
  }
  block_ = std::move(*block);
  block_offset_ = handle->offset;
  data_.Reset(block_.get());
  return true;
}

bool TableIterator::DataIntact() {
  if (data_.corruption() == nullptr) return true;
  status_ = slice_->file().Corruption("data block", block_offset_, data_.corruption());
  DropBlock();
  return false;
}

void TableIterator::SkipForward() {
  while (block_ != nullptr && !data_.Valid() && DataIntact()) {
    index_.Next();
    if (LoadBlock()) data_.SeekToFirst();
  }
}

void TableIterator::SkipBackward() {
  while (block_ != nullptr && !data_.Valid() && DataIntact()) {
    index_.Prev();
    if (LoadBlock()) data_.SeekToLast();
  }
}

void TableIterator::SeekToFirst() {
  index_.SeekToFirst();
  if (LoadBlock()) data_.SeekToFirst();
  SkipForward();
}

void TableIterator::SeekToLast() {
  index_.SeekToLast();
  if (LoadBlock()) data_.SeekToLast();
  SkipBackward();
}

void TableIterator::Seek(std::string_view user_key, SequenceNumber sequence) {
  index_.Seek(user_key, sequence);
  if (LoadBlock()) data_.Seek(user_key, sequence);
  SkipForward();
}

// The index names the first block that reaches the target; what lies before the target ends in
// this block or in the one before it. If no block reaches it, all records lie before it.
void TableIterator::SeekBefore(std::string_view user_key) {
  index_.Seek(user_key, kMaxSequence);
  if (!index_.Valid() && index_.corruption() == nullptr) return SeekToLast();
  if (LoadBlock()) data_.SeekBefore(user_key, kMaxSequence);
  SkipBackward();
}

void TableIterator::Next() {
  data_.Next();
  SkipForward();
}

void TableIterator::Prev() {
  data_.Prev();
  SkipBackward();
}

}  // namespace lsm
