// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/power_cut_run.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/random.h"
#include "tests/crash/unit_maker.h"
#include "tests/support/model_db.h"
#include "tests/support/simulated_machine.h"

namespace crash {
namespace {

constexpr char kDirectory[] = "/db";

class Life {
 public:
  Life(uint64_t seed, PlantedBug bug)
      : bug_(bug), random_(seed), is_deep_(random_.OneIn(3)), shape_(ShapeOf(is_deep_)) {
    PlantLies(bug_, plan_);
    plan_->SetHook([this](const lsm::FileCallInfo& info, uint64_t) {
      Watch(info);
      return lsm::Status();
    });
  }

  PowerCutResult Run(uint64_t least_units) {
    while (result_.violation.empty() && result_.units < least_units) OneLife();
    return result_;
  }

 private:
  // Many keys and few trees, so that what lies in the last level outweighs what comes by far and
  // levels in between come into being.
  static UnitShape ShapeOf(bool deep) {
    UnitShape shape;
    if (!deep) return shape;
    shape.keys = 1500;
    shape.max_operations = 24;
    shape.max_value = 60;
    shape.max_trees = 2;
    return shape;
  }

  lsm::Options RandomOptions() {
    lsm::Options options;
    options.flush_on_close = random_.OneIn(2);
    options.memtable_size = 1024u << random_.Uniform(is_deep_ ? 2 : 5);
    options.memtable_limit = static_cast<int>(2 + random_.Uniform(3));
    options.write_buffer_budget = options.memtable_size * (6 + random_.Uniform(20));
    options.block_cache_size = random_.OneIn(4) ? 0 : 64 << 10;
    options.target_file_size = (is_deep_ ? 512u : 2048u) << random_.Uniform(4);
    options.block_size = 128u << random_.Uniform(5);
    options.block_restart_interval = static_cast<int>(1 + random_.Uniform(16));
    options.filter_bits_per_key = random_.OneIn(4) ? 0 : 10;
    options.compression = static_cast<lsm::Compression>(random_.Uniform(3));
    options.blob_value_size = random_.OneIn(3) ? 0 : 16u << random_.Uniform(6);
    options.max_open_files = static_cast<int>(2 + random_.Uniform(30));
    options.wal_segment_size = 4096u << random_.Uniform(5);
    options.wal_size_limit = options.wal_segment_size * (2 + random_.Uniform(6));
    options.l0_merge_trigger = static_cast<int>(2 + random_.Uniform(is_deep_ ? 1 : 4));
    options.l0_slowdown_trigger = 12;
    options.l0_stop_trigger = 24;
    return machine_.Equip(options);
  }

  // Follows the SST files that are being made, and now and then writes in the middle of one.
  void Watch(const lsm::FileCallInfo& info) {
    if (!info.path.ends_with(".sst")) return;
    if (info.call == lsm::FileCall::kCreate) open_ssts_.insert(std::string(info.path));
    if (info.call == lsm::FileCall::kSync) open_ssts_.erase(std::string(info.path));
    if (info.call != lsm::FileCall::kWrite || !in_the_middle_ || inside_) return;
    if (writes_in_the_middle_ == 0 || !random_.OneIn(3)) return;
    --writes_in_the_middle_;  // what is written makes for more to be flushed and compacted
    inside_ = true;
    in_the_middle_();
    inside_ = false;
  }

  bool power_is_off() const { return plan_->power_is_off(); }
  void CutPowerWithin(uint64_t calls) {
    plan_->CutPowerWithin(plan_->calls() + 1 + random_.Uniform(calls), random_.Next64());
  }

  void OneLife() {
    machine_.StartProcess(random_.Next64());
    if (random_.OneIn(4)) CutPowerWithin(60);
    auto opened = lsm::DB::Open(RandomOptions(), kDirectory);
    if (!opened.ok()) {
      if (power_is_off()) {
        ++result_.cuts_while_opening;
      } else {
        Violate("refused to open: " + opened.status().ToString());
      }
    } else {
      db_ = std::move(*opened);
      if (!power_is_off()) Verify();
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
    in_the_middle_ = [this] { WriteGroup(); };
    writes_in_the_middle_ = 40;
    if (!random_.OneIn(5)) CutPowerWithin(400);
    const uint64_t steps = 20 + random_.Uniform(120);
    for (uint64_t i = 0; i < steps && !power_is_off() && result_.violation.empty(); ++i) Step();
    if (!power_is_off() && random_.OneIn(3)) {
      in_the_middle_ = nullptr;
      const lsm::Status closed = db_->Close();
      if (closed.ok()) synced_ = appended_;
      if (!closed.ok() && !power_is_off()) Violate("close: " + closed.ToString());
    }
  }

  void Step() {
    machine_.clock()->Advance(static_cast<int64_t>(random_.Uniform(100000)));
    const uint64_t choice = random_.Uniform(100);
    if (choice < 55) return WriteGroup();
    if (choice < 80) return void(machine_.executor()->RunOne());
    if (choice < 92) {
      if (bug_ != PlantedBug::kSstAheadOfLog) db_->RequestSync();
      return;
    }
    if (choice < 94) return Expect(db_->Flush(RandomTree()), "flush");
    if (choice < 95) return Expect(db_->CompactTree(RandomTree()), "compaction");
    if (choice < 97 && bug_ != PlantedBug::kSstAheadOfLog) return Expect(db_->SyncWal(), "sync");
    machine_.executor()->RunAll();
  }

  void WriteGroup() {
    const std::unique_ptr<lsm::Writer> writer = db_->TryLockWriter();
    if (!writer) return;  // in the middle of something that holds it
    for (uint64_t i = 1 + random_.Uniform(6); i > 0; --i) {
      const lsm::WriteBatch unit =
          MakeUnit(db_.get(), model_.content(), model_.units() + 1, &random_, shape_);
      const auto sequence = writer->Commit(unit);
      if (!sequence.ok()) {
        // Without power nobody knows what became of it: it may be part of what is found.
        if (power_is_off())
          model_.Apply(unit);
        else if (!sequence.status().IsBusy())
          Violate("commit: " + sequence.status().ToString());
        break;
      }
      sequences_.push_back({*sequence, model_.Apply(unit)});
      ++result_.units;
    }
    const auto closed = writer->CloseGroup();
    if (closed.ok() && !power_is_off()) {
      appended_ = model_.units();
    } else if (!closed.ok() && !power_is_off()) {
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
      NoteFigures();
    }
    const bool only_the_process = random_.OneIn(6) && bug_ == PlantedBug::kNone;
    promised_ = only_the_process ? std::max(synced_, appended_) : synced_;
    if (bug_ == PlantedBug::kSstAheadOfLog) promised_ = 0;
    result_.cuts_with_flush_in_flight += power_is_off() && !open_ssts_.empty() ? 1 : 0;
    in_the_middle_ = nullptr;
    machine_.Halt();
    db_.reset();
    const auto loss = static_cast<lsm::PowerLoss>(random_.Uniform(3));
    if (only_the_process) {
      machine_.KillProcess();
    } else {
      machine_.LosePower(&random_, loss);
      appended_ = synced_;
    }
    open_ssts_.clear();
    sequences_.clear();
    const lsm::Status planted = PlantOnDisk(bug_, machine_.files(), kDirectory);
    if (!planted.ok()) Violate("the bug could not be planted: " + planted.ToString());
  }

  void NoteFigures() {
    const lsm::DbStats stats = db_->Stats();
    result_.flushes += stats.flushes;
    result_.compactions += stats.compactions;
    size_t used = 0;
    for (size_t level = 1; level < stats.levels.size(); ++level) {
      if (stats.levels[level].files > 0) ++used;
    }
    if (used > 1) ++result_.lives_of_several_levels;
    if (used > 2) ++result_.lives_of_many_levels;
  }

  lsm::TreeId RandomTree() {
    const std::vector<lsm::TreeId> trees = db_->Trees();
    return trees[random_.Uniform(trees.size())];
  }

  // A tree may have been dropped in the middle of what was done to it.
  void Expect(const lsm::Status& status, const char* what) {
    if (!status.ok() && !status.IsNotFound() && !power_is_off())
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
  const bool is_deep_;
  const UnitShape shape_;
  lsm::SimulatedMachine machine_;
  lsm::FaultPlan* const plan_ = machine_.plan();
  std::unique_ptr<lsm::DB> db_;
  std::set<std::string> open_ssts_;      // of this life
  std::function<void()> in_the_middle_;  // of a flush or a compaction
  int writes_in_the_middle_ = 0;         // that may still be
  bool inside_ = false;                  // one is under way
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
