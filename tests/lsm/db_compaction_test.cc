// SPDX-License-Identifier: BSD-3-Clause
// Compaction in a database, step by step: that nothing changes for anybody who reads, what files
// cost, and that space comes back.

#include <map>
#include <utility>

#include "doctest/doctest.h"
#include "lsm/random.h"
#include "lsm/util/rate_limiter.h"
#include "lsm/version/manifest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

Options TinyOptions() {
  Options options = SmallOptions();
  options.memtable_size = size_t{4} << 10;
  options.target_file_size = size_t{2} << 10;
  options.l0_merge_trigger = 2;
  options.compression = Compression::kNone;
  return options;
}

// The files of a tree by level, as the manifest has them.
std::vector<std::vector<FileMetadata>> Levels(TestDb* db, TreeId tree = 0) {
  const Result<ManifestRecovery> manifest = RecoverManifest(db->fs(), db_test::kDirectory);
  REQUIRE(manifest.ok());
  const auto& levels = manifest->state.trees.at(tree).levels;
  return {std::begin(levels), std::end(levels)};
}

size_t UsedLevels(TestDb* db) {
  size_t used = 0;
  const auto levels = Levels(db);
  for (size_t level = 1; level < levels.size(); ++level) used += levels[level].empty() ? 0 : 1;
  return used;
}

uint64_t SstBytes(TestDb* db) {
  uint64_t bytes = 0;
  for (const std::string& path : db->fs()->Files()) {
    if (path.ends_with(".sst")) bytes += db->fs()->Contents(path).size();
  }
  return bytes;
}

// Several seconds in which nobody writes.
void Idle(TestDb* db) {
  for (int tick = 0; tick < 4; ++tick) {
    db->RunAll();
    db->executor()->ReleaseDelayed();
  }
  db->RunAll();
}

// A map beside the database, and what it was when snapshots were taken.
class Twin {
 public:
  Twin(TestDb* db, uint64_t seed) : db_(db), random_(seed) {}

  void Write(int keys) {
    const std::string key = Key(static_cast<int>(random_.Uniform(static_cast<uint64_t>(keys))));
    if (random_.OneIn(3)) {
      REQUIRE(db_->Delete(key).ok());
      map_.erase(key);
    } else {
      const std::string value(random_.Uniform(60), static_cast<char>('a' + random_.Uniform(26)));
      REQUIRE(db_->Put(key, value).ok());
      map_[key] = value;
    }
  }
  void TakeSnapshot() { snapshots_.emplace_back((*db_)->NewSnapshot(), map_); }
  void DropSnapshot() {
    if (snapshots_.empty()) return;
    snapshots_.erase(snapshots_.begin() +
                     static_cast<std::ptrdiff_t>(random_.Uniform(snapshots_.size())));
  }
  void DropSnapshots() { snapshots_.clear(); }
  void Check() {
    CHECK(db_->Scan() == Pairs(map_));
    for (const auto& [snapshot, map] : snapshots_) {
      const auto view = (*db_)->NewReadView(*snapshot);
      REQUIRE(TestDb::ScanOf(view.get()) == Pairs(map));
    }
  }
  Random* random() { return &random_; }
  const std::map<std::string, std::string>& map() const { return map_; }

 private:
  using Map = std::map<std::string, std::string>;
  static TestDb::Pairs Pairs(const Map& map) { return {map.begin(), map.end()}; }

  TestDb* const db_;
  Random random_;
  Map map_;
  std::vector<std::pair<std::unique_ptr<Snapshot>, Map>> snapshots_;
};

}  // namespace

TEST_CASE("whatever is compacted when, everybody reads what they read before") {
  size_t most_levels = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Options options = TinyOptions();
    options.l0_slowdown_trigger = seed % 2 == 0 ? 3 : 20;
    TestDb db(options);
    REQUIRE(db.Open().ok());
    Twin twin(&db, seed);
    for (int step = 0; step < 1500; ++step) {
      twin.Write(seed % 3 == 0 ? 1000 : 100);
      if (twin.random()->OneIn(60)) REQUIRE(db->Flush(0).ok());
      if (twin.random()->OneIn(40)) db.executor()->RunOne(Executor::Lane::kCompaction);
      if (twin.random()->OneIn(150)) twin.TakeSnapshot();
      if (twin.random()->OneIn(200)) twin.DropSnapshot();
      if (twin.random()->OneIn(300)) db.executor()->ReleaseDelayed();
      if (twin.random()->OneIn(250)) {
        const std::string begin = Key(static_cast<int>(twin.random()->Uniform(100)));
        REQUIRE(db->CompactRange(0, begin, begin + "5").ok());
      }
      if (step % 300 == 0) twin.Check();
    }
    most_levels = std::max(most_levels, UsedLevels(&db));
    twin.Check();
    twin.DropSnapshots();
    REQUIRE(db->CompactTree(0).ok());
    twin.Check();
    uint64_t entries = 0;
    for (const auto& level : Levels(&db)) {
      for (const FileMetadata& file : level) entries += file.entries;
    }
    CHECK(entries == twin.map().size());
  }
  CHECK(most_levels > 1);
}

TEST_CASE("keys that are written in order cost their flush and nothing more") {
  TestDb db(TinyOptions());
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 2000; ++i) REQUIRE(db.Put(Key(i), std::string(50, 'v')).ok());
  REQUIRE(db->Flush(0).ok());
  Idle(&db);
  const DbStats stats = db->Stats();
  CHECK(stats.flushes > 20);
  CHECK(stats.compactions > 0);
  CHECK(stats.compaction_bytes_written == 0);
  CHECK(Levels(&db)[0].size() <= 2);
  CHECK(db.Scan().size() == 2000);
}

TEST_CASE("deleting every key gives the space back without being asked") {
  TestDb db(TinyOptions());
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 1000; ++i) REQUIRE(db.Put(Key(i * 7 % 1000), std::string(100, 'v')).ok());
  Idle(&db);
  REQUIRE(SstBytes(&db) > 90'000);
  for (int i = 0; i < 1000; ++i) REQUIRE(db.Delete(Key(i * 3 % 1000)).ok());
  Idle(&db);
  CHECK(SstBytes(&db) < 5'000);
  CHECK(db.Scan().empty());
}

TEST_CASE("while nobody writes, L0 and runs above the last level are merged away") {
  Options options = TinyOptions();
  options.l0_merge_trigger = 6;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 600; ++i) REQUIRE(db.Put(Key(i * 7 % 300), std::string(100, 'v')).ok());
  REQUIRE(db->Flush(0).ok());
  REQUIRE(db.executor()->ReleaseDelayed() == 1);
  db.RunAll();  // there have just been flushes
  Idle(&db);
  CHECK(Levels(&db)[0].empty());
  CHECK(UsedLevels(&db) == 1);
  const uint64_t compactions = db->Stats().compactions;
  Idle(&db);
  CHECK(db->Stats().compactions == compactions);
}

TEST_CASE("what a snapshot kept of deleted records goes after it, when nobody writes") {
  TestDb db(TinyOptions());
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 1000; ++i) REQUIRE(db.Put(Key(i), std::string(100, 'v')).ok());
  Idle(&db);
  std::unique_ptr<Snapshot> snapshot = db->NewSnapshot();
  for (int i = 0; i < 600; ++i) REQUIRE(db.Delete(Key(i)).ok());
  Idle(&db);
  const auto entries = [&db] {
    uint64_t count = 0;
    for (const auto& level : Levels(&db)) {
      for (const FileMetadata& file : level) count += file.entries;
    }
    return count;
  };
  CHECK(entries() >= 1500);
  snapshot.reset();
  Idle(&db);
  CHECK(entries() < 440);  // a twelfth of a file may stay
  CHECK(db.Scan().size() == 400);
}

TEST_CASE("a flush that an idle time asked for is nobody's writing") {
  Options options = TinyOptions();
  options.memtable_size = size_t{64} << 10;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  const TreeId other = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(other);
  REQUIRE(db->Write(unit, false).ok());
  for (const TreeId tree : {kDirectoryTree, other}) {
    for (int i = 0; i < 200; ++i) REQUIRE(db.Put(Key(i), std::string(50, 'v'), tree).ok());
  }
  REQUIRE(db->FlushAll().ok());
  Idle(&db);
  const uint64_t flushes = db->Stats().flushes;
  for (const TreeId tree : {kDirectoryTree, other}) {
    for (int i = 0; i < 25; ++i) REQUIRE(db.Delete(Key(i), tree).ok());
    db.executor()->ReleaseDelayed();
    db.RunAll();
  }
  CHECK(db->Stats().flushes == flushes + 2);
}

TEST_CASE("what is only done because nobody writes gives way to what is due") {
  Options options = TinyOptions();
  options.memtable_size = size_t{64} << 10;
  options.l0_merge_trigger = 4;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  const TreeId busy = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(busy);
  REQUIRE(db->Write(unit, false).ok());
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) REQUIRE(db.Put(Key(i), std::string(100, 'v')).ok());
    REQUIRE(db->Flush(0).ok());
  }
  db.RunAll();
  REQUIRE(Levels(&db)[0].size() == 2);
  FaultPlan plan;
  db.fs()->SetInterceptor(&plan);
  bool came = false;
  plan.SetHook([&](const FileCallInfo& info, uint64_t) {
    if (came || info.call != FileCall::kCreate || !info.path.ends_with(".sst")) return Status();
    came = true;  // the idle job's first file
    for (int i = 0; i < 4; ++i) {
      REQUIRE(db.Put(Key(i), "v", busy).ok());
      REQUIRE(db->Flush(busy).ok());
    }
    return Status();
  });
  db.executor()->ReleaseDelayed();
  db.RunAll();
  db.executor()->ReleaseDelayed();
  for (const uint64_t before = db->Stats().compactions; db->Stats().compactions == before;) {
    REQUIRE(db.executor()->RunOne());
  }
  REQUIRE(came);
  CHECK(Levels(&db, busy)[0].empty());
  CHECK(Levels(&db)[0].size() == 2);
  Idle(&db);
  CHECK(Levels(&db)[0].empty());
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("closing does not wait for an idle time, and an idle time does not find a closed one") {
  TestDb db(TinyOptions());
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("k", "v").ok());
  REQUIRE(db.Close().ok());
  CHECK(db.executor()->ReleaseDelayed() == 1);
  db.RunAll();
  CHECK(db.executor()->ReleaseDelayed() == 0);
}

TEST_CASE("a range is compacted without touching the rest") {
  TestDb db(TinyOptions());
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 400; ++i) REQUIRE(db.Put(Key(i), std::string(50, 'v')).ok());
  REQUIRE(db->CompactTree(0).ok());
  std::map<uint64_t, std::string> before;
  const auto levels = Levels(&db);
  for (const FileMetadata& file : levels.back()) before[file.file] = file.smallest_key;
  REQUIRE(before.size() > 8);
  for (int i = 100; i < 120; ++i) REQUIRE(db.Delete(Key(i)).ok());
  REQUIRE(db->CompactRange(0, Key(100), Key(120)).ok());
  size_t kept = 0;
  const auto levels_after = Levels(&db);
  for (const FileMetadata& file : levels_after.back()) {
    CHECK(file.tombstones == 0);
    kept += before.contains(file.file) ? 1 : 0;
  }
  CHECK(kept + 4 >= before.size());
  CHECK(kept < before.size());
  CHECK(db.Scan().size() == 380);
}

TEST_CASE("a compaction that fails at any call leaves no file behind and is tried again") {
  for (const FileCall call : {FileCall::kOpenForRead, FileCall::kRead, FileCall::kCreate,
                              FileCall::kWrite, FileCall::kSync, FileCall::kSyncDirectory}) {
    for (uint64_t after = 0; after < 6; ++after) {
      CAPTURE(ToString(call));
      CAPTURE(after);
      Options options = TinyOptions();
      options.l0_merge_trigger = 3;
      TestDb db(options);
      REQUIRE(db.Open().ok());
      for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 30; ++i) REQUIRE(db.Put(Key(i), std::string(50, 'v')).ok());
        REQUIRE(db->Flush(0).ok());
      }
      FaultPlan plan;
      db.fs()->SetInterceptor(&plan);
      plan.Add({.call = call, .first = after + 1});
      db.RunAll();
      plan.ClearFaults();
      db.clock()->Advance(1'000'000);
      db->RequestSync();
      db.RunAll();
      db.fs()->SetInterceptor(nullptr);
      REQUIRE(db->Stats().l0_files_max == 0);
      CHECK(db.Scan().size() == 30);
      size_t named = 0;
      for (const auto& level : Levels(&db)) named += level.size();
      size_t there = 0;
      for (const std::string& path : db.fs()->Files()) there += path.ends_with(".sst") ? 1 : 0;
      CHECK(there == named);
      REQUIRE(db.Reopen().ok());
      CHECK(db.Scan().size() == 30);
    }
  }
}

TEST_CASE("dropping half of the trees that share files gives half of the disk back") {
  Options options = TinyOptions();
  options.memtable_size = size_t{256} << 10;
  options.target_file_size = size_t{64} << 10;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  std::vector<TreeId> trees;
  for (int t = 0; t < 100; ++t) {
    trees.push_back((*db.db()).NewTreeId());
    WriteBatch unit;
    unit.CreateTree(trees.back());
    for (int i = 0; i < 20; ++i) unit.Put(trees.back(), Key(i), std::string(50, 'v'));
    REQUIRE(db->Write(unit, false).ok());
  }
  REQUIRE(db->FlushAll().ok());
  db.RunAll();
  const uint64_t before = SstBytes(&db);
  REQUIRE(db->Stats().sst_files <= 4);
  for (size_t t = 0; t < trees.size(); t += 2) {
    WriteBatch unit;
    unit.DropTree(trees[t]);
    REQUIRE(db->Write(unit, false).ok());
  }
  db.RunAll();
  db->RequestSync();
  db.RunAll();
  CHECK(SstBytes(&db) < before * 6 / 10);
  for (size_t t = 1; t < trees.size(); t += 2) REQUIRE(db.Scan({}, trees[t]).size() == 20);
  REQUIRE(db.Reopen().ok());
  for (size_t t = 1; t < trees.size(); t += 2) REQUIRE(db.Scan({}, trees[t]).size() == 20);
}

TEST_CASE("small trees that are due together share the files of one compaction") {
  Options options = TinyOptions();
  options.memtable_size = size_t{256} << 10;
  options.target_file_size = size_t{64} << 10;
  options.l0_merge_trigger = 3;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  std::vector<TreeId> trees;
  for (int t = 0; t < 100; ++t) {
    trees.push_back((*db.db()).NewTreeId());
    WriteBatch unit;
    unit.CreateTree(trees.back());
    REQUIRE(db->Write(unit, false).ok());
  }
  for (int round = 0; round < 3; ++round) {
    for (const TreeId tree : trees) REQUIRE(db.Put(Key(round), std::string(40, 'v'), tree).ok());
    for (const TreeId tree : trees) REQUIRE(db.Put("same", Key(round), tree).ok());
    REQUIRE(db->FlushAll().ok());
  }
  db.RunAll();
  const DbStats stats = db->Stats();
  CHECK(stats.compactions < 10);
  CHECK(stats.sst_files < 10);
  CHECK(stats.l0_files_max == 0);
  CHECK(stats.levels.back().files >= 100);
  for (const TreeId tree : trees) {
    REQUIRE(db.Scan({}, tree).size() == 4);
    REQUIRE(db.Get("same", tree) == Key(2));
  }
}

TEST_CASE("a caller's filter takes dead records along, and brings no older one to light") {
  class Dead : public CompactionFilter {
   public:
    bool IsDead(TreeId, std::string_view key) override {
      ++asked;
      return on && key.starts_with("dead");
    }
    bool IsRangeDead(TreeId, std::string_view smallest, std::string_view largest) override {
      return on && smallest.starts_with("dead") && largest.starts_with("dead");
    }
    bool on = false;
    int asked = 0;
  };
  Dead dead;
  Options options = TinyOptions();
  options.compaction_filter = &dead;
  options.bottom_compression = Compression::kNone;
  options.l0_merge_trigger = 100;
  options.l0_slowdown_trigger = 200;
  options.l0_stop_trigger = 300;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 100; ++i) {
    REQUIRE(db.Put("dead" + Key(i), std::string(50, 'o')).ok());
    REQUIRE(db.Put("key" + Key(i), std::string(50, 'o')).ok());
  }
  REQUIRE(db->CompactTree(0).ok());
  const uint64_t whole = SstBytes(&db);
  for (int i = 0; i < 100; i += 10) REQUIRE(db.Put("dead" + Key(i), "newer").ok());
  dead.on = true;
  {
    const std::unique_ptr<Snapshot> snapshot = db->NewSnapshot();
    for (int i = 0; i < 100; i += 10) REQUIRE(db.Put("dead" + Key(i), "newest").ok());
    REQUIRE(db->CompactTree(0).ok());
    // Whoever looks at an older point: what is newer than that point is not asked about.
    CHECK(db.Get("dead" + Key(0)) == "newest");
  }
  REQUIRE(db->CompactTree(0).ok());
  CHECK(dead.asked > 0);
  CHECK(db.Get("dead" + Key(0)) == "(absent)");
  CHECK(db.Scan().size() == 100);
  db.RunAll();
  CHECK(SstBytes(&db) < whole * 6 / 10);
}

TEST_CASE("figures of levels and of the debt tell what was done and what is left") {
  Options options = TinyOptions();
  options.memtable_size = size_t{64} << 10;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20; ++i) REQUIRE(db.Put(Key(i), std::string(50, 'v')).ok());
    REQUIRE(db->Flush(0).ok());
  }
  DbStats stats = db->Stats();
  if (stats.compactions == 0) CHECK(stats.compaction_debt_bytes > 0);
  db.RunAll();
  stats = db->Stats();
  CHECK(stats.compaction_debt_bytes == 0);
  CHECK(stats.levels.size() == static_cast<size_t>(kMaxLevels));
  CHECK(stats.levels[0].files == 0);
  CHECK(stats.levels[0].bytes_written > 0);
  CHECK(stats.levels[0].bytes_read == stats.levels[0].bytes_written);
  CHECK(stats.levels.back().bytes == stats.levels.back().bytes_written);
  CHECK(stats.levels.back().files == 1);
}

TEST_CASE("background writing keeps to its rate, and a flush does not wait") {
  ManualClock clock;
  RateLimiter limiter(&clock, 1'000'000);
  const auto took = [&clock](auto work) {
    const int64_t begin = clock.MonotonicMicros();
    work();
    return clock.MonotonicMicros() - begin;
  };
  using Priority = RateLimiter::Priority;
  CHECK(took([&] { limiter.Request(500'000, Priority::kFlush, nullptr); }) == 0);
  CHECK(took([&] { limiter.Request(500'000, Priority::kFlush, nullptr); }) == 0);
  // A second is overdrawn: L0 may begin a little before it is paid for, deeper levels may not.
  CHECK(took([&] { limiter.Request(1000, Priority::kL0, nullptr); }) ==
        1'000'000 - RateLimiter::kHeadStart);
  CHECK(took([&] { limiter.Request(1000, Priority::kDeeper, nullptr); }) ==
        RateLimiter::kHeadStart + 1000);
  const std::atomic<bool> cancelled{true};
  CHECK(took([&] { limiter.Request(1000, Priority::kDeeper, &cancelled); }) == 0);
  RateLimiter unlimited(&clock, 0);
  CHECK(took([&] { unlimited.Request(1 << 30, Priority::kDeeper, nullptr); }) == 0);
}

}  // namespace lsm
