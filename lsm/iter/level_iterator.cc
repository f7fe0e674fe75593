// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/iter/level_iterator.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lsm {

LevelIterator::LevelIterator(std::span<const FileRef> files, TableCache* tables, bool fill_cache,
                             MissingParts* missing, const std::optional<std::string>& upper)
    : files_(files),
      tables_(tables),
      fill_cache_(fill_cache),
      missing_(missing),
      upper_(missing != nullptr ? upper : std::nullopt),
      index_(files_.size()) {}

void LevelIterator::Add(size_t block, bool ahead) {
  // Past the block that ends the bound's records nothing will be read.
  if (ahead && upper_ && block > reader_->FindBlock(*upper_, /*sequence=*/0)) return;
  missing_->AddBlock(files_[index_], reader_, block, ahead);
}

Result<std::shared_ptr<const TableReader>> LevelIterator::FindTable(const FileRef& file) {
  if (missing_ == nullptr) return tables_->Find(file->file, file->slice_tree);
  std::shared_ptr<const TableReader> reader = tables_->FindOpen(file->file, file->slice_tree);
  if (reader != nullptr) return reader;
  missing_->AddTable(file);
  return Status::WouldBlock("a file is not open");
}

Status LevelIterator::status() const {
  if (!open_error_.ok()) return open_error_;
  return iterator_ != nullptr ? iterator_->status() : Status();
}

void LevelIterator::Close() {
  iterator_.reset();
  reader_.reset();
  index_ = files_.size();
}

void LevelIterator::OpenFile(size_t index) {
  if (index == index_ && iterator_ != nullptr) return;
  Close();
  if (index >= files_.size() || !open_error_.ok()) return;
  Result<std::shared_ptr<const TableReader>> reader = FindTable(files_[index]);
  if (!reader.ok()) {
    open_error_ = reader.status();
    return;
  }
  index_ = index;
  reader_ = std::move(reader).value();
  iterator_ = reader_->NewIterator(fill_cache_, missing_ != nullptr ? this : nullptr);
}

void LevelIterator::Stand() {
  StandOn(iterator_ != nullptr && iterator_->Valid() ? &iterator_->record() : nullptr);
}

void LevelIterator::SkipForward() {
  while (iterator_ != nullptr && !iterator_->Valid() && iterator_->status().ok()) {
    OpenFile(index_ + 1);
    if (iterator_ != nullptr) iterator_->SeekToFirst();
  }
  Stand();
}

void LevelIterator::SkipBackward() {
  while (iterator_ != nullptr && !iterator_->Valid() && iterator_->status().ok()) {
    if (index_ == 0) {
      Close();
      break;
    }
    OpenFile(index_ - 1);
    if (iterator_ != nullptr) iterator_->SeekToLast();
  }
  Stand();
}

void LevelIterator::SeekToFirst() {
  OpenFile(0);
  if (iterator_ != nullptr) iterator_->SeekToFirst();
  SkipForward();
}

void LevelIterator::SeekToLast() {
  if (files_.empty()) return;
  OpenFile(files_.size() - 1);
  if (iterator_ != nullptr) iterator_->SeekToLast();
  SkipBackward();
}

void LevelIterator::Seek(std::string_view user_key, SequenceNumber sequence) {
  const auto file = std::partition_point(
      files_.begin(), files_.end(), [&](const FileRef& f) { return f->largest_key < user_key; });
  OpenFile(static_cast<size_t>(file - files_.begin()));
  if (iterator_ != nullptr) iterator_->Seek(user_key, sequence);
  SkipForward();
}

void LevelIterator::SeekBefore(std::string_view user_key) {
  const auto file = std::partition_point(
      files_.begin(), files_.end(), [&](const FileRef& f) { return f->smallest_key < user_key; });
  if (file == files_.begin()) {
    Close();
  } else {
    OpenFile(static_cast<size_t>(file - files_.begin()) - 1);
  }
  if (iterator_ != nullptr) iterator_->SeekBefore(user_key);
  SkipBackward();
}

void LevelIterator::Next() {
  assert(Valid());
  iterator_->Next();
  SkipForward();
}

void LevelIterator::Prev() {
  assert(Valid());
  iterator_->Prev();
  SkipBackward();
}

}  // namespace lsm
