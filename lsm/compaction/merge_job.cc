// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/compaction/merge_job.h"

#include <memory>
#include <string>
#include <utility>

#include "lsm/compaction/version_pruner.h"
#include "lsm/format/file_names.h"
#include "lsm/iter/merging_iterator.h"

namespace lsm {
namespace {

// Writes records to one file after the other, beginning a new one at the target size.
class Output {
 public:
  Output(const TableTarget& target, TreeId tree, size_t target_file_size,
         const std::function<uint64_t()>& new_file_number)
      : target_(target),
        tree_(tree),
        target_file_size_(target_file_size),
        new_file_number_(new_file_number) {}

  Status Add(const InternalIterator& record) {
    // A key's versions stay together: files of a level must not overlap.
    if (builder_ != nullptr && builder_->FileSize() >= target_file_size_ &&
        record.user_key() != last_key_) {
      RETURN_IF_ERROR(FinishFile());
    }
    if (builder_ == nullptr) RETURN_IF_ERROR(BeginFile());
    last_key_.assign(record.user_key());
    return builder_->Add(record.user_key(), record.sequence(), record.type(), record.value());
  }

  Status FinishFile() {
    if (builder_ == nullptr) return {};
    RETURN_IF_ERROR(builder_->EndSlice());
    RETURN_IF_ERROR(builder_->Finish());
    for (FileMetadata& file :
         DescribeFile(numbers_.back(), builder_->FileSize(), builder_->slices())) {
      files_.push_back(std::move(file));
    }
    builder_.reset();
    return {};
  }

  void RemoveFiles() {
    builder_.reset();
    for (const uint64_t number : numbers_) {
      // Best effort: what stays behind is an orphan that the next open removes.
      const Status removed = target_.fs->Remove(SstFileName(target_.directory, number));
      if (!removed.ok()) continue;
    }
  }

  std::vector<FileMetadata> TakeFiles() { return std::move(files_); }

 private:
  Status BeginFile() {
    const uint64_t number = new_file_number_();
    Result<std::unique_ptr<WritableFile>> file =
        target_.fs->Create(SstFileName(target_.directory, number), /*truncate=*/true);
    RETURN_IF_ERROR(file.status());
    numbers_.push_back(number);
    builder_ = std::make_unique<TableBuilder>(target_.table, std::move(file).value(), number);
    builder_->BeginSlice(tree_);
    return {};
  }

  const TableTarget& target_;
  const TreeId tree_;
  const size_t target_file_size_;
  const std::function<uint64_t()>& new_file_number_;
  std::unique_ptr<TableBuilder> builder_;
  std::string last_key_;
  std::vector<uint64_t> numbers_;
  std::vector<FileMetadata> files_;
};

Status Merge(TableCache* tables, const MergeInput& input, Output* output) {
  std::vector<IteratorSource> sources;
  for (const FileRef& file : input.files) {
    Result<std::shared_ptr<const TableReader>> reader = tables->Find(file->file, file->slice_tree);
    RETURN_IF_ERROR(reader.status());
    std::unique_ptr<InternalIterator> iterator = (*reader)->NewIterator(/*fill_cache=*/false);
    sources.push_back({std::move(iterator), std::move(reader).value()});
  }
  MergingIterator records(std::move(sources));
  VersionPruner pruner(input.pins, input.nothing_beneath);
  for (records.SeekToFirst(); records.Valid(); records.Next()) {
    if (input.cancelled != nullptr && input.cancelled->load(std::memory_order_relaxed)) {
      return Status::Aborted("the merge was given up because the database closes");
    }
    if (!pruner.Keep(records.user_key(), records.sequence(), records.type())) continue;
    RETURN_IF_ERROR(output->Add(records));
  }
  RETURN_IF_ERROR(records.status());
  return output->FinishFile();
}

}  // namespace

Result<std::vector<FileMetadata>> MergeFiles(const TableTarget& target, TableCache* tables,
                                             const MergeInput& input,
                                             const std::function<uint64_t()>& new_file_number) {
  Output output(target, input.tree, input.target_file_size, new_file_number);
  if (Status merged = Merge(tables, input, &output); !merged.ok()) {
    output.RemoveFiles();
    return merged;
  }
  return output.TakeFiles();
}

}  // namespace lsm
