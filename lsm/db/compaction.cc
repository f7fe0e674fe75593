// SPDX-License-Identifier: BSD-3-Clause
// Compaction, one job after the other:
//   1. Choose the tree whose work is most urgent, or one that somebody asked to have compacted. Of
//      small trees with work to do several are taken at once, so that they share files.
//   2. Pick what is to be done in each (CompactionPicker), and do it: write new files, unless files
//      only change their level or are not needed by anybody.
//   3. Record it in the manifest in one edit, and publish the trees' new versions. The inputs go
//      when nobody reads them any more.
// A flush may add L0 files meanwhile: they are newer than all inputs, and stay. Nobody else changes
// deeper levels.
//
// A tree whose compaction failed is put off, for longer each time, and then goes without company:
// what is wrong with it does not hold up others. What is only done because nobody writes is given
// up when something is due.

#include <algorithm>
#include <utility>

#include "lsm/compaction/compaction_job.h"
#include "lsm/db/db_impl.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

// How many small trees a job takes, and of how many target files together.
constexpr size_t kMaxTrees = 4096;
constexpr uint64_t kMaxSharedFiles = 4;
constexpr size_t kMaxSharedInputs = 256;  // files that it reads, and holds open
constexpr double kPressureScore = 1000;   // more than any level's score

bool IsSmall(const Version& version, const Options& options) {
  return version.TotalBytes() <= options.target_file_size / 2;
}

}  // namespace

struct DBImpl::CompactionPlan {
  struct Item {
    TreeRef tree;
    std::shared_ptr<const Version> base;
    std::shared_ptr<ManualCompaction> manual;  // null: nobody asked
    Compaction compaction;
    size_t part = 0;  // of the job, if the compaction is a kMerge
  };
  std::vector<Item> items;            // ascending by tree
  uint64_t sparse_file = 0;           // this is for a file most of which is dead
  std::optional<size_t> failed_part;  // the job's, if it failed at one
  CompactionJob job;

  bool IsAll(CompactionReason reason) const {
    return std::all_of(items.begin(), items.end(),
                       [reason](const Item& item) { return item.compaction.reason == reason; });
  }

  // How hard the job may work: the less hurry there is, the more it waits, and the better it packs.
  void SetManners(const Options& options) {
    const auto all = [this](auto is) {
      return std::all_of(items.begin(), items.end(), [&](const Item& item) { return is(item); });
    };
    const bool quiet = all([](const Item& item) {
      return item.compaction.reason == CompactionReason::kIdle ||
             item.compaction.reason == CompactionReason::kManual;
    });
    if (quiet) job.bottom_compression = options.bottom_compression;
    const bool deep = all([](const Item& i) { return i.compaction.inputs.front().level > 0; });
    job.priority = deep ? RateLimiter::Priority::kDeeper : RateLimiter::Priority::kL0;
  }

  uint64_t L0Bytes() const {
    uint64_t bytes = 0;
    for (const Item& item : items) {
      if (item.compaction.kind != CompactionKind::kMerge) continue;  // costs next to nothing
      for (const Compaction::Input& input : item.compaction.inputs) {
        if (input.level == 0) bytes += input.file->slice_size;
      }
    }
    return bytes;
  }
};

CompactionSituation DBImpl::SituationOf(const Tree& tree) const {
  const int trigger = std::max(options_.l0_merge_trigger, 1);
  const int pressed = std::max(trigger + 1, (trigger + options_.l0_slowdown_trigger) / 2);
  CompactionSituation situation;
  situation.pressure = tree.state->version->files(0).size() >= static_cast<size_t>(pressed);
  situation.idle = idle_;
  situation.oldest_pin = pins_.Floor();
  return situation;
}

bool DBImpl::MayCompact(const Tree& tree) const {
  return tree.dropped == 0 && tree.created <= visible_sequence();
}

void DBImpl::QueueCompaction(const Tree& tree) {
  if (!MayCompact(tree)) return;
  const bool due =
      !tree.manual.empty() || picker_.Score(*tree.state->version, SituationOf(tree)) >= 1;
  if (!due && !idle_) return;
  if (due && !IsPutOff(tree.id)) hurry_.store(true);
  compaction_queue_.insert(tree.id);
  ScheduleCompaction();
}

bool DBImpl::IsPutOff(TreeId id) const {
  const auto failed = failed_compactions_.find(id);
  if (failed == failed_compactions_.end()) return false;
  const auto tree = trees_.find(id);
  // Whoever asks in person is not put off.
  if (tree != trees_.end() && !tree->second->manual.empty()) return false;
  return options_.clock->MonotonicMicros() < failed->second.retry_at;
}

bool DBImpl::IsSparsePutOff() const {
  return options_.clock->MonotonicMicros() < failed_sparse_.retry_at;
}

bool DBImpl::CompactionDue() const {
  const bool sparse = obsolete_->any_sparse() || !sparse_files_.empty();
  if (sparse && !IsSparsePutOff()) return true;
  return std::any_of(compaction_queue_.begin(), compaction_queue_.end(), [this](TreeId tree) {
    mutex_.AssertHeld();
    return !IsPutOff(tree);
  });
}

// The most urgent tree first, behind it small ones that may go along.
std::vector<DBImpl::Candidate> DBImpl::ChooseTrees() {
  std::vector<Candidate> chosen;
  double best_score = 0;
  hurry_.store(false);
  for (auto id = compaction_queue_.begin(); id != compaction_queue_.end();) {
    const auto found = trees_.find(*id);
    if (found == trees_.end() || !MayCompact(*found->second)) {
      idle_candidates_.erase(*id);
      failed_compactions_.erase(*id);
      id = compaction_queue_.erase(id);
      continue;
    }
    const TreeRef& tree = found->second;
    Candidate candidate{tree, tree->state->version, SituationOf(*tree), nullptr};
    double score = picker_.Score(*candidate.version, candidate.situation);
    if (!idle_ && score < 1 && tree->manual.empty()) {
      failed_compactions_.erase(*id);  // nobody would try again
      id = compaction_queue_.erase(id);
      continue;
    }
    ++id;
    if (IsPutOff(tree->id)) continue;
    // Before its L0 stops all writers; other scores do not compare with that.
    if (candidate.situation.pressure) score += kPressureScore;
    if (!tree->manual.empty()) {
      candidate.manual = tree->manual.front();
      score += 1;  // somebody waits for it
    }
    candidate.shares = candidate.manual == nullptr && IsSmall(*candidate.version, options_) &&
                       !failed_compactions_.contains(tree->id);
    const bool best = chosen.empty() || score > best_score;
    if (!best && (!candidate.shares || chosen.size() >= kMaxTrees)) continue;
    chosen.push_back(std::move(candidate));
    if (!best) continue;
    best_score = score;
    std::swap(chosen.front(), chosen.back());
  }
  return chosen;
}

bool DBImpl::PickCompaction(CompactionPlan* plan) {
  const std::set<uint64_t> wasteful = blob_files_->Wasteful();
  std::vector<Candidate> candidates;
  {
    MutexLock lock(&mutex_);
    candidates = ChooseTrees();
  }
  uint64_t bytes = 0;
  std::set<uint64_t> inputs;
  for (Candidate& candidate : candidates) {
    const Version& version = *candidate.version;
    const bool shares = candidate.shares;
    if (!plan->items.empty() && !shares) continue;
    candidate.situation.wasteful_blobs = &wasteful;
    std::optional<Compaction> picked =
        candidate.manual != nullptr
            ? picker_.PickRange(version, candidate.manual->range, candidate.manual->first_new_file,
                                candidate.situation)
            : picker_.Pick(version, candidate.situation);
    if (!picked) {
      FinishTree(candidate);
      continue;
    }
    bytes += picked->InputBytes();
    for (const Compaction::Input& input : picked->inputs) inputs.insert(input.file->file);
    plan->items.push_back({std::move(candidate.tree), std::move(candidate.version),
                           std::move(candidate.manual), std::move(*picked), 0});
    if (!shares || bytes > kMaxSharedFiles * options_.target_file_size) break;
    if (inputs.size() >= kMaxSharedInputs) break;
  }
  return !plan->items.empty();
}

bool DBImpl::PickSparseFile(CompactionPlan* plan) {
  uint64_t sparse = 0;
  std::vector<Candidate> owners;
  {
    MutexLock lock(&mutex_);
    if (IsSparsePutOff()) return false;
    for (const uint64_t file : obsolete_->TakeSparse()) sparse_files_.insert(file);
    if (sparse_files_.empty()) return false;
    sparse = *sparse_files_.begin();
    for (const auto& [id, tree] : trees_) {
      if (!MayCompact(*tree) || tree->state->version->TotalFiles() == 0) continue;
      owners.push_back({tree, tree->state->version, SituationOf(*tree), nullptr});
    }
  }
  for (Candidate& owner : owners) {
    const Version& version = *owner.version;
    for (int level = 0; level < kMaxLevels; ++level) {
      const auto& files = version.files(level);
      const auto slice = std::find_if(files.begin(), files.end(), [sparse](const FileRef& file) {
        return file->file == sparse;
      });
      if (slice == files.end()) continue;
      Compaction anew = picker_.PickSlice(version, level, *slice, owner.situation);
      plan->items.push_back({owner.tree, owner.version, nullptr, std::move(anew), 0});
      break;
    }
  }
  plan->sparse_file = sparse;
  if (!plan->items.empty()) return true;
  // The rest of it is what a reader or a dropped tree holds.
  MutexLock lock(&mutex_);
  sparse_files_.erase(sparse);
  return false;
}

void DBImpl::DivideWork(CompactionPlan* plan) const {
  std::sort(plan->items.begin(), plan->items.end(),
            [](const auto& a, const auto& b) { return a.tree->id < b.tree->id; });
  for (CompactionPlan::Item& item : plan->items) {
    if (item.compaction.kind != CompactionKind::kMerge) continue;
    item.part = plan->job.parts.size();
    plan->job.parts.push_back({item.tree->id, item.compaction, item.base});
  }
}

// Nothing is left to do in this tree: whoever asked for it is told.
void DBImpl::FinishTree(const Candidate& candidate) {
  // Nobody will say when a pin goes that is all that keeps tombstones: the tree has another turn.
  CompactionSituation unpinned = candidate.situation;
  unpinned.oldest_pin = kMaxSequence;
  const bool for_good = unpinned.idle && !picker_.Pick(*candidate.version, unpinned);
  MutexLock lock(&mutex_);
  if (candidate.manual == nullptr) {
    // Unless something came while the lock was not held: a flush, or somebody who asks.
    const Tree& tree = *candidate.tree;
    if (!tree.manual.empty() || tree.state->version != candidate.version) return;
    compaction_queue_.erase(tree.id);
    failed_compactions_.erase(tree.id);
    if (for_good) idle_candidates_.erase(tree.id);
    return;
  }
  candidate.manual->done = true;
  std::erase(candidate.tree->manual, candidate.manual);
  changed_.SignalAll();
}

Status DBImpl::RunCompactionPlan(CompactionPlan* plan) {
  CompactionOutput output;
  if (!plan->job.parts.empty()) {
    plan->job.pins = pins_.Pins();
    plan->job.target_file_size = options_.target_file_size;
    plan->job.cancelled = &closing_;
    if (plan->IsAll(CompactionReason::kIdle)) plan->job.hurry = &hurry_;
    plan->job.wasteful_blobs = blob_files_->Wasteful();
    plan->job.tables = &tables_;
    plan->job.filter = options_.compaction_filter;
    plan->SetManners(options_);
    Result<CompactionOutput> written = RunCompaction(
        target_, plan->job, [this] { return NewFileNumber(); }, &plan->failed_part);
    RETURN_IF_ERROR(written.status());
    output = std::move(written).value();
  }
  Status done = output.numbers.empty() ? Status() : fs_->SyncDirectory(directory_);
  for (const auto& files : output.files) {
    for (const FileMetadata& file : files) {
      if (done.ok()) done = OpenNewFile(file);
    }
  }
  if (done.ok()) done = PublishCompaction(*plan, output);
  if (done.ok()) return done;
  for (const uint64_t file : output.numbers) obsolete_->Add(file);
  for (const uint64_t blob : output.blobs) obsolete_->Add(blob, FileKind::kBlob);
  return done;
}

Status DBImpl::PublishCompaction(const CompactionPlan& plan, const CompactionOutput& output) {
  std::map<uint64_t, std::shared_ptr<FileHold>> holds;
  for (const uint64_t file : output.numbers) holds[file] = HoldFile(file);
  Garbage garbage;
  MutexLock manifest(&manifest_mutex_);
  VersionEdit edit;
  std::vector<std::shared_ptr<const Version>> versions;
  for (const CompactionPlan::Item& item : plan.items) {
    const Compaction& done = item.compaction;
    std::vector<VersionEdit::RemovedFile> removed;
    std::vector<std::pair<int, FileRef>> added;
    for (const Compaction::Input& input : done.inputs) {
      removed.push_back({item.tree->id, input.level, input.file->file});
      if (done.kind == CompactionKind::kMove) added.emplace_back(done.output_level, input.file);
    }
    if (done.kind == CompactionKind::kMerge) {
      for (const FileMetadata& file : output.files[item.part]) {
        added.emplace_back(done.output_level, MakeRef(file, holds.at(file.file)));
      }
    }
    std::shared_ptr<const Version> base;
    {
      MutexLock lock(&mutex_);
      base = item.tree->state->version;              // changes under the manifest lock only
      const auto same = trees_.find(item.tree->id);  // absent: dropped meanwhile
      VARVE_CHECK(same == trees_.end() || same->second == item.tree);
    }
    Result<std::shared_ptr<const Version>> version = Version::Apply(*base, removed, added);
    RETURN_IF_ERROR(version.status());
    versions.push_back(std::move(version).value());
    edit.removed_files.insert(edit.removed_files.end(), removed.begin(), removed.end());
    for (const auto& [level, file] : added) {
      edit.added_files.push_back({item.tree->id, level, *file});
    }
  }
  RETURN_IF_ERROR(Record(std::move(edit), wal_.synced_through()));

  MutexLock lock(&mutex_);
  for (size_t i = 0; i < plan.items.size(); ++i) {
    Tree* const tree = plan.items[i].tree.get();
    auto state = std::make_shared<TreeState>(*tree->state);
    state->version = std::move(versions[i]);
    SetState(tree, std::move(state), &garbage);
  }
  CountCompaction(plan, output);
  return {};
}

void DBImpl::CountCompaction(const CompactionPlan& plan, const CompactionOutput& output) {
  ++stats_.compactions;
  stats_.compaction_bytes_written += output.bytes_written;
  for (const CompactionPlan::Item& item : plan.items) {
    const Compaction& done = item.compaction;
    stats_.compaction_moves += done.kind == CompactionKind::kMove ? done.inputs.size() : 0;
    stats_.compaction_drops += done.kind == CompactionKind::kDrop ? done.inputs.size() : 0;
    if (done.kind != CompactionKind::kMerge) continue;
    stats_.compaction_bytes_read += done.InputBytes();
    for (const Compaction::Input& input : done.inputs) {
      stats_.levels[static_cast<size_t>(input.level)].bytes_read += input.file->slice_size;
    }
    for (const FileMetadata& file : output.files[item.part]) {
      stats_.levels[static_cast<size_t>(done.output_level)].bytes_written += file.slice_size;
    }
  }
}

void DBImpl::BackgroundCompaction() {
  Status status;
  bool relieved = false;
  bool rests = false;
  {
    CompactionPlan plan;  // lets go of the inputs at its end
    MarkWhoWaits();
    status = SettleManifest();
    const int64_t started = options_.clock->MonotonicMicros();
    if (status.ok() && (PickCompaction(&plan) || PickSparseFile(&plan))) {
      DivideWork(&plan);
      status = RunCompactionPlan(&plan);
      NoteWork(BackgroundWork::kCompaction, started);
    }
    relieved = FinishCompaction(plan, status, options_.clock->MonotonicMicros() - started);
    if (status.IsAborted()) status = Status();  // given up, not failed
    // Another tree may well succeed where one is corrupt. Other failures may be the disk's.
    rests = !status.ok() && (plan.items.empty() || !status.IsCorruption());
  }
  if (!status.ok()) NoteFailure(status);
  if (relieved && options_.listener != nullptr) options_.listener->OnStallRelieved();
  MutexLock lock(&mutex_);
  compaction_scheduled_ = false;
  const bool untold = rests && TellWhoWaits(status);
  if (untold || (!rests && CompactionDue())) ScheduleCompaction();
  if (HousekeepingWanted()) ScheduleFlush();
  --jobs_;
  changed_.SignalAll();
}

// Of a job that several trees shared, the one at which it failed is put off, or all if a corrupt
// one is among them and it is not known which. A full disk is nobody's fault, and neither is what
// fails at the end of all: then the lane rests, which is what writers hear of.
void DBImpl::PutOff(const CompactionPlan& plan, const Status& status, int64_t now) {
  const bool alone = plan.items.size() == 1;
  const bool known = plan.failed_part.has_value() && !status.IsNoSpace();
  if (plan.items.empty() || (!alone && !known && !status.IsCorruption())) {
    compaction_error_ = status;
    return;
  }
  for (const CompactionPlan::Item& item : plan.items) {
    const bool at_fault = !plan.failed_part || (item.compaction.kind == CompactionKind::kMerge &&
                                                item.part == *plan.failed_part);
    if (item.tree->dropped != 0 || (!alone && !at_fault)) continue;
    failed_compactions_[item.tree->id].Note(status, now);
  }
}

void DBImpl::NoteSparse(uint64_t file, const Status& status, int64_t now) {
  if (status.ok()) {
    failed_sparse_ = FailedCompaction();
  } else if (status.IsCorruption()) {
    sparse_files_.erase(file);  // it cannot be read, and stays as it is
  } else {
    failed_sparse_.Note(status, now);
  }
}

bool DBImpl::FinishCompaction(const CompactionPlan& plan, const Status& status, int64_t took) {
  MutexLock lock(&mutex_);
  if (status.IsAborted()) return false;
  const int64_t now = std::max<int64_t>(options_.clock->MonotonicMicros(), 1);
  compaction_failed_at_ = status.ok() ? 0 : now;
  compaction_error_ = Status();
  if (plan.sparse_file != 0) {
    NoteSparse(plan.sparse_file, status, now);
  } else if (!status.ok()) {
    PutOff(plan, status, now);
  }
  for (const CompactionPlan::Item& item : plan.items) {
    if (status.ok()) failed_compactions_.erase(item.tree->id);
    if (!status.ok() && item.manual != nullptr) {
      item.manual->error = status;
      std::erase(item.tree->manual, item.manual);
    }
  }
  if (status.ok() && plan.L0Bytes() > 0) compaction_drain_.Note(plan.L0Bytes(), took);
  return UpdateStall();
}

void DBImpl::MarkWhoWaits() {
  MutexLock lock(&mutex_);
  for (const TreeId id : compaction_queue_) {
    const auto tree = trees_.find(id);
    if (tree == trees_.end()) continue;
    for (const auto& manual : tree->second->manual) manual->waited = true;
  }
}

bool DBImpl::TellWhoWaits(const Status& error) {
  bool untold = false;
  for (const TreeId id : compaction_queue_) {
    const auto tree = trees_.find(id);
    if (tree == trees_.end()) continue;
    std::erase_if(tree->second->manual, [&error](const auto& manual) {
      if (manual->waited) manual->error = error;
      return manual->waited;
    });
    untold = untold || !tree->second->manual.empty();
  }
  return untold;
}

Status DBImpl::CompactionError() const {
  if (failed_compactions_.empty()) return compaction_error_;
  const size_t most = l0_counts_.empty() ? 0 : *l0_counts_.rbegin();
  // Asked with every group: only a stop makes it worth looking at the trees.
  if (most < static_cast<size_t>(std::max(options_.l0_stop_trigger, 0))) return compaction_error_;
  for (const auto& [id, failed] : failed_compactions_) {
    const auto tree = trees_.find(id);
    if (tree != trees_.end() && tree->second->state->version->files(0).size() >= most) {
      return failed.error;
    }
  }
  return compaction_error_;
}

Status DBImpl::CompactRange(TreeId tree, std::optional<std::string_view> begin,
                            std::optional<std::string_view> end) {
  RETURN_IF_ERROR(Flush(tree));
  auto manual = std::make_shared<ManualCompaction>();
  if (begin) manual->range.begin.emplace(*begin);
  if (end) manual->range.end.emplace(*end);
  MutexLock lock(&mutex_);
  const auto found = trees_.find(tree);
  if (found == trees_.end() || found->second->dropped != 0) {
    return Status::NotFound("tree " + std::to_string(tree) + " does not exist");
  }
  const TreeRef target = found->second;
  manual->first_new_file = next_file_number_.load();
  target->manual.push_back(manual);
  QueueCompaction(*target);
  WaitUntil([&] {
    mutex_.AssertHeld();
    return manual->done || target->dropped != 0 || !manual->error.ok() || closing_.load();
  });
  std::erase(target->manual, manual);  // a drop may be undone
  if (manual->done || target->dropped != 0) return {};
  if (closing_.load()) return Status::Aborted("the database closes");
  return manual->error;
}

}  // namespace lsm
