// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/power_cut_run.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "lsm/db.h"
#include "lsm/format/coding.h"
#include "lsm/format/log_format.h"
#include "lsm/random.h"
#include "lsm/version/manifest.h"
#include "tests/crash/unit_maker.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/model_db.h"

namespace crash {

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
  }
  return "";
}

namespace {

constexpr char kDirectory[] = "/db";
constexpr uint64_t kNever = UINT64_MAX;

// Turns the power off at the n-th change from now, tells the lies of a planted bug, and lets the
// test write in the middle of a flush.
class PowerSwitch : public lsm::FileInterceptor {
 public:
  PowerSwitch(lsm::Random* random, PlantedBug bug) : random_(random), bug_(bug) {}

  void CutAfter(uint64_t changes) { changes_left_ = changes; }
  bool is_off() const { return off_; }
  // Whether the power went while an SST file was being made.
  bool cut_with_flush_in_flight() const { return flush_in_flight_; }
  void set_in_the_middle(std::function<void()> write) { write_ = std::move(write); }

  lsm::FileVerdict Before(const lsm::FileCallInfo& info) override {
    if (!off_ && !inside_ && write_ && info.path.ends_with(".sst") &&
        info.call == lsm::FileCall::kWrite && random_->OneIn(3)) {
      inside_ = true;
      write_();
      inside_ = false;
    }
    if (off_) return lsm::FileVerdict::Fail(lsm::Status::IoError("the power is off"));
    if (!lsm::ChangesSomething(info.call)) return lsm::FileVerdict::Proceed();
    if (changes_left_ == 0) return TurnOff(info);
    if (changes_left_ != kNever) --changes_left_;
    TrackFlush(info);
    return Lie(info);
  }

 private:
  lsm::FileVerdict TurnOff(const lsm::FileCallInfo& info) {
    off_ = true;
    TrackFlush(info);
    flush_in_flight_ = !open_ssts_.empty();
    lsm::FileVerdict verdict = lsm::FileVerdict::Fail(lsm::Status::IoError("the power is off"));
    if (info.call == lsm::FileCall::kWrite) verdict.torn_at = random_->Uniform(info.size + 1);
    return verdict;
  }

  void TrackFlush(const lsm::FileCallInfo& info) {
    if (!info.path.ends_with(".sst")) return;
    if (info.call == lsm::FileCall::kCreate) open_ssts_.insert(std::string(info.path));
    if (info.call == lsm::FileCall::kSync) open_ssts_.erase(std::string(info.path));
  }

  lsm::FileVerdict Lie(const lsm::FileCallInfo& info) const {
    const bool sync = info.call == lsm::FileCall::kSync;
    bool lie = false;
    switch (bug_) {
      case PlantedBug::kSkippedDirectorySync:
        lie = info.call == lsm::FileCall::kSyncDirectory;
        break;
      case PlantedBug::kManifestBeforeSst:
        lie = sync && info.path.ends_with(".sst");
        break;
      case PlantedBug::kBlobAheadOfSync:
        lie = sync && info.path.ends_with(".blob");
        break;
      case PlantedBug::kSstAheadOfLog:
      case PlantedBug::kAcknowledgedBeforeSync:
        lie = sync && info.path.ends_with(".wal");
        break;
      default:
        break;
    }
    return lie ? lsm::FileVerdict::Pretend() : lsm::FileVerdict::Proceed();
  }

  lsm::Random* const random_;
  const PlantedBug bug_;
  uint64_t changes_left_ = kNever;
  bool off_ = false;
  bool flush_in_flight_ = false;
  bool inside_ = false;
  std::set<std::string> open_ssts_;
  std::function<void()> write_;
};

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

class Life {
 public:
  Life(uint64_t seed, PlantedBug bug)
      : bug_(bug), random_(seed), fs_(std::make_unique<lsm::MemFileSystem>()) {}

  PowerCutResult Run(uint64_t least_units) {
    while (result_.violation.empty() && result_.units < least_units) OneLife();
    return result_;
  }

 private:
  lsm::Options RandomOptions() {
    lsm::Options options;
    options.file_system = fs_.get();
    options.clock = &clock_;
    options.executor = executor_.get();
    options.flush_on_close = random_.OneIn(2);
    options.memtable_size = 1024u << random_.Uniform(5);
    options.memtable_limit = static_cast<int>(2 + random_.Uniform(3));
    options.write_buffer_budget = options.memtable_size * (6 + random_.Uniform(20));
    options.block_cache_size = random_.OneIn(4) ? 0 : 64 << 10;
    options.target_file_size = 2048u << random_.Uniform(4);
    options.block_size = 128u << random_.Uniform(5);
    options.block_restart_interval = static_cast<int>(1 + random_.Uniform(16));
    options.filter_bits_per_key = random_.OneIn(4) ? 0 : 10;
    options.compression = static_cast<lsm::Compression>(random_.Uniform(3));
    options.blob_value_size = random_.OneIn(3) ? 0 : 16u << random_.Uniform(6);
    options.max_open_files = static_cast<int>(2 + random_.Uniform(30));
    options.wal_segment_size = 4096u << random_.Uniform(5);
    options.wal_size_limit = options.wal_segment_size * (2 + random_.Uniform(6));
    options.l0_merge_trigger = static_cast<int>(2 + random_.Uniform(4));
    options.l0_slowdown_trigger = 12;
    options.l0_stop_trigger = 24;
    return options;
  }

  void OneLife() {
    PowerSwitch power(&random_, bug_);
    fs_->SetInterceptor(&power);
    executor_ = std::make_unique<lsm::ManualExecutor>(random_.Next64());
    power_ = &power;
    if (random_.OneIn(4)) power.CutAfter(random_.Uniform(60));
    auto opened = lsm::DB::Open(RandomOptions(), kDirectory);
    if (!opened.ok()) {
      if (power.is_off()) {
        ++result_.cuts_while_opening;
      } else {
        Violate("refused to open: " + opened.status().ToString());
      }
    } else {
      db_ = std::move(*opened);
      if (!power.is_off()) Verify();
      if (result_.violation.empty()) Live();
    }
    End();
  }

  // What recovery found must be the state after a prefix that holds all that was promised.
  void Verify() {
    auto content = lsm::ReadContent(db_.get());
    if (!content.ok()) return Expect(content.status(), "reading");
    const auto prefix = model_.FindPrefix(*content, promised_, model_.units());
    if (!prefix.ok()) {
      return Violate(std::to_string(promised_) + " units were promised; " +
                     std::string(prefix.status().message()));
    }
    model_.ForgetAfter(prefix->shortest);
    // Recovery syncs what it replays.
    appended_ = prefix->shortest;
    synced_ = appended_;
    if (random_.OneIn(4)) {
      const auto view = db_->NewReadView();
      Expect(model_.CheckReads(view.get(), model_.units()), "reading every way");
    }
  }

  void Live() {
    power_->set_in_the_middle([this] { WriteGroup(); });
    if (!random_.OneIn(5)) power_->CutAfter(random_.Uniform(400));
    const uint64_t steps = 20 + random_.Uniform(120);
    for (uint64_t i = 0; i < steps && !power_->is_off() && result_.violation.empty(); ++i) Step();
    if (!power_->is_off() && random_.OneIn(3)) {
      power_->set_in_the_middle(nullptr);
      const lsm::Status closed = db_->Close();
      if (closed.ok()) synced_ = appended_;
      if (!closed.ok() && !power_->is_off()) Violate("close: " + closed.ToString());
    }
  }

  void Step() {
    clock_.Advance(static_cast<int64_t>(random_.Uniform(100000)));
    const uint64_t choice = random_.Uniform(100);
    if (choice < 55) return WriteGroup();
    if (choice < 80) return void(executor_->RunOne());
    if (choice < 92) {
      if (bug_ != PlantedBug::kSstAheadOfLog) db_->RequestSync();
      return;
    }
    if (choice < 94) return Expect(db_->Flush(RandomTree()), "flush");
    if (choice < 95) return Expect(db_->CompactTree(RandomTree()), "compaction");
    if (choice < 97 && bug_ != PlantedBug::kSstAheadOfLog) return Expect(db_->SyncWal(), "sync");
    executor_->RunAll();
  }

  void WriteGroup() {
    const std::unique_ptr<lsm::Writer> writer = db_->TryLockWriter();
    if (!writer) return;  // in the middle of something that holds it
    for (uint64_t i = 1 + random_.Uniform(6); i > 0; --i) {
      const lsm::WriteBatch unit =
          MakeUnit(db_.get(), model_.content(), model_.units() + 1, &random_);
      const auto sequence = writer->Commit(unit);
      if (!sequence.ok()) {
        // Without power nobody knows what became of it: it may be part of what is found.
        if (power_->is_off())
          model_.Apply(unit);
        else if (!sequence.status().IsBusy())
          Violate("commit: " + sequence.status().ToString());
        break;
      }
      sequences_.push_back({*sequence, model_.Apply(unit)});
      ++result_.units;
    }
    const auto closed = writer->CloseGroup();
    if (closed.ok() && !power_->is_off()) {
      appended_ = model_.units();
    } else if (!closed.ok() && !power_->is_off()) {
      Violate("append: " + closed.status().ToString());
    }
  }

  // How the database dies, and what the next life finds.
  void End() {
    ++result_.deaths;
    if (db_ != nullptr) {
      for (const auto& [sequence, ordinal] : sequences_) {
        if (sequence <= db_->synced_through()) synced_ = std::max(synced_, ordinal);
      }
      const lsm::DbStats stats = db_->Stats();
      result_.flushes += stats.flushes;
      result_.compactions += stats.compactions;
    }
    const bool only_the_process = random_.OneIn(6) && bug_ == PlantedBug::kNone;
    promised_ = only_the_process ? std::max(synced_, appended_) : synced_;
    if (bug_ == PlantedBug::kSstAheadOfLog) promised_ = 0;
    result_.cuts_with_flush_in_flight += power_->cut_with_flush_in_flight() ? 1 : 0;
    // Whatever the engine still tries happens after its death.
    power_->set_in_the_middle(nullptr);
    power_->CutAfter(0);
    db_.reset();
    executor_.reset();
    const auto loss = static_cast<lsm::PowerLoss>(random_.Uniform(3));
    auto image = only_the_process ? fs_->AfterKill() : fs_->AfterPowerCut(&random_, loss);
    if (!only_the_process) appended_ = synced_;
    fs_ = std::move(image);
    power_ = nullptr;
    sequences_.clear();
    if (bug_ == PlantedBug::kRecycledWithoutGeneration) RestampOldGroups();
    if (bug_ == PlantedBug::kLostRecordInTheMiddle) LoseGroup();
    if (bug_ == PlantedBug::kForkedOntoLaterData) ForgetFork();
    if (bug_ == PlantedBug::kForgottenOwner) ForgetOwner();
  }

  std::vector<std::string> Segments() const {
    std::vector<std::string> segments;
    for (const std::string& path : fs_->Files()) {
      if (path.ends_with(".wal")) segments.push_back(path);
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
  void ReplaceManifest(lsm::ManifestState state) {
    const uint64_t number = state.next_file_number++;
    if (!lsm::ManifestWriter::Create(fs_.get(), kDirectory, number, state).ok()) {
      Violate("the manifest could not be replaced");
    }
  }

  // If the last structural operation that the manifest holds is a fork which the log has too, it
  // becomes one that only the log has.
  void ForgetFork() {
    auto manifest = lsm::RecoverManifest(fs_.get(), kDirectory);
    if (!manifest.ok()) return;
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
    if (forks.empty()) return;
    --state.structural_through;
    ReplaceManifest(std::move(state));
  }

  // If two trees name the same slice in L0, one of them does not any more.
  void ForgetOwner() {
    auto manifest = lsm::RecoverManifest(fs_.get(), kDirectory);
    if (!manifest.ok()) return;
    std::set<std::pair<uint64_t, lsm::TreeId>> seen;
    for (auto& [id, tree] : manifest->state.trees) {
      for (size_t i = 0; i < tree.levels[0].size(); ++i) {
        if (seen.insert({tree.levels[0][i].file, tree.levels[0][i].slice_tree}).second) continue;
        tree.levels[0].erase(tree.levels[0].begin() + static_cast<std::ptrdiff_t>(i));
        return ReplaceManifest(std::move(manifest->state));
      }
    }
  }

  lsm::TreeId RandomTree() {
    const std::vector<lsm::TreeId> trees = db_->Trees();
    return trees[random_.Uniform(trees.size())];
  }

  // A tree may have been dropped in the middle of what was done to it.
  void Expect(const lsm::Status& status, const char* what) {
    if (!status.ok() && !status.IsNotFound() && !power_->is_off())
      Violate(std::string(what) + ": " + status.ToString());
  }

  void Violate(std::string text) {
    if (result_.violation.empty()) result_.violation = std::move(text);
  }

  struct Numbered {
    lsm::SequenceNumber sequence;
    uint64_t ordinal;
  };

  const PlantedBug bug_;
  lsm::Random random_;
  lsm::ManualClock clock_;
  std::unique_ptr<lsm::MemFileSystem> fs_;
  std::unique_ptr<lsm::ManualExecutor> executor_;
  std::unique_ptr<lsm::DB> db_;
  PowerSwitch* power_ = nullptr;  // of this life
  lsm::ModelDb model_;
  std::vector<Numbered> sequences_;  // of this life
  uint64_t appended_ = 0;            // units that outlive the process
  uint64_t synced_ = 0;              // units that outlive the machine
  uint64_t promised_ = 0;            // units that the next life must find
  PowerCutResult result_;
};

}  // namespace

PowerCutResult RunPowerCuts(uint64_t seed, PlantedBug bug, uint64_t least_units) {
  return Life(seed, bug).Run(least_units);
}

}  // namespace crash
