// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/planted_bugs.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "lsm/compaction/flush_job.h"
#include "lsm/format/coding.h"
#include "lsm/format/file_names.h"
#include "lsm/format/log_format.h"
#include "lsm/sst/table_file.h"
#include "lsm/version/manifest.h"
#include "lsm/write_batch.h"
#include "tests/support/sst_files.h"

namespace crash {
namespace {

// The groups of a segment as they stand in the file, whatever their generation.
struct FoundGroup {
  uint64_t offset;
  lsm::LogGroupHeader header;
  std::string payload;
};

std::vector<FoundGroup> GroupsIn(const std::string& contents, uint64_t up_to_generation) {
  std::vector<FoundGroup> groups;
  uint64_t offset = 0;
  while (offset + lsm::kLogGroupHeaderSize <= contents.size()) {
    const std::string_view rest = std::string_view(contents).substr(offset);
    const size_t at = lsm::FindLogGroup(rest);
    if (at == std::string_view::npos) break;
    offset += at;
    lsm::LogGroupHeader header;
    bool valid = false;
    for (uint64_t generation = up_to_generation; generation > 0 && !valid; --generation) {
      valid = lsm::DecodeLogGroupHeader(rest.substr(at), generation, offset, &header) ==
              lsm::LogGroupCheck::kValid;
    }
    const uint64_t payload_at = offset + lsm::kLogGroupHeaderSize;
    const uint64_t padded = valid ? lsm::LogPaddedSize(header.payload_size) : 0;
    if (!valid || payload_at + padded > contents.size() ||
        !lsm::LogPayloadMatches(header, offset,
                                std::string_view(contents).substr(payload_at, padded))) {
      offset += lsm::kLogGroupAlignment;
      continue;
    }
    groups.push_back({offset, header, contents.substr(payload_at, header.payload_size)});
    offset = payload_at + padded;
  }
  return groups;
}

// Tells which trees a unit forks that does nothing else to the set of trees.
class ForkFinder : public lsm::WriteBatch::Handler {
 public:
  lsm::Status Put(lsm::TreeId, std::string_view, std::string_view) override { return {}; }
  lsm::Status Delete(lsm::TreeId, std::string_view) override { return {}; }
  lsm::Status AddCounter(lsm::TreeId, size_t, int64_t) override { return {}; }
  lsm::Status CreateTree(lsm::TreeId) override { return lsm::Status::Aborted("mixed"); }
  lsm::Status DropTree(lsm::TreeId) override { return lsm::Status::Aborted("mixed"); }
  lsm::Status ForkTree(lsm::TreeId tree, lsm::TreeId) override {
    forks.push_back(tree);
    return {};
  }
  std::vector<lsm::TreeId> forks;
};

// The trees that unit `sequence` forks, if the group has it.
std::vector<lsm::TreeId> ForksOf(const FoundGroup& group, lsm::SequenceNumber sequence) {
  std::string_view rest = group.payload;
  for (uint32_t i = 0; group.header.flags == 0 && i < group.header.units; ++i) {
    uint64_t size = 0;
    uint32_t operations = 0;
    if (!lsm::GetVarint64(&rest, &size) || !lsm::GetVarint32(&rest, &operations)) return {};
    ForkFinder finder;
    const bool fits = lsm::WriteBatch::Iterate(rest.substr(0, size), operations, &finder).ok();
    if (group.header.first_sequence + i == sequence && fits) return finder.forks;
    rest.remove_prefix(size);
  }
  return {};
}

// Changes a dead database.
class Saboteur {
 public:
  Saboteur(lsm::MemFileSystem* fs, std::string directory)
      : fs_(fs), directory_(std::move(directory)) {}

  lsm::Status Plant(PlantedBug bug) {
    switch (bug) {
      case PlantedBug::kRecycledWithoutGeneration:
        RestampOldGroups();
        return {};
      case PlantedBug::kLostRecordInTheMiddle:
        LoseGroup();
        return {};
      case PlantedBug::kForkedOntoLaterData:
        return ForgetFork();
      case PlantedBug::kForgottenOwner:
        return ForgetOwner();
      case PlantedBug::kTombstoneDroppedEarly:
        return DropTombstones();
      default:
        return {};
    }
  }

 private:
  // Tombstones of a file, by slice.
  using Dropped = std::set<std::pair<lsm::TreeId, std::string>>;

  // Of the database, without what lies in directories beside or below it.
  std::vector<std::string> Segments() const {
    std::vector<std::string> segments;
    for (const std::string& path : fs_->Files()) {
      if (("/" + path).starts_with(directory_ + "/") && path.ends_with(".wal"))
        segments.push_back(path);
    }
    return segments;
  }

  static uint64_t NumberOf(const std::string& path) {
    return std::strtoull(path.c_str() + path.rfind('/') + 1, nullptr, 10);
  }

  // What a reader would believe that does not look at generations: the groups of the file's earlier
  // life, as if they followed the newer ones.
  void RestampOldGroups() {
    for (const std::string& path : Segments()) {
      std::string contents = fs_->Contents(path);
      const uint64_t generation = NumberOf(path);
      const std::vector<FoundGroup> groups = GroupsIn(contents, generation);
      const lsm::LogGroupHeader* last = nullptr;
      std::vector<lsm::LogGroupHeader> stamped(groups.size());
      for (size_t i = 0; i < groups.size(); ++i) {
        stamped[i] = groups[i].header;
        if (stamped[i].generation != generation && last != nullptr) {
          stamped[i].generation = generation;
          stamped[i].first_sequence = last->last_sequence() + 1;
          stamped[i].previous_checksum = last->checksum;
          std::string bytes;
          lsm::EncodeLogGroup(&stamped[i], groups[i].payload, groups[i].offset, &bytes);
          contents.replace(groups[i].offset, bytes.size(), bytes);
        }
        last = &stamped[i];
      }
      fs_->SetContents(path, contents);
    }
  }

  // Wipes out one group of the log that a later one knows to have been synced.
  void LoseGroup() {
    for (const std::string& path : Segments()) {
      std::string contents = fs_->Contents(path);
      const std::vector<FoundGroup> groups = GroupsIn(contents, NumberOf(path));
      for (size_t i = 0; i + 1 < groups.size(); ++i) {
        if (groups.back().header.synced_through < groups[i].header.last_sequence()) continue;
        contents.replace(groups[i].offset, lsm::kLogGroupHeaderSize,
                         std::string(lsm::kLogGroupHeaderSize, '\0'));
        fs_->SetContents(path, contents);
        return;
      }
    }
  }

  // Makes the manifest say something else.
  lsm::Status ReplaceManifest(lsm::ManifestState state) {
    const uint64_t number = state.next_file_number++;
    return lsm::ManifestWriter::Create(fs_, directory_, number, state).status();
  }

  // If the last structural operation that the manifest holds is a fork which the log has too, it
  // becomes one that only the log has.
  lsm::Status ForgetFork() {
    auto manifest = lsm::RecoverManifest(fs_, directory_);
    if (!manifest.ok()) return {};
    lsm::ManifestState& state = manifest->state;
    std::vector<lsm::TreeId> forks;
    for (const std::string& path : Segments()) {
      for (const FoundGroup& group : GroupsIn(fs_->Contents(path), NumberOf(path))) {
        if (group.header.generation != NumberOf(path)) continue;
        for (const lsm::TreeId fork : ForksOf(group, state.structural_through)) {
          if (state.trees.erase(fork) > 0) forks.push_back(fork);
        }
      }
    }
    if (forks.empty()) return {};
    --state.structural_through;
    return ReplaceManifest(std::move(state));
  }

  // If two trees name the same slice in L0, one of them does not any more.
  lsm::Status ForgetOwner() {
    auto manifest = lsm::RecoverManifest(fs_, directory_);
    if (!manifest.ok()) return {};
    std::set<std::pair<uint64_t, lsm::TreeId>> seen;
    for (auto& [id, tree] : manifest->state.trees) {
      for (size_t i = 0; i < tree.levels[0].size(); ++i) {
        if (seen.insert({tree.levels[0][i].file, tree.levels[0][i].slice_tree}).second) continue;
        tree.levels[0].erase(tree.levels[0].begin() + static_cast<std::ptrdiff_t>(i));
        return ReplaceManifest(std::move(manifest->state));
      }
    }
    return {};
  }

  // Every tombstone goes that a compaction would have dropped which believed its output to be one
  // level deeper than it is: what it hides is in the very next level.
  lsm::Status DropTombstones() {
    auto manifest = lsm::RecoverManifest(fs_, directory_);
    if (!manifest.ok()) return {};
    std::map<uint64_t, Dropped> files;
    for (const auto& [id, tree] : manifest->state.trees) {
      for (int level = 1; level + 1 < lsm::kMaxLevels; ++level) {
        for (const lsm::FileMetadata& file : tree.levels[level]) {
          if (file.tombstones > 0) RETURN_IF_ERROR(FindTombstones(tree, level, file, &files));
        }
      }
    }
    for (const auto& [number, dropped] : files) {
      RETURN_IF_ERROR(WriteAnew(number, dropped, &manifest->state));
    }
    return files.empty() ? lsm::Status() : ReplaceManifest(std::move(manifest->state));
  }

  static bool Holds(const std::vector<lsm::FileMetadata>& files, const std::string& key) {
    return std::any_of(files.begin(), files.end(),
                       [&key](const lsm::FileMetadata& file) { return file.Covers(key); });
  }

  // Adds the tombstones of a slice that are to go.
  lsm::Status FindTombstones(const lsm::ManifestState::Tree& tree, int level,
                             const lsm::FileMetadata& file, std::map<uint64_t, Dropped>* files) {
    const auto records =
        lsm::ReadSst(fs_, lsm::SstFileName(directory_, file.file), file.file, file.slice_tree);
    RETURN_IF_ERROR(records.status());
    for (const lsm::SstRecord& record : *records) {
      bool deeper = false;
      for (int below = level + 2; below < lsm::kMaxLevels; ++below) {
        deeper = deeper || Holds(tree.levels[below], record.key);
      }
      if (record.type == lsm::RecordType::kTombstone && !deeper &&
          Holds(tree.levels[level + 1], record.key)) {
        (*files)[file.file].emplace(file.slice_tree, record.key);
      }
    }
    return {};
  }

  // The file without what is dropped, under its name; the manifest describes it as it is then.
  lsm::Status WriteAnew(uint64_t number, const Dropped& dropped, lsm::ManifestState* state) {
    const std::string path = lsm::SstFileName(directory_, number);
    const auto table = lsm::TableFile::Open(fs_, path, number);
    RETURN_IF_ERROR(table.status());
    std::map<lsm::TreeId, lsm::SstRecords> slices;
    for (const lsm::SstSlice& slice : (*table)->slices()) {
      auto records = lsm::ReadSst(fs_, path, number, slice.tree);
      RETURN_IF_ERROR(records.status());
      std::erase_if(*records, [&](const lsm::SstRecord& record) {
        return record.type == lsm::RecordType::kTombstone &&
               dropped.contains({slice.tree, record.key});
      });
      slices[slice.tree] = std::move(*records);
    }
    std::vector<lsm::SliceSummary> summaries;
    RETURN_IF_ERROR(lsm::WriteSst(fs_, path, number, {}, slices, &summaries));
    const auto size = fs_->FileSize(path);
    RETURN_IF_ERROR(size.status());
    std::map<lsm::TreeId, lsm::FileMetadata> described;
    for (lsm::FileMetadata& slice : lsm::DescribeFile(number, *size, summaries)) {
      described[slice.slice_tree] = std::move(slice);
    }
    for (auto& [id, tree] : state->trees) {
      for (auto& files : tree.levels) Redescribe(number, described, &files);
    }
    return {};
  }

  static void Redescribe(uint64_t number, const std::map<lsm::TreeId, lsm::FileMetadata>& slices,
                         std::vector<lsm::FileMetadata>* files) {
    for (lsm::FileMetadata& file : *files) {
      if (file.file != number) continue;
      const auto now = slices.find(file.slice_tree);
      lsm::FileMetadata described = now == slices.end() ? lsm::FileMetadata() : now->second;
      described.blobs = file.blobs;
      file = std::move(described);
    }
    std::erase_if(*files, [](const lsm::FileMetadata& file) { return file.entries == 0; });
  }

  lsm::MemFileSystem* const fs_;
  const std::string directory_;
};

}  // namespace

const char* Name(PlantedBug bug) {
  switch (bug) {
    case PlantedBug::kNone:
      return "none";
    case PlantedBug::kSkippedDirectorySync:
      return "a skipped directory sync";
    case PlantedBug::kManifestBeforeSst:
      return "a manifest edit before its SST is synced";
    case PlantedBug::kBlobAheadOfSync:
      return "a blob named before it is synced";
    case PlantedBug::kSstAheadOfLog:
      return "an SST made durable ahead of the log";
    case PlantedBug::kRecycledWithoutGeneration:
      return "a recycled segment read without its generation";
    case PlantedBug::kAcknowledgedBeforeSync:
      return "an acknowledgement before the sync";
    case PlantedBug::kLostRecordInTheMiddle:
      return "a lost record in the middle of a log";
    case PlantedBug::kForkedOntoLaterData:
      return "a fork replayed onto later data";
    case PlantedBug::kForgottenOwner:
      return "a shared memtable's flush that forgets one tree";
    case PlantedBug::kTombstoneDroppedEarly:
      return "a tombstone dropped one level early";
  }
  return "";
}

void PlantLies(PlantedBug bug, lsm::FaultPlan* plan) {
  lsm::FaultPlan::Fault lie;
  lie.call = lsm::FileCall::kSync;
  lie.count = lsm::FaultPlan::kForEver;
  lie.effect = lsm::FaultPlan::Effect::kPretend;
  switch (bug) {
    case PlantedBug::kSkippedDirectorySync:
      lie.call = lsm::FileCall::kSyncDirectory;
      break;
    case PlantedBug::kManifestBeforeSst:
      lie.suffix = ".sst";
      break;
    case PlantedBug::kBlobAheadOfSync:
      lie.suffix = ".blob";
      break;
    case PlantedBug::kSstAheadOfLog:
    case PlantedBug::kAcknowledgedBeforeSync:
      lie.suffix = ".wal";
      break;
    default:
      return;
  }
  plan->Add(lie);
}

lsm::Status PlantOnDisk(PlantedBug bug, lsm::MemFileSystem* fs, const std::string& directory) {
  return Saboteur(fs, directory).Plant(bug);
}

}  // namespace crash
