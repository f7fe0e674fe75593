// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/every_call_run.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "lsm/db.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "lsm/version/manifest.h"
#include "tests/support/model_db.h"
#include "tests/support/simulated_machine.h"

namespace crash {
namespace {

constexpr char kDirectory[] = "/db";
constexpr char kCheckpoint[] = "/checkpoint";
constexpr int kAttempts = 6;

lsm::Options LifeOptions(size_t memtable_size) {
  lsm::Options options;
  options.memtable_size = memtable_size;
  options.memtable_limit = 2;
  options.write_buffer_budget = 64 << 10;
  options.block_cache_size = 16 << 10;
  options.target_file_size = 2048;
  options.block_size = 256;
  options.compression = lsm::Compression::kNone;
  options.blob_value_size = 300;
  options.max_open_files = 4;
  options.wal_segment_size = 4096;
  options.wal_size_limit = 16384;
  options.l0_merge_trigger = 2;
  return options;
}

// Files of a database that nobody needs, and those that are missing; empty if it is as it should.
std::string Strays(const lsm::MemFileSystem& files) {
  const auto image = files.AfterKill();  // calls on it are nobody's business
  const auto manifest = lsm::RecoverManifest(image.get(), kDirectory);
  if (!manifest.ok()) return manifest.status().ToString();
  std::set<std::string> needed = {lsm::CurrentFileName(kDirectory), lsm::LockFileName(kDirectory),
                                  lsm::ManifestFileName(kDirectory, manifest->number)};
  for (const uint64_t log : manifest->state.logs) {
    needed.insert(lsm::WalFileName(kDirectory, log));
  }
  for (const auto& [id, tree] : manifest->state.trees) {
    for (const auto& level : tree.levels) {
      for (const lsm::FileMetadata& file : level) {
        needed.insert(lsm::SstFileName(kDirectory, file.file));
        for (const lsm::BlobReference& blob : file.blobs) {
          needed.insert(lsm::BlobFileName(kDirectory, blob.file));
        }
      }
    }
  }
  std::string text;
  for (const std::string& path : image->Files()) {
    const std::string full = "/" + path;
    if (!full.starts_with(std::string(kDirectory) + "/")) continue;
    if (needed.erase(full) == 0) text += " nobody needs " + full;
  }
  for (const std::string& path : needed) text += " missing: " + path;
  return text;
}

// Counts what passes by.
class Witness : public lsm::FileInterceptor {
 public:
  Witness(lsm::FaultPlan* plan, LifeFigures* figures) : plan_(plan), figures_(figures) {}

  void set_opening(bool opening) { opening_ = opening; }
  lsm::FileVerdict Before(const lsm::FileCallInfo& info) override {
    lsm::FileVerdict verdict = plan_->Before(info);
    if (plan_->power_is_off() && !verdict.status.ok()) return verdict;
    figures_->calls.push_back(info.call);
    const bool blob = info.path.ends_with(".blob");
    if (info.call == lsm::FileCall::kCreate && blob) ++figures_->blobs_made;
    if (info.call == lsm::FileCall::kRemove && blob) ++figures_->blobs_removed;
    if (info.call == lsm::FileCall::kRemove && opening_ && info.path.ends_with(".sst")) {
      ++figures_->orphans_removed;
    }
    return verdict;
  }

 private:
  lsm::FaultPlan* const plan_;
  LifeFigures* const figures_;
  bool opening_ = false;
};

class Life {
 public:
  Life(uint64_t seed, PlantedBug bug) : random_(seed), bug_(bug) {
    PlantLies(bug, plan());
    plan()->SetHook([this](const lsm::FileCallInfo& info, uint64_t ordinal) {
      const bool last = dying_ && info.call == lsm::FileCall::kSync && info.path.ends_with(".sst");
      if (last) plan()->CutPowerAfter(ordinal);
      return lsm::Status();
    });
  }

  lsm::FaultPlan* plan() { return machine_.plan(); }
  lsm::SimulatedMachine* machine() { return &machine_; }
  const std::string& violation() const { return violation_; }

  void CutPowerWithin(uint64_t change, uint64_t tear) {
    cut_at_ = change;
    tear_ = tear;
    plan()->CutPowerWithin(change, tear);
  }
  void CountInto(LifeFigures* figures) {
    figures_ = figures;
    witness_ = std::make_unique<Witness>(plan(), figures);
    machine_.files()->SetInterceptor(witness_.get());
  }

  // The whole of it, or up to where the power goes.
  void Run() {
    const std::function<void()> chapters[] = {[this] { Open(); },      [this] { Fill(); },
                                              [this] { Overwrite(); }, [this] { ForkTrees(); },
                                              [this] { Delete(); },    [this] { Checkpoint(); },
                                              [this] { Reopen(); },    [this] { DieFlushing(); },
                                              [this] { GoOn(); },      [this] { Finish(); }};
    for (const auto& chapter : chapters) {
      if (!Alive()) break;
      chapter();
      NoteFigures();
    }
  }

  // The power is off: how much of the model must be there, and what is left.
  void Die(lsm::Random* random, lsm::PowerLoss loss) {
    NoteSynced();
    machine_.Halt();
    db_.reset();
    machine_.LosePower(random, loss);
    cut_at_ = 0;
    const lsm::Status planted = PlantOnDisk(bug_, machine_.files(), kDirectory);
    if (!planted.ok()) Violate("planting: " + planted.ToString());
    sequences_.clear();
  }

  // What is found is right, and works.
  void Recover() {
    if (!Alive()) return;
    machine_.StartProcess(random_.Next64());
    auto opened = lsm::DB::Open(machine_.Equip(LifeOptions(memtable_size_)), kDirectory);
    if (!opened.ok()) {
      if (!plan()->power_is_off()) Violate("refused to open: " + opened.status().ToString());
      return;
    }
    db_ = std::move(*opened);
    const auto content = lsm::ReadContent(db_.get());
    if (plan()->power_is_off()) return;
    if (!content.ok()) return Violate("reading: " + content.status().ToString());
    const auto prefix = model_.FindPrefix(*content, synced_, model_.units());
    if (!prefix.ok()) {
      return Violate(std::to_string(synced_) +
                     " units were promised: " + prefix.status().ToString());
    }
    model_.ForgetAfter(prefix->shortest);
    synced_ = prefix->shortest;
    CheckCheckpoint();
    if (model_.content().size() > 1) Scatter(12, model_.content().rbegin()->first, 50);
    Finish();
  }

 private:
  bool Alive() { return violation_.empty() && !plan()->power_is_off(); }
  void Violate(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }

  // Tries until it works. Only what met a fault may fail, and not for ever.
  void Attempt(const char* what, const std::function<lsm::Status()>& attempt) {
    for (int i = 0; Alive(); ++i) {
      const lsm::Status status = attempt();
      if (status.ok() || !Alive()) return;
      if (plan()->faults_met() == 0 && !status.IsBusy()) {
        return Violate(std::string(what) + " fails unprovoked: " + status.ToString());
      }
      if (i == kAttempts) {
        return Violate(std::string(what) + " does not recover: " + status.ToString());
      }
      machine_.clock()->Advance(200'000);
      if (db_ != nullptr) db_->RequestSync();
      machine_.executor()->RunAll();
    }
  }

  void Open() {
    if (witness_ != nullptr) witness_->set_opening(true);
    Attempt("open", [this] {
      machine_.StartProcess(random_.Next64());
      auto opened = lsm::DB::Open(machine_.Equip(LifeOptions(memtable_size_)), kDirectory);
      if (opened.ok()) db_ = std::move(*opened);
      return opened.status();
    });
    if (witness_ != nullptr) witness_->set_opening(false);
    Check();
  }

  // What the database holds is what was acknowledged.
  void Check() {
    Attempt("read", [this]() -> lsm::Status {
      const auto content = lsm::ReadContent(db_.get());
      RETURN_IF_ERROR(content.status());
      const std::string wrong = Difference(model_.content(), *content);
      if (!wrong.empty()) Violate(wrong);
      return {};
    });
  }

  void Write(const lsm::WriteBatch& unit) {
    Attempt("write", [&]() -> lsm::Status {
      const auto writer = db_->LockWriter();
      const auto sequence = writer->Commit(unit);
      // Without power nobody knows what became of it: it may be part of what is found.
      const auto closed = sequence.ok() ? writer->CloseGroup() : sequence;
      if (closed.ok() || plan()->power_is_off()) model_.Apply(unit);
      if (closed.ok()) sequences_.emplace_back(*sequence, model_.units());
      return closed.status();
    });
    machine_.clock()->Advance(20'000);
  }

  void NoteSynced() {
    if (db_ == nullptr) return;
    for (const auto& [sequence, ordinal] : sequences_) {
      if (sequence <= db_->synced_through()) synced_ = std::max(synced_, ordinal);
    }
  }

  lsm::TreeId Create() {
    if (!Alive()) return 0;
    const lsm::TreeId tree = db_->NewTreeId();
    lsm::WriteBatch unit;
    unit.CreateTree(tree);
    Write(unit);
    return tree;
  }
  lsm::TreeId Fork(lsm::TreeId source) {
    if (!Alive()) return 0;
    const lsm::TreeId fork = db_->NewTreeId();
    lsm::WriteBatch unit;
    unit.ForkTree(fork, source);
    Write(unit);
    if (figures_ != nullptr) ++figures_->forks;
    return fork;
  }
  void Drop(lsm::TreeId tree) {
    if (!Alive()) return;
    lsm::WriteBatch unit;
    unit.DropTree(tree);
    Write(unit);
    if (figures_ != nullptr) ++figures_->dropped_trees;
  }

  static std::string Key(uint64_t i) {
    std::string digits = std::to_string(i);
    return "k" + std::string(4 - std::min<size_t>(digits.size(), 4), '0') + digits;
  }
  std::string Value() {
    std::string value(random_.OneIn(25) ? 400 : 30 + random_.Uniform(40), ' ');
    for (char& c : value) c = static_cast<char>(random_.Next32());
    return value;
  }

  void Background(uint64_t i) {
    if (i % 2 == 0) machine_.executor()->RunOne();
    if (i % 5 == 4 && Alive()) db_->RequestSync();
  }

  // Keys in order.
  void FillTree(lsm::TreeId tree, uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end && Alive(); i += 4) {
      lsm::WriteBatch unit;
      for (uint64_t j = i; j < i + 4; ++j) unit.Put(tree, Key(j), Value());
      unit.AddCounter(tree, 1, 4);
      Write(unit);
      Background(i / 4);
    }
  }
  // Anywhere: puts and deletes.
  void Scatter(uint64_t units, lsm::TreeId tree, uint64_t keys) {
    for (uint64_t i = 0; i < units && Alive(); ++i) {
      lsm::WriteBatch unit;
      for (int j = 0; j < 4; ++j) {
        const std::string key = Key(random_.Uniform(keys));
        if (random_.OneIn(4)) {
          unit.Delete(tree, key);
        } else {
          unit.Put(tree, key, Value());
        }
      }
      unit.Put(lsm::kDirectoryTree, "ordinal", std::to_string(model_.units()));
      Write(unit);
      Background(i);
    }
  }
  void RunAll() {
    if (Alive()) machine_.executor()->RunAll();
  }
  void FlushAll() {
    Attempt("flush", [this] { return db_->FlushAll(); });
  }

  void Fill() {
    big_ = Create();
    small_ = Create();
    FillTree(big_, 0, 120);
    FillTree(small_, 0, 8);
    FlushAll();
    RunAll();
    FillTree(big_, 120, 240);
    RunAll();
    Attempt("compaction", [this] { return db_->CompactTree(big_); });
  }

  // What comes is light beside what is there: levels in between come into being.
  void Overwrite() {
    Scatter(60, big_, 300);
    RunAll();
    Scatter(30, big_, 300);
    Check();
  }

  void ForkTrees() {
    fork_ = Fork(big_);
    FillTree(big_, 10, 18);
    const lsm::TreeId of_fork = Fork(fork_);
    Scatter(4, fork_, 300);
    Scatter(4, of_fork, 300);
    const lsm::TreeId short_lived = Fork(small_);
    FillTree(small_, 4, 12);
    FlushAll();  // also what the forks have inherited
    NoteFigures();
    RunAll();
    Drop(short_lived);
    Drop(of_fork);
    RunAll();
    Check();
  }

  // Deletes of what is there, and of what never was.
  void Delete() {
    for (const lsm::TreeId tree : {Create(), big_}) {
      for (uint64_t i = 0; i < 80 && Alive(); i += 8) {
        lsm::WriteBatch unit;
        for (uint64_t j = i; j < i + 8; ++j) unit.Delete(tree, Key(j));
        Write(unit);
        Background(i / 8);
      }
      Attempt("flush", [&] { return db_->Flush(tree); });
      RunAll();
    }
    Attempt("compaction", [this] { return db_->CompactTree(big_); });
    Drop(fork_);
    RunAll();
    Attempt("sync", [this] { return db_->SyncWal(); });
    Check();
  }

  void Checkpoint() {
    Scatter(3, big_, 300);
    if (!Alive()) return;
    checkpoint_units_ = model_.units();
    Attempt("checkpoint", [this]() -> lsm::Status {
      const lsm::Status made = db_->Checkpoint(kCheckpoint).status();
      // It was there all the time, and the answer was lost.
      return made.code() == lsm::Status::Code::kInvalidArgument ? lsm::Status() : made;
    });
    CheckCheckpoint();
    if (figures_ != nullptr) ++figures_->checkpoints;
  }

  // It is there whole or not at all.
  void CheckCheckpoint() {
    if (!Alive()) return;
    const auto image = machine_.files()->AfterKill();
    const auto exists = image->Exists(kCheckpoint);
    if (!exists.ok() || !*exists) return;
    lsm::ManualExecutor executor;
    lsm::Options options = machine_.Equip(LifeOptions(memtable_size_));
    options.file_system = image.get();
    options.executor = &executor;
    options.create_if_missing = false;
    const auto copy = lsm::DB::Open(options, kCheckpoint);
    if (!copy.ok()) return Violate("the checkpoint: " + copy.status().ToString());
    const auto content = lsm::ReadContent(copy->get());
    if (!content.ok()) return Violate("the checkpoint: " + content.status().ToString());
    if (checkpoint_units_ > model_.units()) return;  // that it was of is lost
    const std::string wrong = Difference(model_.After(checkpoint_units_), *content);
    if (!wrong.empty()) Violate("the checkpoint: " + wrong);
  }

  void Close() {
    if (!Alive()) return;
    NoteSynced();
    const lsm::Status closed = db_->Close();
    if (!closed.ok() && Alive() && plan()->faults_met() == 0) {
      Violate("close: " + closed.ToString());
    }
    if (closed.ok()) synced_ = model_.units();
    db_.reset();
    sequences_.clear();
  }

  // From here on memtables are large enough for several trees to share a file.
  void Reopen() {
    Close();
    memtable_size_ = 16 << 10;
    Open();
    Scatter(10, big_, 300);
    for (int i = 0; i < 3; ++i) FillTree(Create(), 0, 4);
    FlushAll();  // several trees, one file
    NoteFigures();
    static_cast<void>(Fork(small_));  // the log alone knows of it
    Scatter(2, small_, 20);
  }

  // The process dies in the middle of a flush; what it has begun is nobody's.
  void DieFlushing() {
    if (!Alive()) return;
    dying_ = true;
    static_cast<void>(db_->FlushAll().ok());
    dying_ = false;
    if (cut_at_ != 0 && plan()->calls() >= cut_at_) return;  // the power went, too
    NoteSynced();
    machine_.Halt();
    db_.reset();
    machine_.KillProcess();
    if (witness_ != nullptr) machine_.files()->SetInterceptor(witness_.get());
    if (cut_at_ != 0) plan()->CutPowerWithin(cut_at_, tear_);
    sequences_.clear();
    Open();
    if (figures_ != nullptr && Alive()) figures_->replayed_units += db_->Stats().replayed_units;
  }

  void GoOn() {
    Scatter(10, big_, 300);
    Drop(small_);
    Scatter(2, big_, 300);
    machine_.executor()->ReleaseDelayed();  // a look whether nobody writes
    RunAll();
  }

  // 1. It settles by itself. 2. What is synced would survive the power. 3. Close, open: everything
  // is there, and nothing else.
  void Finish() {
    Attempt("sync", [this] { return db_->SyncWal(); });
    Attempt("settling", [this] {
      machine_.executor()->RunAll();
      return db_->BackgroundError();
    });
    if (!Alive()) return;
    NoteSynced();
    CheckSynced();
    Close();
    const uint64_t faults = plan()->faults_met();
    Open();
    RunAll();
    // What cannot be removed is an orphan, and goes with the next opening.
    if (plan()->faults_met() != faults) return Close();
    if (Alive()) Expect(Strays(*machine_.files()), "after opening:");
    Close();
    if (plan()->faults_met() != faults) {
      Open();
      Close();
    }
    if (Alive()) Expect(Strays(*machine_.files()), "after closing:");
  }
  void Expect(const std::string& nothing, const char* where) {
    if (!nothing.empty() && Alive()) Violate(where + nothing);
  }

  void CheckSynced() {
    const auto image = machine_.files()->AfterPowerCut(nullptr, lsm::PowerLoss::kKeepNothing);
    lsm::ManualExecutor executor;
    lsm::Options options = machine_.Equip(LifeOptions(memtable_size_));
    options.file_system = image.get();
    options.executor = &executor;
    const auto copy = lsm::DB::Open(options, kDirectory);
    if (!copy.ok()) return Violate("what is synced: " + copy.status().ToString());
    const auto content = lsm::ReadContent(copy->get());
    if (!content.ok()) return Violate("what is synced: " + content.status().ToString());
    const std::string wrong = Difference(model_.content(), *content);
    if (!wrong.empty()) Violate("what is synced: " + wrong);
  }

  void NoteFigures() {
    if (figures_ == nullptr || db_ == nullptr) return;
    const lsm::DbStats stats = db_->Stats();
    figures_->changes = plan()->calls();
    figures_->units = model_.units();
    figures_->flushes = std::max(figures_->flushes, stats.flushes);
    figures_->compactions = std::max(figures_->compactions, stats.compactions);
    figures_->moves = std::max(figures_->moves, stats.compaction_moves);
    figures_->drops = std::max(figures_->drops, stats.compaction_drops);
    uint64_t used = 0;
    for (size_t level = 1; level < stats.levels.size(); ++level) {
      used += stats.levels[level].files > 0 ? 1 : 0;
    }
    figures_->levels = std::max(figures_->levels, used);
    const auto image = machine_.files()->AfterKill();
    const auto manifest = lsm::RecoverManifest(image.get(), kDirectory);
    if (!manifest.ok()) return;
    std::map<uint64_t, std::set<lsm::TreeId>> slices;
    std::map<std::pair<uint64_t, lsm::TreeId>, int> owners;
    for (const auto& [id, tree] : manifest->state.trees) {
      for (const auto& level : tree.levels) {
        for (const lsm::FileMetadata& file : level) {
          slices[file.file].insert(file.slice_tree);
          ++owners[{file.file, file.slice_tree}];
        }
      }
    }
    for (const auto& [file, trees] : slices) figures_->shared_files += trees.size() > 1 ? 1 : 0;
    for (const auto& [slice, count] : owners) figures_->shared_slices += count > 1 ? 1 : 0;
  }

  lsm::Random random_;
  const PlantedBug bug_;
  lsm::SimulatedMachine machine_;
  std::unique_ptr<Witness> witness_;  // of a life that is counted
  LifeFigures* figures_ = nullptr;
  std::unique_ptr<lsm::DB> db_;
  lsm::ModelDb model_;
  std::vector<std::pair<lsm::SequenceNumber, size_t>> sequences_;  // of this process
  size_t memtable_size_ = 1024;
  bool dying_ = false;
  size_t synced_ = 0;
  size_t checkpoint_units_ = 0;
  uint64_t cut_at_ = 0;
  uint64_t tear_ = 0;
  lsm::TreeId big_ = 0;
  lsm::TreeId small_ = 0;
  lsm::TreeId fork_ = 0;
  std::string violation_;
};

// Each loss has its turn.
lsm::PowerLoss LossOf(uint64_t at) { return static_cast<lsm::PowerLoss>(at % 3); }

}  // namespace

std::string LifeFigures::Missing() const {
  const std::pair<const char*, bool> needs[] = {{"flushes", flushes >= 10},
                                                {"files that trees share", shared_files > 0},
                                                {"slices that trees share", shared_slices > 0},
                                                {"compactions", compactions >= 5},
                                                {"moves", moves > 0},
                                                {"drops", drops > 0},
                                                {"two levels", levels >= 2},
                                                {"blob files", blobs_made > 0 && blobs_removed > 0},
                                                {"forks of forks", forks >= 3},
                                                {"dropped trees", dropped_trees >= 3},
                                                {"a checkpoint", checkpoints > 0},
                                                {"a replay", replayed_units > 0},
                                                {"orphans", orphans_removed > 0}};
  std::string missing;
  for (const auto& [name, there] : needs) missing += there ? "" : std::string(" ") + name + ",";
  return missing;
}

Verdict LiveUndisturbed(uint64_t seed, LifeFigures* figures) {
  Life life(seed, PlantedBug::kNone);
  life.CountInto(figures);
  life.Run();
  figures->changes = life.plan()->calls();
  return {life.violation(), 0};
}

Verdict CutPowerAt(uint64_t seed, uint64_t at, PlantedBug bug) {
  Life life(seed, bug);
  lsm::Random random(seed + at);
  life.CutPowerWithin(at, random.Next64());
  life.Run();
  if (!life.violation().empty()) return {life.violation(), 0};
  life.Die(&random, LossOf(at));
  life.Recover();
  return {life.violation(), 0};
}

Verdict CutPowerTwice(uint64_t seed, uint64_t at, uint64_t again) {
  Life life(seed, PlantedBug::kNone);
  lsm::Random random(seed + at);
  life.CutPowerWithin(at, random.Next64());
  life.Run();
  life.Die(&random, LossOf(at));
  const uint64_t before = life.plan()->calls();
  if (again > 0) {
    life.CutPowerWithin(before + again, random.Next64());
    life.Recover();
    if (!life.violation().empty()) return {life.violation(), 0};
    life.Die(&random, LossOf(at + again));
  }
  life.Recover();
  return {life.violation(), life.plan()->calls() - before};
}

Verdict FailCall(uint64_t seed, const lsm::FaultPlan::Fault& fault) {
  Life life(seed, PlantedBug::kNone);
  life.plan()->Add(fault);
  life.Run();
  return {life.violation(), 0};
}

std::vector<lsm::FaultPlan::Fault> FaultsOf(lsm::FileCall call, uint64_t at) {
  using Effect = lsm::FaultPlan::Effect;
  lsm::FaultPlan::Fault fault;
  fault.any_call = true;
  fault.first = at;
  if (call == lsm::FileCall::kSync) fault.effect = Effect::kMarkClean;
  std::vector<lsm::FaultPlan::Fault> faults = {fault};
  if (!lsm::ChangesSomething(call) || call == lsm::FileCall::kLock) return faults;
  if (call == lsm::FileCall::kWrite) {
    fault.effect = Effect::kTorn;
    fault.torn_at = 1 + at % 100;
  }
  const bool takes_space = call == lsm::FileCall::kWrite || call == lsm::FileCall::kAllocate ||
                           call == lsm::FileCall::kCreate || call == lsm::FileCall::kLink ||
                           call == lsm::FileCall::kRename ||
                           call == lsm::FileCall::kCreateDirectory;
  if (takes_space) {
    fault.code = lsm::Status::Code::kNoSpace;
    faults.push_back(fault);
  }
  fault.code = lsm::Status::Code::kIoError;
  fault.effect = Effect::kPerformed;
  faults.push_back(fault);
  return faults;
}

}  // namespace crash
