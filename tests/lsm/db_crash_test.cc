// SPDX-License-Identifier: BSD-3-Clause
// One workload, interrupted at each of its calls to the file system: by a power cut, by an error
// that comes once, by errors that stay for a while.

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/model_db.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;

Options TinyOptions() {
  Options options = SmallOptions();
  options.memtable_size = 2048;
  options.memtable_limit = 1;
  options.wal_segment_size = 2048;
  options.wal_size_limit = 8192;
  options.l0_merge_trigger = 2;
  return options;
}

// What a workload did, and what it was promised.
struct Outcome {
  ModelDb model;
  std::vector<SequenceNumber> sequences;  // of the model's units
  SequenceNumber synced = 0;

  size_t UnitAt(SequenceNumber sequence) const {
    size_t n = 0;
    while (n < sequences.size() && sequences[n] <= sequence) ++n;
    return n;
  }
};

class Workload {
 public:
  Workload(FileSystem* fs, uint64_t seed) : random_(seed), executor_(seed) {
    options_ = TinyOptions();
    options_.file_system = fs;
    options_.clock = &clock_;
    options_.executor = &executor_;
  }

  // Opens, writes, and closes. Goes on after errors; a unit that was refused is not in the model.
  void Run(int units, Outcome* outcome) {
    Result<std::unique_ptr<DB>> opened = DB::Open(options_, kDirectory);
    if (!opened.ok()) return;
    DB* db = opened->get();
    for (int i = 0; i < units; ++i) {
      Write(db, outcome);
      clock_.Advance(150'000);
      if (random_.OneIn(3)) executor_.RunOne();
      if (random_.OneIn(20)) db->RequestSync();
      if (random_.OneIn(40)) Ignore(db->Flush(kDirectoryTree));
      if (random_.OneIn(60)) Ignore(db->CompactTree(kDirectoryTree));
      outcome->synced = std::max(outcome->synced, db->synced_through());
    }
    Ignore(db->Close());
    outcome->synced = std::max(outcome->synced, db->synced_through());
    opened->reset();
  }

 private:
  static void Ignore(const Status& status) { static_cast<void>(status.ok()); }

  void Write(DB* db, Outcome* outcome) {
    WriteBatch unit;
    const std::vector<TreeId> trees = db->Trees();
    std::vector<TreeId> targets = trees;
    if (random_.OneIn(15) && trees.size() < 5) {
      targets.push_back(db->NewTreeId());
      unit.CreateTree(targets.back());
    }
    if (random_.OneIn(25) && trees.size() > 1) {
      unit.DropTree(trees[1]);
      targets.erase(targets.begin() + 1);
    }
    for (int i = 0; i < 3; ++i) {
      const TreeId tree = targets[random_.Uniform(targets.size())];
      const std::string key = Key(static_cast<int>(random_.Uniform(40)));
      unit.Put(tree, key, std::string(random_.OneIn(60) ? 5000 : 60, 'v') + key);
      unit.AddCounter(tree, 1, 1);
      if (random_.OneIn(4)) unit.Delete(tree, Key(static_cast<int>(random_.Uniform(40))));
    }
    const SequenceNumber before = db->visible_sequence();
    for (int attempt = 0; attempt < 2 && db->visible_sequence() == before; ++attempt) {
      if (attempt > 0) executor_.RunAll();  // writes were stopped
      const std::unique_ptr<Writer> writer = db->LockWriter();
      if (writer->Commit(unit).ok()) Ignore(writer->CloseGroup().status());
    }
    if (db->visible_sequence() == before) return;
    // A sync that fails says nothing about the unit, which is there.
    if (random_.OneIn(30)) Ignore(db->SyncWal());
    outcome->model.Apply(unit);
    outcome->sequences.push_back(db->visible_sequence());
  }

  Random random_;
  ManualClock clock_;
  ManualExecutor executor_;
  Options options_;
};

// Opens what is left and checks that it equals a prefix of at least `at_least` units.
void CheckPrefix(FileSystem* fs, const Outcome& outcome, size_t at_least) {
  ManualExecutor executor;
  ManualClock clock;
  Options options = TinyOptions();
  options.file_system = fs;
  options.executor = &executor;
  options.clock = &clock;
  Result<std::unique_ptr<DB>> db = DB::Open(options, kDirectory);
  REQUIRE_MESSAGE(db.ok(), db.status().ToString());
  const Result<DbContent> content = ReadContent(db->get());
  REQUIRE_MESSAGE(content.ok(), content.status().ToString());
  const Result<ModelDb::Prefix> prefix =
      outcome.model.FindPrefix(*content, at_least, outcome.model.units());
  REQUIRE_MESSAGE(prefix.ok(), prefix.status().ToString());
  // It is a whole database: it takes writes and closes.
  WriteBatch unit;
  unit.Put(kDirectoryTree, "after the crash", "v");
  REQUIRE((*db)->Write(unit, true).ok());
  REQUIRE((*db)->Close().ok());
}

uint64_t CountCalls(uint64_t seed, int units) {
  MemFileSystem fs;
  FaultPlan plan;
  fs.SetInterceptor(&plan);
  Outcome outcome;
  Workload(&fs, seed).Run(units, &outcome);
  REQUIRE(outcome.model.units() == static_cast<size_t>(units));
  fs.SetInterceptor(nullptr);
  return plan.calls();
}

TEST_CASE("after a power cut at every 7th call the database is a prefix with all that was synced") {
  constexpr int kUnits = 60;
  constexpr uint64_t kStep = 7;  // each seed begins elsewhere
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const uint64_t calls = CountCalls(seed, kUnits);
    REQUIRE(calls > 100);
    for (uint64_t cut = seed; cut <= calls; cut += kStep) {
      CAPTURE(seed);
      CAPTURE(cut);
      MemFileSystem fs;
      FaultPlan plan;
      fs.SetInterceptor(&plan);
      plan.CutPowerAfter(cut);
      Outcome outcome;
      Workload(&fs, seed).Run(kUnits, &outcome);
      fs.SetInterceptor(nullptr);
      Random random(seed * 1000 + cut);
      const auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
      CheckPrefix(image.get(), outcome, outcome.UnitAt(outcome.synced));
    }
  }
}

TEST_CASE("a power cut during recovery can be recovered from") {
  constexpr int kUnits = 60;
  for (uint64_t seed = 11; seed <= 16; ++seed) {
    MemFileSystem fs;
    FaultPlan plan;
    const uint64_t calls = CountCalls(seed, kUnits);
    fs.SetInterceptor(&plan);
    plan.CutPowerAfter(calls * 3 / 4 + seed);
    Outcome outcome;
    Workload(&fs, seed).Run(kUnits, &outcome);
    fs.SetInterceptor(nullptr);
    Random random(seed);
    for (uint64_t cut = 1; cut <= 40; ++cut) {
      CAPTURE(seed);
      CAPTURE(cut);
      const auto first = fs.AfterPowerCut(&random, PowerLoss::kRandom);
      FaultPlan again;
      first->SetInterceptor(&again);
      again.CutPowerAfter(cut);
      Outcome nothing;
      Workload(first.get(), seed + 100).Run(0, &nothing);
      first->SetInterceptor(nullptr);
      const auto second = first->AfterPowerCut(&random, PowerLoss::kRandom);
      CheckPrefix(second.get(), outcome, outcome.UnitAt(outcome.synced));
    }
  }
}

TEST_CASE("an error of any one call loses nothing that was acknowledged") {
  constexpr int kUnits = 60;
  for (uint64_t seed = 21; seed <= 22; ++seed) {
    const uint64_t calls = CountCalls(seed, kUnits);
    for (const uint64_t length : {1u, 15u}) {
      for (uint64_t at = 1; at <= calls; ++at) {
        CAPTURE(seed);
        CAPTURE(length);
        CAPTURE(at);
        MemFileSystem fs;
        FaultPlan plan;
        fs.SetInterceptor(&plan);
        const auto effect = at % 3 == 0   ? FaultPlan::Effect::kPerformed
                            : at % 3 == 1 ? FaultPlan::Effect::kNothing
                                          : FaultPlan::Effect::kMarkClean;
        plan.Add({.first = at,
                  .count = length,
                  .effect = effect,
                  .code = at % 2 == 0 ? Status::Code::kIoError : Status::Code::kNoSpace});
        Outcome outcome;
        Workload(&fs, seed).Run(kUnits, &outcome);
        fs.SetInterceptor(nullptr);
        Random random(seed * 1000 + at);
        const auto killed = fs.AfterKill();
        const auto cut = fs.AfterPowerCut(&random, PowerLoss::kRandom);
        CheckPrefix(killed.get(), outcome, outcome.model.units());
        CheckPrefix(cut.get(), outcome, outcome.UnitAt(outcome.synced));
      }
    }
  }
}

}  // namespace
}  // namespace lsm
