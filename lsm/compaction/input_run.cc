// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/compaction/input_run.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lsm/format/file_names.h"

namespace lsm {
namespace {

uint64_t KeyHead(std::string_view key) {
  unsigned char bytes[8] = {};
  std::memcpy(bytes, key.data(), std::min<size_t>(key.size(), 8));
  uint64_t head = 0;
  for (const unsigned char byte : bytes) head = head << 8 | byte;
  return head;
}

}  // namespace

InputFiles::InputFiles(FileSystem* fs, std::string directory, bool keep_open)
    : fs_(fs), directory_(std::move(directory)), keep_open_(keep_open) {}

Result<std::shared_ptr<InputFiles::Input>> InputFiles::Open(uint64_t number) {
  if (const auto kept = kept_.find(number); kept != kept_.end()) return kept->second;
  Result<std::shared_ptr<const TableFile>> file = TableFile::OpenNamed(
      fs_, SstFileName(directory_, number), number, AccessPattern::kSequential);
  RETURN_IF_ERROR(file.status());
  auto input = std::make_shared<Input>();
  input->file = std::move(*file);
  const auto size = static_cast<double>(input->file->size());
  opened_bytes_ += size;
  cached_bytes_ += size * input->file->CachedShare();
  if (keep_open_) kept_.emplace(number, input);
  return input;
}

InputRun::InputRun(InputFiles* opener, std::vector<FileRef> files)
    : opener_(opener), files_(std::move(files)) {}

Status InputRun::SeekToFirst() { return Settle(); }

Status InputRun::Next() {
  record_.Next();
  if (record_.Valid()) {
    NoteKey();
    return {};
  }
  return Settle();
}

void InputRun::NoteKey() {
  valid_ = true;
  key_head_ = KeyHead(record_.user_key());
}

Status InputRun::OpenFile() {
  const FileMetadata& wanted = *files_[next_file_++];
  Result<std::shared_ptr<InputFiles::Input>> input = opener_->Open(wanted.file);
  RETURN_IF_ERROR(input.status());
  input_ = std::move(*input);
  const TableFile& file = *input_->file;
  const SstSlice* const slice = file.FindSlice(wanted.slice_tree);
  if (slice == nullptr) {
    return Status::Corruption(file.path() + ": offset 0: no slice of tree " +
                              std::to_string(wanted.slice_tree));
  }
  Result<BlockIndex> index = BlockIndex::Read(file, slice->index);
  RETURN_IF_ERROR(index.status());
  index_.emplace(std::move(*index));
  next_block_ = 0;
  return {};
}

Status InputRun::Settle() {
  valid_ = false;
  while (true) {
    if (block_ != nullptr && record_.corruption() != nullptr) {
      return input_->file->Corruption("data block", block_offset_, record_.corruption());
    }
    if (index_.has_value() && next_block_ < index_->size()) {
      const BlockHandle handle = index_->handle(next_block_++);
      Result<std::shared_ptr<const Block>> block =
          input_->file->ReadBlock(handle, BlockKind::kData, {.ahead = &input_->ahead});
      RETURN_IF_ERROR(block.status());
      block_ = std::move(*block);
      block_offset_ = handle.offset;
      record_.Reset(block_.get());
      record_.SeekToFirst();
      if (!record_.Valid()) continue;
      NoteKey();
      return {};
    }
    if (next_file_ == files_.size()) return {};
    RETURN_IF_ERROR(OpenFile());
  }
}

bool InputRun::Before(const InputRun& other) const {
  if (key_head_ != other.key_head_) return key_head_ < other.key_head_;
  return CompareInternal(user_key(), sequence(), other.user_key(), other.sequence()) < 0;
}

Status RunMerger::SeekToFirst() {
  heap_.clear();
  for (const std::unique_ptr<InputRun>& run : runs_) {
    RETURN_IF_ERROR(run->SeekToFirst());
    if (run->Valid()) heap_.push_back(run.get());
  }
  for (size_t at = heap_.size() / 2; at-- > 0;) SiftDown(at);
  return {};
}

Status RunMerger::Next() {
  RETURN_IF_ERROR(heap_.front()->Next());
  if (!heap_.front()->Valid()) {
    heap_.front() = heap_.back();
    heap_.pop_back();
  }
  if (!heap_.empty()) SiftDown(0);
  return {};
}

void RunMerger::SiftDown(size_t at) {
  InputRun* const moved = heap_[at];
  while (true) {
    size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->Before(*heap_[child])) ++child;
    if (!heap_[child]->Before(*moved)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  heap_[at] = moved;
}

}  // namespace lsm
