// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/compaction/flush_job.h"

#include <memory>
#include <utility>

#include "lsm/compaction/blob_writer.h"
#include "lsm/compaction/version_pruner.h"
#include "lsm/format/file_names.h"
#include "lsm/iter/merging_iterator.h"

namespace lsm {
namespace {

Status AddSlice(const SliceInput& input, const std::vector<SequenceNumber>& pins,
                TableBuilder* builder, BlobWriter* blobs) {
  std::vector<IteratorSource> sources;
  for (const MemTable* table : input.tables) sources.push_back(table->NewIterator());
  MergingIterator records(std::move(sources));
  VersionPruner pruner(pins, /*older=*/nullptr);
  builder->BeginSlice(input.tree);
  for (records.SeekToFirst(); records.Valid(); records.Next()) {
    if (!pruner.Keep(records.user_key(), records.sequence(), records.type())) continue;
    RecordType type = records.type();
    std::string_view value = records.value();
    RETURN_IF_ERROR(blobs->TakeIfBig(&type, &value));
    RETURN_IF_ERROR(builder->Add(records.user_key(), records.sequence(), type, value));
  }
  RETURN_IF_ERROR(records.status());
  return builder->EndSlice();
}

Result<FlushOutput> Write(const TableTarget& target, uint64_t file_number,
                          const std::vector<SliceInput>& inputs,
                          const std::vector<SequenceNumber>& pins, BlobWriter* blobs) {
  Result<std::unique_ptr<WritableFile>> file =
      target.fs->Create(SstFileName(target.directory, file_number), /*truncate=*/true);
  RETURN_IF_ERROR(file.status());
  (*file)->WriteThrough(PageCache::kKeep);
  TableBuilder builder(target.table, std::move(file).value(), file_number);
  for (const SliceInput& input : inputs) RETURN_IF_ERROR(AddSlice(input, pins, &builder, blobs));
  RETURN_IF_ERROR(blobs->Finish());
  RETURN_IF_ERROR(builder.Finish());
  if (target.limiter != nullptr) {
    target.limiter->Request(builder.FileSize() + blobs->bytes_written(),
                            RateLimiter::Priority::kFlush, nullptr);
  }
  FlushOutput output;
  output.files = DescribeFile(file_number, builder.FileSize(), builder.slices());
  output.bytes_written = builder.FileSize() + blobs->bytes_written();
  output.blobs = blobs->files();
  for (FileMetadata& slice : output.files) RETURN_IF_ERROR(blobs->FillSizes(&slice));
  return output;
}

}  // namespace

TableTarget TableTarget::From(const Options& options, const std::string& directory,
                              RateLimiter* limiter) {
  TableTarget target;
  target.limiter = limiter;
  target.fs = options.file_system;
  target.directory = directory;
  target.table.block_size = options.block_size;
  target.table.block_restart_interval = options.block_restart_interval;
  target.table.filter_bits_per_key = options.filter_bits_per_key;
  target.table.compression = options.compression;
  target.table.zstd_level = options.zstd_level;
  target.blob_value_size = options.blob_value_size;
  target.blob_file_size = uint64_t{4} * options.target_file_size;
  target.bottom = target.table;
  target.bottom.filter_bits_per_key = options.bottom_filter_bits_per_key;
  return target;
}

std::vector<FileMetadata> DescribeFile(uint64_t file_number, uint64_t file_size,
                                       const std::vector<SliceSummary>& slices) {
  std::vector<FileMetadata> files;
  files.reserve(slices.size());
  for (const SliceSummary& slice : slices) {
    FileMetadata file;
    file.file = file_number;
    file.slice_tree = slice.tree;
    file.file_size = file_size;
    file.slice_size = slice.bytes;
    file.entries = slice.entries;
    file.tombstones = slice.tombstones;
    file.smallest_sequence = slice.smallest_sequence;
    file.largest_sequence = slice.largest_sequence;
    file.smallest_key = slice.smallest_key;
    file.largest_key = slice.largest_key;
    for (const auto& [blob, use] : slice.blobs) {
      file.blobs.push_back({blob, 0, use.values, use.bytes});
    }
    files.push_back(std::move(file));
  }
  return files;
}

Result<FlushOutput> WriteMemTables(const TableTarget& target,
                                   const std::function<uint64_t()>& new_file_number,
                                   const std::vector<SliceInput>& inputs,
                                   const std::vector<SequenceNumber>& pins) {
  bool any = false;
  for (const SliceInput& input : inputs) any = any || !input.tables.empty();
  if (!any) return FlushOutput();
  const uint64_t file_number = new_file_number();
  BlobWriter blobs(target, new_file_number);
  Result<FlushOutput> output = Write(target, file_number, inputs, pins, &blobs);
  if (!output.ok()) {
    // Best effort: what stays behind is an orphan that the next open removes.
    blobs.RemoveFiles();
    if (!target.fs->Remove(SstFileName(target.directory, file_number)).ok()) return output;
  }
  return output;
}

}  // namespace lsm
