// SPDX-License-Identifier: BSD-3-Clause
// Picker and job against a map, without a database around them: a tree gets one file after the
// other in L0, whatever the picker finds is done, and at every pinned point each key must have the
// value that the map had then.
//
// A planted bug, which the test has to see: the job is told of a tree whose last level is empty, so
// that it drops tombstones one level early. (To try it in the database itself: let OlderFiles begin
// at level_ + 2; db_model_test and db_compaction_test fail.)

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lsm/compaction/compaction_job.h"
#include "lsm/compaction/compaction_picker.h"
#include "lsm/compaction/input_run.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "tests/support/mem_file_system.h"

namespace lsm {
namespace {

constexpr char kDirectory[] = "tree";
constexpr TreeId kTree = 3;

// A range of keys is dead from the start.
class DeadKeys : public CompactionFilter {
 public:
  bool IsDead(TreeId tree, std::string_view key) override {
    return tree == kTree && key.starts_with("dead");
  }
  bool IsRangeDead(TreeId tree, std::string_view smallest, std::string_view largest) override {
    return IsDead(tree, smallest) && IsDead(tree, largest);
  }
};

class ModelTree {
 public:
  using Map = std::map<std::string, std::string>;

  ModelTree(uint64_t seed, bool planted) : random_(seed), planted_(planted) {
    REQUIRE(fs_.CreateDirectory(kDirectory).ok());
    target_.fs = &fs_;
    target_.directory = kDirectory;
    target_.table.block_size = 256;
    target_.table.compression = Compression::kNone;
    target_.bottom = target_.table;
    limits_.l0_trigger = 2 + static_cast<int>(random_.Uniform(3));
    limits_.target_file_size = 600 + random_.Uniform(1000);
    limits_.max_bytes = 8000;
    limits_.fan_out = 2 + static_cast<double>(random_.Uniform(4));
  }

  // A few writes, as a file of L0.
  void Flush() {
    std::map<std::string, std::pair<SequenceNumber, std::string>> records;
    for (uint64_t i = 5 + random_.Uniform(40); i > 0; --i) {
      const std::string key =
          (random_.OneIn(8) ? "dead" : "key") + std::to_string(random_.Uniform(200));
      const std::string value = random_.OneIn(3) ? "" : "v" + std::to_string(sequence_);
      records[key] = {++sequence_, value};
      if (value.empty()) {
        map_.erase(key);
      } else {
        map_[key] = value;
      }
    }
    const uint64_t number = next_file_++;
    Result<std::unique_ptr<WritableFile>> file =
        fs_.Create(SstFileName(kDirectory, number), /*truncate=*/false);
    REQUIRE(file.ok());
    TableBuilder builder(target_.table, std::move(*file), number);
    builder.BeginSlice(kTree);
    for (const auto& [key, record] : records) {
      const bool deleted = record.second.empty();
      REQUIRE(builder
                  .Add(key, record.first, deleted ? RecordType::kTombstone : RecordType::kValue,
                       record.second)
                  .ok());
    }
    REQUIRE(builder.EndSlice().ok());
    REQUIRE(builder.Finish().ok());
    Apply({}, 0, DescribeFile(number, builder.FileSize(), builder.slices()));
    if (random_.OneIn(4)) pinned_[sequence_] = map_;
    if (random_.OneIn(3) && !pinned_.empty()) pinned_.erase(pinned_.begin());
  }

  // One piece of work, if any is due.
  bool Compact() {
    const CompactionPicker picker(limits_);
    CompactionSituation situation;
    situation.pressure = random_.OneIn(4);
    situation.idle = random_.OneIn(4);
    situation.oldest_pin = pinned_.empty() ? sequence_ : pinned_.begin()->first;
    std::optional<Compaction> picked = picker.Pick(*version_, situation);
    if (!picked) return false;
    CheckInvariants(*picked);
    std::vector<FileMetadata> files;
    if (picked->kind == CompactionKind::kMove) {
      for (const Compaction::Input& input : picked->inputs) files.push_back(*input.file);
    } else if (picked->kind == CompactionKind::kMerge) {
      files = Run(*picked);
    }
    std::vector<VersionEdit::RemovedFile> removed;
    for (const Compaction::Input& input : picked->inputs) {
      removed.push_back({kTree, input.level, input.file->file});
    }
    Apply(removed, picked->output_level, files);
    ++done_[picked->kind];
    deepest_run_ = picked->output_level < kMaxLevels - 1 || deepest_run_;
    return true;
  }

  // What is wrong, or nothing. Every record of every file is looked at.
  std::string Difference() {
    for (const auto& [pin, map] : pinned_) {
      if (ReadAt(pin) != Alive(map)) return "at " + std::to_string(pin);
    }
    return ReadAt(sequence_) == Alive(map_) ? "" : "now";
  }

  uint64_t done(CompactionKind kind) const {
    const auto found = done_.find(kind);
    return found == done_.end() ? 0 : found->second;
  }
  bool saw_runs() const { return deepest_run_; }

 private:
  static Map Alive(Map map) {
    std::erase_if(map, [](const auto& entry) { return entry.first.starts_with("dead"); });
    return map;
  }

  std::vector<FileMetadata> Run(const Compaction& compaction) {
    CompactionJob job;
    job.parts.push_back({kTree, compaction, planted_ ? WithoutLastLevel() : version_});
    for (const auto& [pin, map] : pinned_) job.pins.push_back(pin);
    job.target_file_size = limits_.target_file_size;
    job.filter = &dead_;
    Result<CompactionOutput> output = RunCompaction(target_, job, [this] { return next_file_++; });
    REQUIRE_MESSAGE(output.ok(), output.status().ToString());
    return output->files.at(0);
  }

  std::shared_ptr<const Version> WithoutLastLevel() const {
    Version::Levels levels;
    for (int level = 0; level < kMaxLevels - 1; ++level) {
      levels[static_cast<size_t>(level)] = version_->files(level);
    }
    return std::make_shared<const Version>(std::move(levels));
  }

  void Apply(const std::vector<VersionEdit::RemovedFile>& removed, int level,
             const std::vector<FileMetadata>& files) {
    std::vector<std::pair<int, FileRef>> added;
    for (const FileMetadata& file : files) {
      added.emplace_back(level, std::make_shared<const FileMetadata>(file));
    }
    Result<std::shared_ptr<const Version>> next = Version::Apply(*version_, removed, added);
    REQUIRE_MESSAGE(next.ok(), next.status().ToString());
    version_ = *next;
  }

  // No file stays above an older record, or beneath a newer one, than it may.
  void CheckInvariants(const Compaction& compaction) const {
    std::set<uint64_t> taken;
    for (const Compaction::Input& input : compaction.inputs) taken.insert(input.file->file);
    for (const Compaction::Input& input : compaction.inputs) {
      REQUIRE(input.level <= compaction.output_level);
      for (int level = input.level + 1; level <= compaction.output_level; ++level) {
        for (const FileRef& other :
             version_->Overlapping(level, input.file->smallest_key, input.file->largest_key)) {
          REQUIRE(taken.contains(other->file));
        }
      }
    }
  }

  Map ReadAt(SequenceNumber point) {
    Map map;
    std::set<std::string> seen;
    InputFiles files(&fs_, kDirectory, /*keep_open=*/true);
    for (int level = 0; level < kMaxLevels; ++level) {
      for (const FileRef& file : version_->files(level)) {
        InputRun run(&files, {file});
        for (Status at = run.SeekToFirst(); run.Valid(); at = run.Next()) {
          REQUIRE(at.ok());
          const std::string key(run.user_key());
          if (run.sequence() > point || key.starts_with("dead")) continue;
          if (!seen.insert(key).second || run.type() == RecordType::kTombstone) continue;
          map[key] = std::string(run.value());
        }
      }
    }
    return map;
  }

  Random random_;
  const bool planted_;
  MemFileSystem fs_;
  TableTarget target_;
  CompactionLimits limits_;
  DeadKeys dead_;
  std::shared_ptr<const Version> version_ = std::make_shared<const Version>(Version::Levels());
  uint64_t next_file_ = 1;
  SequenceNumber sequence_ = 0;
  Map map_;
  std::map<SequenceNumber, Map> pinned_;
  std::map<CompactionKind, uint64_t> done_;
  bool deepest_run_ = false;
};

struct Outcome {
  std::string difference;  // the first, with its seed; empty: none
  std::map<CompactionKind, uint64_t> done;
  bool saw_runs = false;
};

Outcome RunSeeds(uint64_t seeds, bool planted) {
  Outcome outcome;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    ModelTree tree(seed, planted);
    for (int step = 0; step < 40; ++step) {
      tree.Flush();
      for (int i = 0; i < 20 && tree.Compact(); ++i) {
        const std::string difference = tree.Difference();
        if (difference.empty()) continue;
        outcome.difference = "seed " + std::to_string(seed) + " " + difference;
        return outcome;
      }
    }
    for (const CompactionKind kind :
         {CompactionKind::kMerge, CompactionKind::kMove, CompactionKind::kDrop}) {
      outcome.done[kind] += tree.done(kind);
    }
    outcome.saw_runs = outcome.saw_runs || tree.saw_runs();
  }
  return outcome;
}

}  // namespace

TEST_CASE("whatever is picked and merged in a random tree, every pinned point stays as it was") {
  const Outcome outcome = RunSeeds(60, /*planted=*/false);
  CHECK(outcome.difference == "");
  CHECK(outcome.done.at(CompactionKind::kMerge) > 500);
  CHECK(outcome.done.at(CompactionKind::kMove) > 5);
  CHECK(outcome.saw_runs);
}

TEST_CASE("a tombstone that is dropped one level early is seen") {
  CHECK(RunSeeds(60, /*planted=*/true).difference != "");
}

}  // namespace lsm
