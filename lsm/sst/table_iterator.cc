// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_iterator.h"

#include <algorithm>

namespace lsm {

Result<std::shared_ptr<const Block>> TableSlice::ReadDataBlock(BlockHandle handle, bool fill_cache,
                                                               BlockSource source) const {
  if (cache_ != nullptr) {
    if (std::shared_ptr<const Block> block = cache_->Lookup(file_->number(), handle.offset)) {
      return block;
    }
  }
  Result<std::shared_ptr<const Block>> block = file_->ReadBlock(handle, BlockKind::kData, source);
  RETURN_IF_ERROR(block.status());
  blocks_read_.fetch_add(1, std::memory_order_relaxed);
  if (cache_ != nullptr && fill_cache) {
    cache_->Insert(file_->number(), handle.offset, *block, (*block)->charge());
  }
  return block;
}

Result<BlockCache::Pin> TableSlice::PinDataBlock(BlockHandle handle) const {
  BlockCache::Pin pin = cache_->PinIfPresent(file_->number(), handle.offset);
  if (!pin.empty()) return pin;
  Result<std::shared_ptr<const Block>> block = file_->ReadBlock(handle, BlockKind::kData);
  RETURN_IF_ERROR(block.status());
  blocks_read_.fetch_add(1, std::memory_order_relaxed);
  const size_t charge = (*block)->charge();
  return cache_->InsertPinned(file_->number(), handle.offset, std::move(*block), charge);
}

void TableSlice::PrefetchCacheEntry(size_t number) const {
  if (cache_ != nullptr) cache_->PrefetchEntry(file_->number(), index_.handle(number).offset);
}

void TableSlice::PrefetchBlock(size_t number) const {
  if (cache_ != nullptr) cache_->PrefetchBlock(file_->number(), index_.handle(number).offset);
}

std::shared_ptr<const Block> TableSlice::PeekBlock(size_t number) const {
  if (cache_ == nullptr) return nullptr;
  return cache_->Peek(file_->number(), index_.handle(number).offset);
}

void TableIterator::DropBlock() {
  block_ = nullptr;
  data_.Reset(nullptr);
}

bool TableIterator::LoadBlock(size_t number) {
  if (!status_.ok() || number >= slice_->index().size()) {
    DropBlock();
    return false;
  }
  if (block_ != nullptr && number_ == number) {
    data_.Reset(block_.get());
    return true;
  }
  walked_ = block_ != nullptr && number == number_ + 1 ? walked_ + 1 : 0;
  DropBlock();
  BlockSource source;
  source.cached_only = missing_ != nullptr;
  // What runs ahead of a memory-only iterator is what it reports as missing.
  if (missing_ == nullptr) source.ahead = &ahead_;
  Result<std::shared_ptr<const Block>> block =
      slice_->ReadDataBlock(slice_->index().handle(number), fill_cache_, source);
  if (!block.ok()) {
    status_ = block.status();
    if (status_.IsWouldBlock()) NoteMissing(number);
    return false;
  }
  block_ = std::move(*block);
  number_ = number;
  data_.Reset(block_.get());
  return true;
}

void TableIterator::NoteMissing(size_t number) {
  constexpr size_t kMostAhead = 32;
  const size_t behind = slice_->index().size() - number - 1;
  const size_t ahead = std::min({walked_, kMostAhead, behind});
  for (size_t i = 0; i <= ahead; ++i) missing_->Add(number + i, /*ahead=*/i != 0);
}

bool TableIterator::DataIntact() {
  if (data_.corruption() == nullptr) return true;
  const BlockHandle handle = slice_->index().handle(number_);
  status_ = slice_->file().Corruption("data block", handle.offset, data_.corruption());
  DropBlock();
  return false;
}

void TableIterator::SkipForward() {
  while (block_ != nullptr && !data_.Valid() && DataIntact()) {
    if (LoadBlock(number_ + 1)) data_.SeekToFirst();
  }
  StandOn(data_.Valid() ? &data_.record() : nullptr);
}

void TableIterator::SkipBackward() {
  while (block_ != nullptr && !data_.Valid() && DataIntact()) {
    // Before the first one comes none.
    if (LoadBlock(number_ - 1)) data_.SeekToLast();
  }
  StandOn(data_.Valid() ? &data_.record() : nullptr);
}

void TableIterator::SeekToFirst() {
  if (LoadBlock(0)) data_.SeekToFirst();
  SkipForward();
}

void TableIterator::SeekToLast() {
  if (LoadBlock(slice_->index().size() - 1)) data_.SeekToLast();
  SkipBackward();
}

void TableIterator::Seek(std::string_view user_key, SequenceNumber sequence) {
  if (LoadBlock(slice_->index().Find(user_key, sequence))) data_.Seek(user_key, sequence);
  SkipForward();
}

// The index names the first block that reaches the target; what lies before the target ends in
// this block or in the one before it. If no block reaches it, all records lie before it.
void TableIterator::SeekBefore(std::string_view user_key) {
  const size_t number = slice_->index().Find(user_key, kMaxSequence);
  if (number == slice_->index().size()) return SeekToLast();
  if (LoadBlock(number)) data_.SeekBefore(user_key, kMaxSequence);
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
