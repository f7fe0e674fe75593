// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/compaction/compaction_job.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "lsm/compaction/blob_writer.h"
#include "lsm/compaction/input_run.h"
#include "lsm/compaction/older_files.h"
#include "lsm/compaction/output_cutter.h"
#include "lsm/compaction/version_pruner.h"
#include "lsm/format/file_names.h"

namespace lsm {
namespace {

// Writes records to one file after the other.
class OutputFiles {
 public:
  OutputFiles(const TableTarget& target, const CompactionJob& job, const InputFiles& inputs,
              const std::function<uint64_t()>& new_file_number)
      : target_(target),
        job_(job),
        inputs_(inputs),
        new_file_number_(new_file_number),
        blobs_(target, new_file_number_) {
    result_.files.resize(job.parts.size());
  }

  // What follows belongs to part `index` of the job.
  void BeginPart(size_t index) {
    const CompactionJob::Part& part = job_.parts[index];
    part_ = index;
    cutter_ = std::make_unique<OutputCutter>(part.base, part.compaction.output_level,
                                             job_.target_file_size);
    in_slice_ = false;
  }

  Status Add(const InputRun& record) {
    RETURN_IF_ERROR(MakeRoomFor(record.user_key()));
    if (record.type() == RecordType::kBlob) return AddPointer(record);
    RecordType type = record.type();
    std::string_view value = record.value();
    RETURN_IF_ERROR(blobs_.TakeIfBig(&type, &value));
    return builder_->Add(record.user_key(), record.sequence(), type, value);
  }

  // A tombstone in the place of the record.
  Status AddTombstone(const InputRun& record) {
    RETURN_IF_ERROR(MakeRoomFor(record.user_key()));
    return builder_->Add(record.user_key(), record.sequence(), RecordType::kTombstone, {});
  }

  Status EndPart() {
    if (!in_slice_) return {};
    in_slice_ = false;
    RETURN_IF_ERROR(builder_->EndSlice());
    return builder_->FileSize() >= job_.target_file_size ? FinishFile() : Status();
  }

  Status FinishFile() {
    if (builder_ == nullptr) return {};
    if (in_slice_) RETURN_IF_ERROR(builder_->EndSlice());
    in_slice_ = false;
    RETURN_IF_ERROR(builder_->Finish());
    for (FileMetadata& file :
         DescribeFile(result_.numbers.back(), builder_->FileSize(), builder_->slices())) {
      const auto part =
          std::lower_bound(job_.parts.begin(), job_.parts.end(), file.slice_tree,
                           [](const CompactionJob::Part& p, TreeId tree) { return p.tree < tree; });
      result_.files[static_cast<size_t>(part - job_.parts.begin())].push_back(std::move(file));
    }
    result_.bytes_written += builder_->FileSize();
    builder_.reset();
    return {};
  }

  Status Finish() {
    RETURN_IF_ERROR(blobs_.Finish());
    RETURN_IF_ERROR(FinishFile());
    for (const CompactionJob::Part& part : job_.parts) {
      for (const Compaction::Input& input : part.compaction.inputs) blobs_.KnowSizes(*input.file);
    }
    for (std::vector<FileMetadata>& files : result_.files) {
      for (FileMetadata& file : files) RETURN_IF_ERROR(blobs_.FillSizes(&file));
    }
    result_.blobs = blobs_.files();
    result_.bytes_written += blobs_.bytes_written();
    return {};
  }

  void RemoveFiles() {
    builder_.reset();
    blobs_.RemoveFiles();
    for (const uint64_t number : result_.numbers) {
      // Best effort: what stays behind is an orphan that the next open removes.
      const Status removed = target_.fs->Remove(SstFileName(target_.directory, number));
      if (!removed.ok()) continue;
    }
  }

  CompactionOutput TakeResult() { return std::move(result_); }

 private:
  // Goes on to the slice, and the file, that a record of this key belongs to.
  Status MakeRoomFor(std::string_view key) {
    // A key's versions stay together: files of a level must not overlap.
    if (!in_slice_ || key != last_key_) {
      const uint64_t size = builder_ == nullptr ? 0 : builder_->FileSize();
      KeepToRate(size);
      if (cutter_->EndsBefore(key, size) && in_slice_) RETURN_IF_ERROR(FinishFile());
      last_key_.assign(key);
    }
    return in_slice_ ? Status() : BeginSlice();
  }

  // The value stays where it is, unless too little else of its file is needed.
  Status AddPointer(const InputRun& record) {
    BlobPointer pointer;
    if (const char* why = DecodeBlobPointer(record.value(), &pointer)) {
      return Status::Corruption(why);
    }
    if (!job_.wasteful_blobs.contains(pointer.file)) {
      return builder_->Add(record.user_key(), record.sequence(), record.type(), record.value());
    }
    const Result<PinnedValue> read =
        job_.tables->ReadBlob(pointer, /*fill_cache=*/false, /*cached_only=*/false);
    RETURN_IF_ERROR(read.status());
    RecordType type = RecordType::kValue;
    std::string_view value = read->view();
    RETURN_IF_ERROR(blobs_.TakeIfBig(&type, &value));
    return builder_->Add(record.user_key(), record.sequence(), type, value);
  }

  TableBuilderOptions OptionsOf(const Compaction& compaction) const {
    if (compaction.output_level != kMaxLevels - 1) return target_.table;
    TableBuilderOptions options = target_.bottom;
    if (job_.bottom_compression) options.compression = *job_.bottom_compression;
    return options;
  }

  // Waits until what was written since the last time may be written.
  void KeepToRate(uint64_t size) {
    constexpr uint64_t kPiece = uint64_t{256} << 10;
    if (target_.limiter == nullptr || size < written_ + kPiece) return;
    target_.limiter->Request(size - written_, job_.priority, job_.cancelled);
    written_ = size;
  }

  Status BeginSlice() {
    if (builder_ == nullptr) {
      const uint64_t number = new_file_number_();
      Result<std::unique_ptr<WritableFile>> file =
          target_.fs->Create(SstFileName(target_.directory, number), /*truncate=*/true);
      RETURN_IF_ERROR(file.status());
      result_.numbers.push_back(number);
      (*file)->WriteThrough(inputs_.page_cache());
      blobs_.WriteThrough(inputs_.page_cache());
      written_ = 0;
      builder_ = std::make_unique<TableBuilder>(OptionsOf(job_.parts[part_].compaction),
                                                std::move(file).value(), number);
    }
    builder_->BeginSlice(job_.parts[part_].tree);
    in_slice_ = true;
    return {};
  }

  const TableTarget& target_;
  const CompactionJob& job_;
  const InputFiles& inputs_;
  const std::function<uint64_t()>& new_file_number_;
  size_t part_ = 0;
  std::unique_ptr<OutputCutter> cutter_;
  std::unique_ptr<TableBuilder> builder_;
  uint64_t written_ = 0;   // bytes of the open file that the limiter knows of
  bool in_slice_ = false;  // builder_ has a slice of part_
  BlobWriter blobs_;
  std::string last_key_;
  CompactionOutput result_;
};

// Whether a file need not be read: every record would be dropped, and hides nothing beneath. What
// other inputs hold of its keys is as dead.
bool IsWhollyDead(const CompactionJob& job, const CompactionJob::Part& part,
                  const FileMetadata& file) {
  if (job.filter == nullptr) return false;
  if (!job.pins.empty() && file.largest_sequence > job.pins.front()) return false;
  for (int level = part.compaction.output_level + 1; level < kMaxLevels; ++level) {
    if (!part.base->Overlapping(level, file.smallest_key, file.largest_key).empty()) return false;
  }
  return job.filter->IsRangeDead(part.tree, file.smallest_key, file.largest_key);
}

std::vector<std::unique_ptr<InputRun>> MakeRuns(const CompactionJob& job,
                                                const CompactionJob::Part& part,
                                                InputFiles* files) {
  std::vector<std::unique_ptr<InputRun>> runs;
  std::vector<Compaction::Input> inputs;
  for (const Compaction::Input& input : part.compaction.inputs) {
    if (!IsWhollyDead(job, part, *input.file)) inputs.push_back(input);
  }
  for (size_t i = 0; i < inputs.size();) {
    std::vector<FileRef> run;
    const int level = inputs[i].level;
    do {
      run.push_back(inputs[i++].file);
    } while (level > 0 && i < inputs.size() && inputs[i].level == level);
    runs.push_back(std::make_unique<InputRun>(files, std::move(run)));
  }
  return runs;
}

bool IsSet(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

Status Merge(const CompactionJob& job, size_t index, InputFiles* files, OutputFiles* output) {
  const CompactionJob::Part& part = job.parts[index];
  RunMerger records(MakeRuns(job, part, files));
  OlderFiles older(part.base, part.compaction.output_level);
  VersionPruner pruner(job.pins, &older);
  output->BeginPart(index);
  for (Status at = records.SeekToFirst(); records.Valid() || !at.ok(); at = records.Next()) {
    RETURN_IF_ERROR(at);
    if (IsSet(job.cancelled) || IsSet(job.hurry)) {
      return Status::Aborted("the compaction was given up");
    }
    const InputRun& record = records.record();
    if (!pruner.Keep(record.user_key(), record.sequence(), record.type())) continue;
    const bool may_be_dead =
        job.filter != nullptr && pruner.IsSettled() && record.type() != RecordType::kTombstone;
    if (may_be_dead && job.filter->IsDead(part.tree, record.user_key())) {
      // Older records beneath must not come to light.
      if (!older.MayHold(record.user_key())) continue;
      RETURN_IF_ERROR(output->AddTombstone(record));
      continue;
    }
    RETURN_IF_ERROR(output->Add(record));
  }
  return output->EndPart();
}

// By part: the files that no later part reads.
std::vector<std::vector<uint64_t>> FilesReadLast(const CompactionJob& job) {
  std::unordered_map<uint64_t, size_t> last;
  for (size_t i = 0; i < job.parts.size(); ++i) {
    for (const Compaction::Input& input : job.parts[i].compaction.inputs)
      last[input.file->file] = i;
  }
  std::vector<std::vector<uint64_t>> files(job.parts.size());
  for (const auto& [file, part] : last) files[part].push_back(file);
  return files;
}

}  // namespace

Result<CompactionOutput> RunCompaction(const TableTarget& target, const CompactionJob& job,
                                       const std::function<uint64_t()>& new_file_number,
                                       std::optional<size_t>* failed_part) {
  InputFiles files(target.fs, target.directory, /*keep_open=*/job.parts.size() > 1);
  OutputFiles output(target, job, files, new_file_number);
  const std::vector<std::vector<uint64_t>> read_last = FilesReadLast(job);
  Status status;
  for (size_t i = 0; i < job.parts.size() && status.ok(); ++i) {
    status = Merge(job, i, &files, &output);
    if (!status.ok() && failed_part != nullptr) *failed_part = i;
    for (const uint64_t file : read_last[i]) files.Close(file);
  }
  if (status.ok()) status = output.Finish();
  if (!status.ok()) {
    output.RemoveFiles();
    return status;
  }
  return output.TakeResult();
}

}  // namespace lsm
