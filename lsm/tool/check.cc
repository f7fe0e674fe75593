// SPDX-License-Identifier: BSD-3-Clause
// 1. The manifest that CURRENT names: its chain of edits, and that they make a state.
// 2. The state against the directory: files that it names are there and have the right size, files
//    of a level are in order and apart. What the directory has besides is what a crash leaves and
//    the next open removes: a remark.
// 3. Every blob file, byte by byte.
// 4. Every SST file, byte by byte; what its slices hold against what the manifest says of them, and
//    the values that its records point to. Without a manifest every SST file is looked at.
// 5. The log, as an open replays it: that it chains, that nothing proves more to have been on disk,
//    that each unit can be decoded. If not, all places where units are lost are looked for.

#include "lsm/tool/check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "lsm/format/file_names.h"
#include "lsm/sst/table_check.h"
#include "lsm/util/quote.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_salvage.h"
#include "lsm/write_batch.h"

namespace lsm::tool {
namespace {

// Decodes a unit, and does nothing with it.
class UnitDecoder final : public WriteBatch::Handler {
 public:
  Status Put(TreeId, std::string_view, std::string_view) override { return {}; }
  Status Delete(TreeId, std::string_view) override { return {}; }
  Status AddCounter(TreeId, size_t, int64_t) override { return {}; }
  Status CreateTree(TreeId) override { return {}; }
  Status DropTree(TreeId) override { return {}; }
  Status ForkTree(TreeId, TreeId) override { return {}; }
};

// Keys of one file that are named for their lost values; of the others there is a count.
constexpr uint64_t kMostKeysNamed = 100;

class Check {
 public:
  Check(FileSystem* fs, DatabaseFiles files, Report* report)
      : fs_(fs), files_(std::move(files)), report_(report) {}

  CheckResult Run() {
    ReadManifestInForce();
    ListTables();
    CompareDirectory();
    for (const auto& [number, size] : blobs_) CheckBlobs(number, size);
    for (const auto& [number, users] : tables_) CheckTable(number, users);
    if (state_) CheckLog();
    return result_;
  }

 private:
  // One tree's use of a slice.
  struct Use {
    TreeId tree = 0;
    int level = 0;
    const FileMetadata* file = nullptr;
  };

  void Fault(std::string_view line) {
    ++result_.faults;
    report_->Fault(line);
  }

  void ReadManifestInForce() {
    Result<ManifestRecovery> recovered = RecoverManifest(fs_, files_.directory);
    if (!recovered.ok()) {
      Fault(recovered.status().ToString() + "; files are looked at one by one");
      return;
    }
    state_ = std::move(recovered->state);
    manifest_ = recovered->number;
    if (!recovered->tail_cut) return;
    const std::string end = "the manifest's end is cut: " + recovered->tail_description;
    if (LacksFiles()) {
      Fault(end + "; files that it names are missing, so an edit is lost");
    } else {
      report_->Remark(end + ", as a crash leaves it");
    }
  }

  bool LacksFiles() const {
    const auto lacks = [](const std::vector<uint64_t>& there, uint64_t number) {
      return !std::binary_search(there.begin(), there.end(), number);
    };
    for (const uint64_t number : state_->logs) {
      if (lacks(files_.logs, number)) return true;
    }
    for (const auto& [id, tree] : state_->trees) {
      for (const std::vector<FileMetadata>& level : tree.levels) {
        for (const FileMetadata& file : level) {
          if (lacks(files_.tables, file.file)) return true;
        }
      }
    }
    return false;
  }

  void ListTables() {
    if (!state_) {
      for (const uint64_t number : files_.tables) tables_[number];
      for (const uint64_t number : files_.blobs) blobs_[number] = 0;
    } else {
      for (const auto& [id, tree] : state_->trees) {
        for (int level = 0; level < kMaxLevels; ++level) ListLevel(id, level, tree.levels[level]);
      }
    }
    for (const auto& [number, users] : tables_) {
      total_ += SizeOf(SstFileName(files_.directory, number));
    }
    for (const auto& [number, size] : blobs_) {
      total_ += SizeOf(BlobFileName(files_.directory, number));
    }
    for (const uint64_t number : files_.logs) total_ += SizeOf(LogPath(number));
  }

  void ListLevel(TreeId tree, int level, const std::vector<FileMetadata>& files) {
    const FileMetadata* before = nullptr;
    for (const FileMetadata& file : files) {
      tables_[file.file].push_back({tree, level, &file});
      for (const BlobReference& blob : file.blobs) blobs_[blob.file] = blob.file_size;
      if (level > 0 && before != nullptr && before->largest_key >= file.smallest_key) {
        Fault(SstFileName("", file.file).substr(1) + ": tree " + std::to_string(tree) + ", level " +
              std::to_string(level) + ": its keys from " + Quoted(file.smallest_key) +
              " on overlap those of " + SstFileName("", before->file).substr(1) + ", up to " +
              Quoted(before->largest_key));
      }
      before = &file;
    }
  }

  void CompareDirectory() {
    for (const std::string& name : files_.foreign) {
      Fault(files_.directory + "/" + name + ": not a file of a database");
    }
    const auto left_over = [this](const std::string& name) {
      report_->Remark(name + ": nothing names this file; the next open removes it");
    };
    for (const std::string& name : files_.temporary) left_over(files_.directory + "/" + name);
    if (!state_) return;
    for (const uint64_t number : files_.tables) {
      if (!tables_.contains(number)) left_over(SstFileName(files_.directory, number));
    }
    for (const uint64_t number : files_.blobs) {
      if (!blobs_.contains(number)) left_over(BlobFileName(files_.directory, number));
    }
    for (const uint64_t number : files_.manifests) {
      if (number != manifest_) left_over(ManifestFileName(files_.directory, number));
    }
    for (const uint64_t number : files_.logs) {
      if (!state_->logs.contains(number)) left_over(LogPath(number));
    }
  }

  void CheckTable(uint64_t number, const std::vector<Use>& users) {
    const std::string path = SstFileName(files_.directory, number);
    const std::string whose = users.empty() ? "" : "; " + RangeOf(users);
    const Result<uint64_t> size = fs_->FileSize(path);
    if (size.status().IsNotFound()) {
      return Fault(path + ": the manifest names this file, but there is none" + whose);
    }
    if (size.ok() && !users.empty() && *size != users.front().file->file_size) {
      Fault(path + ": it has " + std::to_string(*size) + " bytes, but the manifest says " +
            std::to_string(users.front().file->file_size));
    }
    std::vector<BlobPointer> pointers;
    bool malformed = false;
    SstCheck check;
    check.pointer = [&](TreeId, std::string_view, std::string_view bytes) {
      BlobPointer pointer;
      if (DecodeBlobPointer(bytes, &pointer) == nullptr) {
        pointers.push_back(pointer);
      } else {
        malformed = true;
      }
    };
    const std::vector<CheckedSlice> slices = CheckBytes(path, std::move(check), whose);
    std::sort(pointers.begin(), pointers.end(), IsBefore);
    std::erase_if(pointers, [this](const BlobPointer& pointer) { return HasValue(pointer); });
    if (malformed || !pointers.empty()) NameLostValues(number, pointers);
    ++result_.tables;
    for (const CheckedSlice& slice : slices) result_.records += slice.counted.entries;
    std::set<TreeId> compared;
    for (const Use& use : users) {
      if (compared.insert(use.file->slice_tree).second) Compare(path, use, slices);
    }
  }

  // `expected`: what the manifest says of its size; 0: nothing.
  void CheckBlobs(uint64_t number, uint64_t expected) {
    const std::string path = BlobFileName(files_.directory, number);
    const Result<uint64_t> size = fs_->FileSize(path);
    if (size.status().IsNotFound()) {
      return Fault(path + ": values are in this file, but there is none");
    }
    if (size.ok() && expected != 0 && *size != expected) {
      Fault(path + ": it has " + std::to_string(*size) + " bytes, but the manifest says " +
            std::to_string(expected));
    }
    SstCheck check;
    check.values = true;
    check.damaged = [this, number](BlockHandle block) { damaged_.insert({number, block.offset}); };
    CheckBytes(path, std::move(check));
  }

  static bool IsBefore(const BlobPointer& a, const BlobPointer& b) {
    return std::tie(a.file, a.block.offset, a.block.size) <
           std::tie(b.file, b.block.offset, b.block.size);
  }

  // What is wrong with a value's block was said of its file; here it is whose value that is. The
  // table is read once more for that: keys are not kept. `lost` is in order.
  void NameLostValues(uint64_t number, const std::vector<BlobPointer>& lost) {
    const std::string path = SstFileName(files_.directory, number);
    uint64_t keys = 0;
    SstCheck again;
    again.fault = [](const SstFault&) {};  // said already
    again.pointer = [&](TreeId tree, std::string_view key, std::string_view bytes) {
      BlobPointer pointer;
      std::string why;
      if (const char* malformed = DecodeBlobPointer(bytes, &pointer)) {
        why = malformed;
      } else if (std::binary_search(lost.begin(), lost.end(), pointer, IsBefore)) {
        why = "no whole value is at offset " + std::to_string(pointer.block.offset) + " of " +
              BlobFileName("", pointer.file).substr(1);
      } else {
        return;
      }
      ++result_.faults;
      if (++keys > kMostKeysNamed) return;
      report_->Fault(path + ": key " + Quoted(key) + " of tree " + std::to_string(tree) + ": " +
                     why);
    };
    static_cast<void>(CheckSst(fs_, path, number, again));
    if (keys > kMostKeysNamed) {
      report_->Fault(path + ": " + std::to_string(keys - kMostKeysNamed) +
                     " more keys without a whole value");
    }
  }

  // Of one file after the other only its directory is in memory.
  bool HasValue(const BlobPointer& pointer) {
    if (values_of_ != pointer.file) {
      values_of_ = pointer.file;
      values_.clear();
      if (blobs_.contains(pointer.file)) {
        // Why it cannot be read was said when it was looked at.
        Result<std::vector<BlockHandle>> values =
            ListValues(fs_, BlobFileName(files_.directory, pointer.file), pointer.file);
        if (values.ok()) values_ = std::move(*values);
      }
    }
    const auto value =
        std::lower_bound(values_.begin(), values_.end(), pointer.block.offset,
                         [](BlockHandle a, uint64_t offset) { return a.offset < offset; });
    return value != values_.end() && *value == pointer.block &&
           !damaged_.contains({pointer.file, pointer.block.offset});
  }

  // Of a file that is no SST file or cannot be opened there is nothing.
  std::vector<CheckedSlice> CheckBytes(const std::string& path, SstCheck check,
                                       const std::string& whose = "") {
    uint64_t number = 0;
    static_cast<void>(ParseFileName(path.substr(path.rfind('/') + 1), &number));
    const uint64_t before = result_.bytes;
    check.fault = [this](const SstFault& fault) {
      Fault(fault.status.ToString() + (fault.keys ? "; " + fault.keys->Text() : ""));
    };
    check.progress = [this, before](uint64_t bytes) { report_->Progress(before + bytes, total_); };
    Result<std::vector<CheckedSlice>> slices = CheckSst(fs_, path, number, check);
    result_.bytes = before + SizeOf(path);
    if (slices.ok()) return std::move(*slices);
    Fault(slices.status().ToString() + whose);
    return {};
  }

  void Compare(const std::string& path, const Use& use, const std::vector<CheckedSlice>& slices) {
    const FileMetadata& file = *use.file;
    const auto slice = std::find_if(slices.begin(), slices.end(), [&](const CheckedSlice& s) {
      return s.tree == file.slice_tree;
    });
    if (slice == slices.end()) {
      if (!slices.empty()) Fault(path + ": it has no " + RangeOf({use}));
      return;
    }
    if (!slice->whole) return;
    const SstProperties& found = slice->counted;
    if (found.entries == file.entries && found.tombstones == file.tombstones &&
        found.smallest_sequence == file.smallest_sequence &&
        found.largest_sequence == file.largest_sequence &&
        found.smallest_key == file.smallest_key && found.largest_key == file.largest_key) {
      return;
    }
    Fault(
        path + ": the manifest says " +
        Describe(file.entries, file.tombstones, file.smallest_sequence, file.largest_sequence) +
        ", but there are " +
        Describe(found.entries, found.tombstones, found.smallest_sequence, found.largest_sequence) +
        "; " + RangeOf({use}));
  }

  static std::string Describe(uint64_t entries, uint64_t tombstones, SequenceNumber smallest,
                              SequenceNumber largest) {
    return std::to_string(entries) + " records, " + std::to_string(tombstones) +
           " tombstones, sequences " + std::to_string(smallest) + " to " + std::to_string(largest);
  }

  static std::string RangeOf(const std::vector<Use>& users) {
    std::string text;
    for (const Use& use : users) {
      text += (text.empty() ? "keys of tree " : ", of tree ") + std::to_string(use.tree) +
              " from " + Quoted(use.file->smallest_key) + " to " + Quoted(use.file->largest_key);
    }
    return text;
  }

  void CheckLog() {
    LogRecoveryInput input;
    input.fs = fs_;
    input.directory = files_.directory;
    input.segments.assign(state_->logs.begin(), state_->logs.end());
    for (const uint64_t number : files_.logs) {
      if (!state_->logs.contains(number)) input.unnamed.push_back(number);
    }
    input.start = state_->log_start;
    input.mark = std::max(state_->wal_synced_through, state_->clean_stop);
    for (const auto& [id, tree] : state_->trees) {
      input.mark = std::max(input.mark, tree.flushed_through);
    }
    const ReplayUnit decode = [](SequenceNumber, uint32_t operations, std::string_view unit) {
      UnitDecoder decoder;
      return WriteBatch::Iterate(unit, operations, &decoder);
    };
    const uint64_t before = result_.bytes;
    const Result<LogRecovery> log = ReplayLog(
        input, decode, {},
        [this, before](uint64_t done, uint64_t) { report_->Progress(before + done, total_); });
    if (log.ok()) {
      result_.log_units = log->units;
      result_.bytes += log->bytes_read;
      if (log->tail_cut)
        report_->Remark("the log ends as a crash leaves it: " + log->tail_description);
      return;
    }
    Fault(log.status().ToString());
    LogSalvageInput salvage{fs_, input.directory, input.segments, input.start, input.mark, 0};
    const Result<LogSalvage> salvaged =
        SalvageLog(salvage, decode, [this](std::string_view line) { Fault(line); });
    if (salvaged.ok()) result_.log_units = salvaged->units;
  }

  std::string LogPath(uint64_t number) const { return WalFileName(files_.directory, number); }
  uint64_t SizeOf(const std::string& path) const {
    const Result<uint64_t> size = fs_->FileSize(path);
    return size.ok() ? *size : 0;
  }

  FileSystem* const fs_;
  const DatabaseFiles files_;
  Report* const report_;
  std::optional<ManifestState> state_;  // nothing: the manifest is not whole
  uint64_t manifest_ = 0;
  std::map<uint64_t, std::vector<Use>> tables_;      // by number: who needs it
  std::map<uint64_t, uint64_t> blobs_;               // by number: the size
  std::set<std::pair<uint64_t, uint64_t>> damaged_;  // values of blob files: number and offset
  uint64_t values_of_ = 0;                           // the blob file of which values_ are
  std::vector<BlockHandle> values_;
  uint64_t total_ = 0;
  CheckResult result_;
};

}  // namespace

Result<CheckResult> CheckDatabase(FileSystem* fs, const std::string& directory, Report* report) {
  Result<DatabaseFiles> files = DatabaseFiles::List(fs, directory);
  RETURN_IF_ERROR(files.status());
  const Result<std::unique_ptr<FileLock>> lock = files->Lock(fs);
  RETURN_IF_ERROR(lock.status());
  return Check(fs, std::move(*files), report).Run();
}

}  // namespace lsm::tool
