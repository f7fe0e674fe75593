// SPDX-License-Identifier: BSD-3-Clause
// Random histories against a model, under several sets of options: writes to several trees, trees
// that come and go, flushes, merges, snapshots, restarts, kills and power cuts.

#include <algorithm>
#include <map>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/model_db.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

struct OptionSet {
  const char* name;
  Options options;
};

std::vector<OptionSet> OptionSets() {
  std::vector<OptionSet> sets;
  sets.push_back({"small", SmallOptions()});
  Options options = SmallOptions();
  options.memtable_size = 2048;
  options.memtable_limit = 1;
  options.wal_segment_size = 2048;
  options.wal_size_limit = 16384;
  options.l0_merge_trigger = 2;
  options.compression = Compression::kNone;
  sets.push_back({"tiny", options});
  options = SmallOptions();
  options.write_buffer_budget = size_t{48} << 10;
  options.memtable_size = size_t{1} << 20;
  options.flush_on_close = false;
  options.filter_bits_per_key = 0;
  sets.push_back({"budget", options});
  options = SmallOptions();
  options.block_size = 64;
  options.block_restart_interval = 1;
  options.target_file_size = 1024;
  options.max_open_files = 2;
  options.block_cache_size = 1024;
  sets.push_back({"tables", options});
  return sets;
}

// One history. After every interruption the database equals a prefix of the model's units that
// holds at least what was promised; from there both go on.
class History {
 public:
  History(const Options& options, uint64_t seed) : db_(options), random_(seed) {
    REQUIRE(db_.Open().ok());
  }

  void Step() {
    const uint64_t roll = random_.Uniform(1000);
    if (roll < 880) {
      Write();
    } else if (roll < 940) {
      db_.executor()->RunOne();
    } else if (roll < 950) {
      if (random_.OneIn(2)) REQUIRE(db_->SyncWal().ok());
      db_->RequestSync();
    } else if (roll < 960) {
      REQUIRE(db_->Flush(AnyTree()).ok());
    } else if (roll < 966) {
      REQUIRE(db_->CompactTree(AnyTree()).ok());
    } else if (roll < 980) {
      SnapshotStep();
    } else if (roll < 990) {
      Check();
    } else {
      Interrupt();
    }
  }

  void Check() {
    const auto view = db_->NewReadView();
    const Status reads = model_.CheckReads(view.get(), model_.units());
    REQUIRE_MESSAGE(reads.ok(), reads.ToString());
    CheckCounters();
  }

 private:
  TreeId AnyTree() { return trees_[random_.Uniform(trees_.size())]; }

  WriteBatch MakeUnit() {
    WriteBatch unit;
    if (random_.OneIn(40) && trees_.size() < 6) {
      const TreeId tree = db_->NewTreeId();
      unit.CreateTree(tree);
      trees_.push_back(tree);
    }
    std::vector<TreeId> forks;
    if (random_.OneIn(25) && trees_.size() < 9) {
      const TreeId source = AnyTree();
      for (uint64_t i = 1 + random_.Uniform(2); i > 0; --i) {
        forks.push_back(db_->NewTreeId());
        unit.ForkTree(forks.back(), source);
      }
      forks.push_back(source);
      std::erase(trees_, source);  // the unit does nothing else with it
      if (trees_.empty()) {
        trees_.swap(forks);
        return unit;
      }
    }
    if (random_.OneIn(40) && trees_.size() > 1 && trees_[0] == kDirectoryTree) {
      const size_t victim = 1 + random_.Uniform(trees_.size() - 1);
      unit.DropTree(trees_[victim]);
      trees_.erase(trees_.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    const uint64_t operations = 1 + random_.Uniform(4);
    for (uint64_t i = 0; i < operations; ++i) {
      const TreeId tree = AnyTree();
      const std::string key = Key(static_cast<int>(random_.Uniform(60)));
      if (random_.OneIn(4)) {
        unit.Delete(tree, key);
      } else {
        const size_t size = random_.OneIn(200) ? 5000 : random_.Uniform(80);
        unit.Put(tree, key, std::string(size, static_cast<char>('a' + random_.Uniform(26))));
      }
      unit.AddCounter(tree, random_.Uniform(kTreeCounters),
                      static_cast<int64_t>(random_.Uniform(7)) - 3);
    }
    trees_.insert(trees_.end(), forks.begin(), forks.end());
    std::sort(trees_.begin(), trees_.end());
    return unit;
  }

  void Write() {
    const WriteBatch unit = MakeUnit();
    const Status written = db_->Write(unit, /*sync=*/random_.OneIn(50));
    REQUIRE_MESSAGE(written.ok(), written.ToString());
    model_.Apply(unit);
    sequences_.push_back(db_->visible_sequence());
  }

  void SnapshotStep() {
    if (snapshot_ == nullptr) {
      snapshot_ = db_->NewSnapshot();
      snapshot_units_ = model_.units();
      return;
    }
    {
      const auto view = db_->NewReadView(*snapshot_);
      const Status reads = model_.CheckReads(view.get(), snapshot_units_);
      REQUIRE_MESSAGE(reads.ok(), reads.ToString());
    }
    snapshot_.reset();
  }

  // The ordinal of the last unit at or before `sequence`.
  size_t UnitAt(SequenceNumber sequence) const {
    size_t n = 0;
    while (n < sequences_.size() && sequences_[n] <= sequence) ++n;
    return n;
  }

  void Interrupt() {
    snapshot_.reset();
    size_t promised = model_.units();
    Status opened;
    switch (random_.Uniform(3)) {
      case 0:
        opened = db_.Reopen();
        break;
      case 1:
        opened = db_.Kill();
        break;
      default:
        promised = UnitAt(db_->synced_through());
        opened = db_.CutPower(&random_, PowerLoss::kRandom);
    }
    REQUIRE_MESSAGE(opened.ok(), opened.ToString());
    const Result<DbContent> content = ReadContent(db_.db());
    REQUIRE_MESSAGE(content.ok(), content.status().ToString());
    const Result<ModelDb::Prefix> prefix = model_.FindPrefix(*content, promised, model_.units());
    REQUIRE_MESSAGE(prefix.ok(), prefix.status().ToString());
    // Units that changed nothing make several prefixes equal; the sequence tells which it is.
    const size_t units = UnitAt(db_->visible_sequence());
    REQUIRE(units >= prefix->shortest);
    REQUIRE(units <= prefix->longest);
    model_.ForgetAfter(units);
    sequences_.resize(units);
    trees_ = db_->Trees();
    Check();
  }

  void CheckCounters() {
    for (const auto& [tree, content] : model_.content()) {
      REQUIRE(db_.Counters(tree) == content.counters);
    }
  }

  TestDb db_;
  Random random_;
  ModelDb model_;
  std::vector<TreeId> trees_ = {kDirectoryTree};
  std::vector<SequenceNumber> sequences_;  // of the model's units
  std::unique_ptr<Snapshot> snapshot_;
  size_t snapshot_units_ = 0;
};

TEST_CASE("random histories equal the model under every set of options") {
  for (const OptionSet& set : OptionSets()) {
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      CAPTURE(set.name);
      CAPTURE(seed);
      History history(set.options, seed);
      for (int step = 0; step < 1500; ++step) history.Step();
      history.Check();
    }
  }
}

}  // namespace
}  // namespace lsm
