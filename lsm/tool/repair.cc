// SPDX-License-Identifier: BSD-3-Clause
// 1. The state: of the manifest that CURRENT names; else of the newest manifest that is whole; else
//    put together from the files.
// 2. Each tree's whole records are merged into new files of one level, the newest version of each
//    key alone.
// 3. A manifest over these files makes a database whose log is empty.
// 4. That is opened, and the whole units of the old log are written to it, in order, but for what
//    the files hold.

#include "lsm/tool/repair.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "lsm/compaction/flush_job.h"
#include "lsm/db.h"
#include "lsm/format/checksum.h"
#include "lsm/format/file_names.h"
#include "lsm/sst/table_builder.h"
#include "lsm/tool/salvage_merge.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_salvage.h"
#include "lsm/write_batch.h"

namespace lsm::tool {
namespace {

// One level takes everything: the last, where nothing can lie beneath.
constexpr int kLevel = kMaxLevels - 1;

// Units name trees in the order in which these were made: one far beyond the others cannot be.
constexpr TreeId kMostIdsSkipped = 1 << 20;

// Higher ones cannot be: the new database has to open, and to have room for new trees.
constexpr TreeId kMostTreeId = kMaxNextTreeId - kMostIdsSkipped;

// Of a key one version is left, so all can have this one; the new database has all others before
// it.
constexpr SequenceNumber kSequence = 1;

// What is known of a tree.
struct OldTree {
  std::vector<SalvageSource> sources;
  TreeCounters counters{};
  SequenceNumber in_files = 0;  // its units up to here are in files
};

struct OldState {
  std::map<TreeId, OldTree> trees;
  TreeId next_tree_id = 1;
  SequenceNumber last_sequence = 0;       // of anything that is known
  SequenceNumber structural_through = 0;  // trees made and dropped up to here are known
  LogSalvageInput log;
};

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Finds the state of a damaged database.
class StateFinder {
 public:
  StateFinder(FileSystem* fs, const DatabaseFiles& files, const FaultSink& fault, Report* report)
      : fs_(fs), files_(files), fault_(fault), report_(report) {}

  OldState Find() {
    Result<ManifestRecovery> recovered = RecoverManifest(fs_, files_.directory);
    if (!recovered.ok()) {
      fault_({recovered.status(), std::nullopt});
      for (auto number = files_.manifests.rbegin(); number != files_.manifests.rend(); ++number) {
        recovered = ReadManifest(fs_, files_.directory, *number);
        if (!recovered.ok()) continue;
        report_->Remark(ManifestFileName(files_.directory, *number) + " is whole, and taken");
        break;
      }
    }
    if (recovered.ok() && recovered->tail_cut && LacksFiles(recovered->state)) {
      fault_({Status::Corruption("files that the manifest names are missing: " +
                                 recovered->tail_description),
              std::nullopt});
      recovered = Status::NotFound("");
    }
    if (recovered.ok()) {
      FromManifest(recovered->state);
      if (recovered->tail_cut) ForgetMissingLogs();
    } else {
      FromFiles();
    }
    state_.log.fs = fs_;
    state_.log.directory = files_.directory;
    state_.trees[kDirectoryTree];  // always there, also if all of it is in the log
    return std::move(state_);
  }

 private:
  bool LacksFiles(const ManifestState& state) const {
    for (const auto& [id, tree] : state.trees) {
      for (const std::vector<FileMetadata>& level : tree.levels) {
        for (const FileMetadata& file : level) {
          if (!std::binary_search(files_.tables.begin(), files_.tables.end(), file.file)) {
            return true;
          }
        }
      }
    }
    return false;
  }

  void FromManifest(const ManifestState& state) {
    state_.next_tree_id = std::min(state.next_tree_id, kMostTreeId + 1);
    state_.structural_through = state.structural_through;
    state_.last_sequence = std::max({state.wal_synced_through, state.clean_stop,
                                     state.structural_through, state.log_start.last_sequence});
    for (const auto& [id, tree] : state.trees) {
      if (id > kMostTreeId) {
        fault_({Status::Corruption("the manifest has tree " + std::to_string(id) +
                                   ", which cannot be"),
                std::nullopt});
        continue;
      }
      OldTree& old = state_.trees[id];
      old.counters = tree.counters;
      old.in_files = tree.flushed_through;
      state_.last_sequence = std::max(state_.last_sequence, tree.flushed_through);
      for (const std::vector<FileMetadata>& level : tree.levels) {
        for (const FileMetadata& file : level) {
          old.sources.push_back({file, std::nullopt, true});
          state_.last_sequence = std::max(state_.last_sequence, file.largest_sequence);
        }
      }
    }
    state_.log.segments.assign(state.logs.begin(), state.logs.end());
    // The edit that names the newest segments may be lost; they go on where the others end.
    for (const uint64_t number : files_.logs) {
      if (!state.logs.empty() && number > *state.logs.rbegin()) {
        state_.log.segments.push_back(number);
      }
    }
    state_.log.start = state.log_start;
    state_.log.mark = std::max(state.wal_synced_through, state.clean_stop);
    for (const auto& [id, tree] : state.trees) {
      state_.log.mark = std::max(state_.log.mark, tree.flushed_through);
    }
  }

  // The lost edit may be the one that let go of segments, whose units are in files then.
  void ForgetMissingLogs() {
    const size_t missing = std::erase_if(state_.log.segments, [this](uint64_t number) {
      return !std::binary_search(files_.logs.begin(), files_.logs.end(), number);
    });
    if (missing == 0) return;
    state_.log.start.reset();
    state_.log.in_files = state_.last_sequence;
  }

  void FromFiles() {
    report_->Remark(
        "the state is put together from the files: what was deleted or dropped may come back, "
        "forks have only what was written to them, counters begin anew");
    for (const uint64_t number : files_.tables) ReadTable(number);
    state_.log.segments = files_.logs;
    state_.log.mark = state_.last_sequence;
    state_.log.in_files = state_.last_sequence;
  }

  void ReadTable(uint64_t number) {
    const std::string path = SstFileName(files_.directory, number);
    const Result<std::shared_ptr<const TableSalvage>> file =
        TableSalvage::Open(fs_, path, number, fault_);
    if (!file.ok()) return fault_({file.status(), std::nullopt});
    for (size_t i = 0; i < (*file)->slices().size(); ++i) {
      const SalvagedSlice& slice = (*file)->slices()[i];
      if (!slice.tree) {
        fault_({Status::Corruption(path + ": nothing tells to which tree a slice belongs"),
                std::nullopt});
        continue;
      }
      if (*slice.tree > kMostTreeId) {
        fault_({Status::Corruption(path + ": a slice of tree " + std::to_string(*slice.tree) +
                                   ", which cannot be"),
                std::nullopt});
        continue;
      }
      SalvageSource source;
      source.file.file = number;
      source.file.slice_tree = *slice.tree;
      source.slice = i;
      source.bounded = slice.properties.has_value();
      OldTree& tree = state_.trees[*slice.tree];
      if (slice.properties) {
        source.file.smallest_key = slice.properties->smallest_key;
        source.file.largest_key = slice.properties->largest_key;
        tree.in_files = std::max(tree.in_files, slice.properties->largest_sequence);
        state_.last_sequence = std::max(state_.last_sequence, tree.in_files);
      }
      tree.sources.push_back(std::move(source));
      state_.next_tree_id = std::max(state_.next_tree_id, *slice.tree + 1);
    }
  }

  FileSystem* const fs_;
  const DatabaseFiles& files_;
  const FaultSink& fault_;
  Report* const report_;
  OldState state_;
};

// Writes the keys of one tree after the other to files of kLevel.
class TreeWriter {
 public:
  TreeWriter(const Options& options, const std::string& directory)
      : target_(TableTarget::From(options, directory)), target_size_(options.target_file_size) {}

  // Keys come in ascending order.
  Status Add(TreeId tree, std::string_view key, std::string_view value) {
    if (builder_ != nullptr && builder_->FileSize() >= target_size_) RETURN_IF_ERROR(Finish());
    if (builder_ == nullptr) {
      const uint64_t number = next_number_++;
      Result<std::unique_ptr<WritableFile>> file =
          target_.fs->Create(SstFileName(target_.directory, number), /*truncate=*/false);
      RETURN_IF_ERROR(file.status());
      builder_ = std::make_unique<TableBuilder>(target_.table, std::move(*file), number);
      builder_->BeginSlice(tree);
    }
    return builder_->Add(key, kSequence, RecordType::kValue, value);
  }
  // Behind a tree's last key.
  Status Finish() {
    if (builder_ == nullptr) return {};
    RETURN_IF_ERROR(builder_->EndSlice());
    RETURN_IF_ERROR(builder_->Finish());
    for (FileMetadata& file :
         DescribeFile(next_number_ - 1, builder_->FileSize(), builder_->slices())) {
      files_.push_back(std::move(file));
    }
    builder_ = nullptr;
    return {};
  }
  std::vector<FileMetadata> TakeFiles() { return std::exchange(files_, {}); }
  uint64_t NewNumber() { return next_number_++; }

 private:
  const TableTarget target_;
  const size_t target_size_;
  uint64_t next_number_ = 1;
  std::unique_ptr<TableBuilder> builder_;
  std::vector<FileMetadata> files_;
};

// Makes of each old unit one that the new database takes.
class UnitTranslator final : public WriteBatch::Handler {
 public:
  UnitTranslator(const OldState& state, DB* db)
      : structural_through_(state.structural_through), db_(db) {
    for (const auto& [id, tree] : state.trees) in_files_[id] = tree.in_files;
  }

  // kCorruption if the unit is malformed; then nothing of it is written.
  Status Write(SequenceNumber sequence, uint32_t operations, std::string_view bytes) {
    sequence_ = sequence;
    unit_.Clear();
    RETURN_IF_ERROR(WriteBatch::Iterate(bytes, operations, this));
    return unit_.empty() ? Status() : db_->Write(unit_, /*sync=*/false);
  }

  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    const Result<bool> wanted = Wanted(tree);
    if (wanted.ok() && *wanted) unit_.Put(tree, key, value);
    return wanted.status();
  }
  Status Delete(TreeId tree, std::string_view key) override {
    const Result<bool> wanted = Wanted(tree);
    if (wanted.ok() && *wanted) unit_.Delete(tree, key);
    return wanted.status();
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    const Result<bool> wanted = Wanted(tree);
    if (wanted.ok() && *wanted) unit_.AddCounter(tree, counter, delta);
    return wanted.status();
  }
  Status CreateTree(TreeId tree) override {
    if (sequence_ <= structural_through_ || in_files_.contains(tree)) return {};
    return Make(tree);
  }
  Status DropTree(TreeId tree) override {
    if (sequence_ > structural_through_ && in_files_.erase(tree) > 0) unit_.DropTree(tree);
    return {};
  }
  // What the source holds here is what it held then, as far as it is whole.
  Status ForkTree(TreeId tree, TreeId source) override {
    if (sequence_ <= structural_through_ || in_files_.contains(tree)) return {};
    if (!in_files_.contains(source)) return Make(tree);
    RETURN_IF_ERROR(TakeId(tree));
    unit_.ForkTree(tree, source);
    in_files_[tree] = 0;
    return {};
  }

 private:
  // Whether the tree is there, and this unit is not in its files. A tree whose making is lost is
  // made here.
  Result<bool> Wanted(TreeId tree) {
    const auto found = in_files_.find(tree);
    if (found != in_files_.end()) return sequence_ > found->second;
    if (sequence_ <= structural_through_) return false;  // it was dropped since
    RETURN_IF_ERROR(Make(tree));
    return true;
  }
  Status Make(TreeId tree) {
    RETURN_IF_ERROR(TakeId(tree));
    unit_.CreateTree(tree);
    in_files_[tree] = 0;
    return {};
  }
  // The new database gives ids out in their order.
  Status TakeId(TreeId tree) {
    if (newest_id_ == 0) newest_id_ = db_->NewTreeId();
    if (tree > kMostTreeId || (tree > newest_id_ && tree - newest_id_ > kMostIdsSkipped)) {
      return Status::Corruption("a unit names tree " + std::to_string(tree) + ", which cannot be");
    }
    while (newest_id_ < tree) newest_id_ = db_->NewTreeId();
    return {};
  }

  const SequenceNumber structural_through_;
  DB* const db_;
  std::map<TreeId, SequenceNumber> in_files_;  // of the trees that are there
  TreeId newest_id_ = 0;                       // that the new database has given out
  SequenceNumber sequence_ = 0;
  WriteBatch unit_;
};

class Repair {
 public:
  Repair(const Options& options, DatabaseFiles files, std::string output, Report* report)
      : options_(options),
        fs_(options.file_system),
        files_(std::move(files)),
        output_(std::move(output)),
        report_(report) {}

  Result<RepairResult> Run() {
    for (const uint64_t number : files_.tables) total_ += SizeOf(SstFileName, number);
    for (const uint64_t number : files_.logs) total_ += SizeOf(WalFileName, number);
    OldState old = StateFinder(fs_, files_, fault_, report_).Find();
    RETURN_IF_ERROR(fs_->CreateDirectory(output_));
    RETURN_IF_ERROR(WriteFiles(&old));
    RETURN_IF_ERROR(WriteLog(old));
    return result_;
  }

 private:
  uint64_t SizeOf(std::string (*name)(const std::string&, uint64_t), uint64_t number) const {
    const Result<uint64_t> size = fs_->FileSize(name(files_.directory, number));
    return size.ok() ? *size : 0;
  }

  void Lose(const std::string& line) {
    // Several slices of one file tell the same of it.
    if (!told_.insert(HashKey(line)).second) return;
    ++result_.losses;
    report_->Fault(line);
  }

  Status WriteFiles(OldState* old) {
    TreeWriter writer(options_, output_);
    ManifestState state;
    for (auto& [id, tree] : old->trees) {
      RETURN_IF_ERROR(WriteTree(id, &tree, &writer));
      state.trees[id].counters = tree.counters;
      state.trees[id].levels[kLevel] = writer.TakeFiles();
      old->last_sequence = std::max(old->last_sequence, tree.in_files);
    }
    for (auto& [id, tree] : state.trees) tree.flushed_through = kSequence;
    state.next_tree_id = old->next_tree_id;
    state.wal_synced_through = kSequence;
    state.structural_through = kSequence;
    state.log_start.last_sequence = kSequence;
    const uint64_t manifest = writer.NewNumber();
    state.next_file_number = manifest + 1;
    RETURN_IF_ERROR(fs_->SyncDirectory(output_));
    result_.trees = state.trees.size();
    return ManifestWriter::Create(fs_, output_, manifest, state).status();
  }

  // 1. Records come key by key, newest first; the first that is whole decides its key.
  // 2. A value is written; a tombstone is not, since nothing older is left to hide.
  Status WriteTree(TreeId id, OldTree* tree, TreeWriter* writer) {
    SalvageMerge merge({fs_, files_.directory, id, std::move(tree->sources), fault_,
                        [this](uint64_t bytes) { report_->Progress(done_ += bytes, total_); }});
    std::string decided;
    bool any = false;
    for (; merge.Valid(); merge.Next()) {
      const SalvageCursor& record = merge.record();
      tree->in_files = std::max(tree->in_files, record.sequence());
      if (any && record.user_key() == decided) continue;
      Result<PinnedValue> value = ValueOf(id, record);
      if (!value.ok()) continue;
      decided.assign(record.user_key());
      any = true;
      if (record.type() == RecordType::kTombstone) continue;
      ++result_.records;
      RETURN_IF_ERROR(writer->Add(id, record.user_key(), value->view()));
    }
    return writer->Finish();
  }

  // Of a blob, what its file holds; if that is damaged the key's next version has to do.
  Result<PinnedValue> ValueOf(TreeId id, const SalvageCursor& record) {
    if (record.type() != RecordType::kBlob) return PinnedValue(record.value());
    BlobPointer pointer;
    Status status;
    if (const char* why = DecodeBlobPointer(record.value(), &pointer)) {
      status = Status::Corruption(why);
    } else {
      Result<PinnedValue> value = ReadBlob(pointer);
      if (value.ok()) return value;
      status = value.status();
    }
    const std::string key(record.user_key());
    fault_({status, SstKeyRange{id, std::nullopt, key}});
    return status;
  }

  // A value needs nothing of its file but its own block.
  Result<PinnedValue> ReadBlob(const BlobPointer& pointer) {
    if (blob_file_ == nullptr || blob_file_->number() != pointer.file) {
      blob_file_ = nullptr;
      Status damage;
      Result<std::shared_ptr<const TableFile>> file = TableFile::OpenDamaged(
          fs_, BlobFileName(files_.directory, pointer.file), pointer.file, &damage);
      RETURN_IF_ERROR(file.status());
      blob_file_ = std::move(*file);
    }
    Result<std::shared_ptr<const Block>> block =
        blob_file_->ReadBlock(pointer.block, BlockKind::kValue);
    RETURN_IF_ERROR(block.status());
    const std::string_view value = (*block)->value();
    return PinnedValue(value, std::move(*block));
  }

  Status WriteLog(const OldState& old) {
    Options options = options_;
    options.create_if_missing = false;
    Result<std::unique_ptr<DB>> db = DB::Open(options, output_);
    RETURN_IF_ERROR(db.status());
    UnitTranslator translator(old, db->get());
    const Result<LogSalvage> salvaged = SalvageLog(
        old.log,
        [&](SequenceNumber sequence, uint32_t operations, std::string_view unit) {
          return translator.Write(sequence, operations, unit);
        },
        [this](std::string_view line) { Lose(std::string(line)); });
    if (salvaged.ok()) {
      result_.log_units = salvaged->units;
      result_.trees = (*db)->Trees().size();
    }
    const Status closed = (*db)->Close();
    RETURN_IF_ERROR(salvaged.status());
    report_->Progress(total_, total_);
    return closed;
  }

  const Options options_;
  FileSystem* const fs_;
  const DatabaseFiles files_;
  const std::string output_;
  Report* const report_;
  const FaultSink fault_ = [this](const SstFault& fault) {
    Lose(fault.status.ToString() + (fault.keys ? "; " + fault.keys->Text() : ""));
  };
  std::set<uint64_t> told_;                     // hashes of lines: there may be very many
  std::shared_ptr<const TableFile> blob_file_;  // read last
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  RepairResult result_;
};

// The path without links and detours, as far as it exists; what follows as it is written.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return path;
  const std::filesystem::path real = std::filesystem::weakly_canonical(absolute, error);
  std::string text = (error ? absolute.lexically_normal() : real).string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// OK if the new database can go there.
Status CheckOutput(FileSystem* fs, const std::string& directory, const std::string& output) {
  const std::string input = RealPath(directory);
  const std::string inside = input == "/" ? input : input + "/";
  if (output.empty() || (RealPath(output) + "/").starts_with(inside)) {
    return Status::InvalidArgument(output + ": not a place beside " + directory);
  }
  const Result<bool> exists = fs->Exists(output);
  RETURN_IF_ERROR(exists.status());
  if (!*exists) return {};
  const Result<std::vector<std::string>> names = fs->List(output);
  RETURN_IF_ERROR(names.status());
  if (!names->empty()) return Status::InvalidArgument(output + ": is there, and is not empty");
  return fs->RemoveDirectory(output);
}

}  // namespace

Result<RepairResult> RepairDatabase(const Options& options, const std::string& directory,
                                    const std::string& wanted, Report* report) {
  std::string output = wanted;
  while (output.size() > 1 && output.back() == '/') output.pop_back();
  FileSystem* const fs = options.file_system;
  Result<DatabaseFiles> files = DatabaseFiles::List(fs, directory);
  RETURN_IF_ERROR(files.status());
  const Result<std::unique_ptr<FileLock>> lock = files->Lock(fs);
  RETURN_IF_ERROR(lock.status());
  RETURN_IF_ERROR(CheckOutput(fs, directory, output));
  const std::string temporary = output + ".tmp";
  const Result<bool> left_over = fs->Exists(temporary);
  RETURN_IF_ERROR(left_over.status());
  // Whatever it is - what an earlier repair left, a checkpoint under way, the input itself - it is
  // not for this program to remove.
  if (*left_over) {
    return Status::InvalidArgument(temporary +
                                   ": is in the way; it has to be moved or removed first");
  }
  Result<RepairResult> repaired = Repair(options, std::move(*files), temporary, report).Run();
  RETURN_IF_ERROR(repaired.status());
  RETURN_IF_ERROR(fs->SyncDirectory(temporary));
  RETURN_IF_ERROR(fs->Rename(temporary, output));
  RETURN_IF_ERROR(fs->SyncDirectory(ParentOf(output)));
  return repaired;
}

}  // namespace lsm::tool
