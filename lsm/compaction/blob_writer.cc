// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/compaction/blob_writer.h"

#include <utility>

#include "lsm/format/file_names.h"

namespace lsm {

Status BlobWriter::TakeIfBig(RecordType* type, std::string_view* value) {
  if (target_.blob_value_size == 0 || *type != RecordType::kValue) return {};
  if (value->size() < target_.blob_value_size) return {};
  if (builder_ == nullptr) {
    const uint64_t number = new_file_number_();
    Result<std::unique_ptr<WritableFile>> file =
        target_.fs->Create(BlobFileName(target_.directory, number), /*truncate=*/true);
    RETURN_IF_ERROR(file.status());
    numbers_.push_back(number);
    (*file)->WriteThrough(then_);
    builder_ = std::make_unique<TableBuilder>(target_.table, std::move(*file), number);
  }
  const Result<BlobPointer> pointer = builder_->AddValue(*value);
  RETURN_IF_ERROR(pointer.status());
  pointer_ = EncodeBlobPointer(*pointer);
  *type = RecordType::kBlob;
  *value = pointer_;
  return builder_->FileSize() >= target_.blob_file_size ? FinishFile() : Status();
}

Status BlobWriter::FinishFile() {
  RETURN_IF_ERROR(builder_->Finish());
  sizes_[numbers_.back()] = builder_->FileSize();
  bytes_written_ += builder_->FileSize();
  builder_.reset();
  return {};
}

Status BlobWriter::Finish() { return builder_ == nullptr ? Status() : FinishFile(); }

void BlobWriter::RemoveFiles() {
  builder_.reset();
  for (const uint64_t number : numbers_) {
    const Status removed = target_.fs->Remove(BlobFileName(target_.directory, number));
    if (!removed.ok()) continue;
  }
}

Status BlobWriter::FillSizes(FileMetadata* file) const {
  for (BlobReference& blob : file->blobs) {
    const auto known = sizes_.find(blob.file);
    if (known == sizes_.end()) {
      return Status::Corruption("a record points to blob file " + std::to_string(blob.file) +
                                ", which its file's metadata do not name");
    }
    blob.file_size = known->second;
  }
  return {};
}

void BlobWriter::KnowSizes(const FileMetadata& file) {
  for (const BlobReference& blob : file.blobs) sizes_[blob.file] = blob.file_size;
}

}  // namespace lsm
