// SPDX-License-Identifier: BSD-3-Clause
// Checkpoints: another database that equals this one at one sequence number, whatever goes on
// meanwhile, fails, or is cut short.

#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"
#include "tests/support/model_db.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

constexpr char kCopy[] = "copy";
constexpr char kTemporary[] = "copy.tmp";

Options TinyOptions() {
  Options options = SmallOptions();
  options.memtable_size = 4096;
  options.memtable_limit = 1;
  options.wal_segment_size = 4096;
  options.wal_size_limit = 16384;
  options.l0_merge_trigger = 2;
  options.target_file_size = 4096;
  return options;
}

// A database whose units a model knows.
class Life {
 public:
  explicit Life(uint64_t seed, Options options = TinyOptions()) : db(options), random_(seed) {}

  // One unit of several operations, over a few trees that come and go.
  void Step() {
    WriteBatch unit;
    std::vector<TreeId> targets = db->Trees();
    if (random_.OneIn(15) && targets.size() < 5) {
      targets.push_back(db->NewTreeId());
      unit.CreateTree(targets.back());
    } else if (random_.OneIn(25) && targets.size() > 1) {
      unit.DropTree(targets[1]);
      targets.erase(targets.begin() + 1);
    }
    for (int i = 0; i < 3; ++i) {
      const TreeId tree = targets[random_.Uniform(targets.size())];
      const std::string key = Key(static_cast<int>(random_.Uniform(60)));
      unit.Put(tree, key, std::string(random_.OneIn(80) ? 9000 : 90, 'v') + key);
      unit.AddCounter(tree, 1, 1);
      if (random_.OneIn(4)) unit.Delete(tree, Key(static_cast<int>(random_.Uniform(60))));
    }
    const SequenceNumber before = db->visible_sequence();
    for (int attempt = 0; attempt < 2 && db->visible_sequence() == before; ++attempt) {
      if (attempt > 0) db.RunAll();  // writes were stopped
      const std::unique_ptr<Writer> writer = db->LockWriter();
      if (writer->Commit(unit).ok()) static_cast<void>(writer->CloseGroup().ok());
    }
    if (db->visible_sequence() == before) return;
    model.Apply(unit);
    sequences.push_back(db->visible_sequence());
  }
  void Steps(int count) {
    for (int i = 0; i < count; ++i) {
      Step();
      if (random_.OneIn(3)) db.executor()->RunOne();
    }
  }
  // How many units the model has up to `sequence`.
  size_t UnitAt(SequenceNumber sequence) const {
    size_t n = 0;
    while (n < sequences.size() && sequences[n] <= sequence) ++n;
    return n;
  }

  TestDb db;
  ModelDb model;
  std::vector<SequenceNumber> sequences;

 private:
  Random random_;
};

// What a database in `directory` of `fs` holds; it is opened for that, and closed.
Result<DbContent> ContentOf(MemFileSystem* fs, const std::string& directory) {
  ManualExecutor executor;
  ManualClock clock;
  Options options = TinyOptions();
  options.file_system = fs;
  options.executor = &executor;
  options.clock = &clock;
  options.create_if_missing = false;
  Result<std::unique_ptr<DB>> db = DB::Open(options, directory);
  RETURN_IF_ERROR(db.status());
  Result<DbContent> content = ReadContent(db->get());
  RETURN_IF_ERROR(content.status());
  // It is a whole database: it takes writes and closes.
  WriteBatch unit;
  unit.Put(kDirectoryTree, "written to the copy", "v");
  RETURN_IF_ERROR((*db)->Write(unit, true));
  RETURN_IF_ERROR((*db)->Close());
  return content;
}

void CheckEquals(const Life& life, MemFileSystem* fs, const std::string& directory,
                 SequenceNumber sequence) {
  const Result<DbContent> content = ContentOf(fs, directory);
  REQUIRE_MESSAGE(content.ok(), content.status().ToString());
  const size_t n = life.UnitAt(sequence);
  const std::string difference = Difference(life.model.After(n), *content);
  REQUIRE_MESSAGE(difference.empty(), difference);
}

bool Exists(MemFileSystem* fs, const std::string& path) {
  const Result<bool> exists = fs->Exists(path);
  return exists.ok() && *exists;
}

TEST_CASE("A checkpoint equals the database at its sequence, whatever is in files and in the log") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    REQUIRE(life.db.Open().ok());
    life.Steps(static_cast<int>(seed) * 7);
    if (seed % 5 == 0) REQUIRE(life.db.Reopen().ok());
    if (seed % 7 == 0) REQUIRE(life.db.Kill().ok());
    const SequenceNumber asked = life.db->visible_sequence();
    REQUIRE(life.db->StartCheckpoint(kCopy, {}).ok());
    CHECK(life.db->LastCheckpoint().running);
    CHECK(life.db->StartCheckpoint("other", {}).IsBusy());
    life.Steps(10);
    life.db.RunAll();
    CHECK_FALSE(life.db->LastCheckpoint().running);
    CHECK(life.db->LastCheckpoint().done_bytes == life.db->LastCheckpoint().total_bytes);
    life.Steps(40);
    REQUIRE(life.db->FlushAll().ok());
    REQUIRE(life.db->CompactTree(kDirectoryTree).ok());
    const Result<DbContent> content = ContentOf(life.db.fs(), kCopy);
    REQUIRE_MESSAGE(content.ok(), content.status().ToString());
    const Result<ModelDb::Prefix> prefix =
        life.model.FindPrefix(*content, life.UnitAt(asked), life.UnitAt(asked) + 10);
    CHECK_MESSAGE(prefix.ok(), prefix.status().ToString());
    // And the database itself is none the worse.
    REQUIRE(life.db.Reopen().ok());
    const Result<DbContent> own = ReadContent(life.db.db());
    REQUIRE(own.ok());
    CHECK(Difference(life.model.content(), *own).empty());
  }
}

TEST_CASE(
    "A checkpoint says which unit it ends with, and holds all units up to it and none behind") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    REQUIRE(life.db.Open().ok());
    life.Steps(static_cast<int>(seed) * 5);
    const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
    REQUIRE_MESSAGE(info.ok(), info.status().ToString());
    CHECK(info->sequence == life.db->visible_sequence());
    life.Steps(20);
    CheckEquals(life, life.db.fs(), kCopy, info->sequence);
  }
}

TEST_CASE("A checkpoint of an empty database is an empty database") {
  Life life(1);
  REQUIRE(life.db.Open().ok());
  const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
  REQUIRE_MESSAGE(info.ok(), info.status().ToString());
  CHECK(info->sequence == 0);
  CheckEquals(life, life.db.fs(), kCopy, 0);
}

TEST_CASE("A checkpoint of a checkpoint equals it") {
  Life life(7);
  REQUIRE(life.db.Open().ok());
  life.Steps(120);
  const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
  REQUIRE(info.ok());
  ManualExecutor executor;
  ManualClock clock;
  Options options = TinyOptions();
  options.file_system = life.db.fs();
  options.executor = &executor;
  options.clock = &clock;
  Result<std::unique_ptr<DB>> copy = DB::Open(options, kCopy);
  REQUIRE(copy.ok());
  const Result<CheckpointInfo> second = (*copy)->Checkpoint("second");
  REQUIRE_MESSAGE(second.ok(), second.status().ToString());
  CHECK(second->sequence == info->sequence);
  REQUIRE((*copy)->Close().ok());
  copy->reset();
  CheckEquals(life, life.db.fs(), "second", info->sequence);
}

TEST_CASE("Files that only a checkpoint needs stay until it ends, and no longer") {
  Life life(3);
  REQUIRE(life.db.Open().ok());
  life.Steps(100);
  REQUIRE(life.db->FlushAll().ok());
  FaultPlan plan;
  life.db.fs()->SetInterceptor(&plan);
  // In the middle of the linking all files are merged into others and the log moves on.
  bool interrupted = false;
  std::vector<std::string> then;
  plan.SetHook([&](const FileCallInfo& info, uint64_t) {
    if (info.call != FileCall::kLink || interrupted) return Status();
    interrupted = true;
    life.Steps(60);
    REQUIRE(life.db->FlushAll().ok());
    REQUIRE(life.db->CompactTree(kDirectoryTree).ok());
    then = life.db.fs()->Files();
    return Status();
  });
  const SequenceNumber before = life.db->visible_sequence();
  const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
  REQUIRE_MESSAGE(info.ok(), info.status().ToString());
  REQUIRE(interrupted);
  CHECK(info->sequence == before);
  life.db.RunAll();
  const std::vector<std::string> now = life.db.fs()->Files();
  const auto own = [](const std::vector<std::string>& files) {
    return std::count_if(files.begin(), files.end(),
                         [](const std::string& file) { return file.starts_with("db/"); });
  };
  CHECK(own(now) < own(then));
  life.db.fs()->SetInterceptor(nullptr);
  CheckEquals(life, life.db.fs(), kCopy, info->sequence);
}

TEST_CASE("A checkpoint copies files that cannot be linked") {
  Life life(5);
  REQUIRE(life.db.Open().ok());
  life.Steps(100);
  REQUIRE(life.db->FlushAll().ok());
  FaultPlan plan;
  plan.Add({.call = FileCall::kLink, .count = FaultPlan::kForEver});
  life.db.fs()->SetInterceptor(&plan);
  const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
  life.db.fs()->SetInterceptor(nullptr);
  REQUIRE_MESSAGE(info.ok(), info.status().ToString());
  CHECK(info->files > 0);
  CHECK(info->linked_bytes == 0);
  REQUIRE(life.db.Close().ok());
  // The copies are files of their own.
  for (const std::string& file : life.db.fs()->Files()) {
    if (file.starts_with("db/")) life.db.fs()->Delete(file);
  }
  const std::unique_ptr<MemFileSystem> left =
      life.db.fs()->AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  CheckEquals(life, left.get(), kCopy, info->sequence);
}

TEST_CASE("Damage in a file of a checkpoint is reported by name") {
  Life life(11);
  REQUIRE(life.db.Open().ok());
  life.Steps(100);
  REQUIRE(life.db->FlushAll().ok());
  life.Steps(5);
  REQUIRE(life.db->Checkpoint(kCopy).ok());
  for (const char* suffix : {".sst", ".wal"}) {
    const std::unique_ptr<MemFileSystem> image = life.db.fs()->AfterKill();
    bool damaged = false;
    for (const std::string& file : image->Files()) {
      if (!file.starts_with("copy/") || !file.ends_with(suffix)) continue;
      if (image->Contents(file).size() <= 120) continue;  // a segment without groups
      image->Damage(file, 100, 0x40);
      damaged = true;
      const Result<DbContent> content = ContentOf(image.get(), kCopy);
      REQUIRE(content.status().IsCorruption());
      CHECK(content.status().ToString().find(file.substr(5)) != std::string::npos);
      break;
    }
    CHECK(damaged);
  }
}

TEST_CASE("Damage in the log ends a checkpoint with an error that names it") {
  Life life(11);
  REQUIRE(life.db.Open().ok());
  life.Steps(5);
  for (const std::string& file : life.db.fs()->Files()) {
    if (file.ends_with(".wal") && life.db.fs()->Contents(file).size() > 200) {
      life.db.fs()->Damage(file, 150, 1);
      break;
    }
  }
  const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
  CHECK(info.status().IsCorruption());
  CHECK_FALSE(Exists(life.db.fs(), kCopy));
  CHECK_FALSE(Exists(life.db.fs(), kTemporary));
}

TEST_CASE("A directory that exists is no place for a checkpoint; those above it are made") {
  Life life(2);
  REQUIRE(life.db.Open().ok());
  life.Steps(10);
  CHECK(life.db->StartCheckpoint(kDirectory, {}).IsInvalidArgument());
  CHECK(life.db->StartCheckpoint("", {}).IsInvalidArgument());
  CHECK(life.db->StartCheckpoint("a.tmp", {}).IsInvalidArgument());
  CHECK(life.db->Checkpoint("copy/").ok());
  const Result<CheckpointInfo> deep = life.db->Checkpoint("one/two/copy");
  REQUIRE_MESSAGE(deep.ok(), deep.status().ToString());
  const auto left = life.db.fs()->AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  CheckEquals(life, left.get(), "one/two/copy", deep->sequence);
}

TEST_CASE("Earlier checkpoints are removed once the new one is whole, and not before") {
  for (const bool fails : {false, true}) {
    CAPTURE(fails);
    Life life(6);
    REQUIRE(life.db.Open().ok());
    life.Steps(50);
    REQUIRE(life.db->Checkpoint("one").ok());
    life.Steps(10);
    FaultPlan plan;
    if (fails) plan.Add({.call = FileCall::kCreate, .suffix = ".wal"});
    life.db.fs()->SetInterceptor(&plan);
    // What cannot be removed does no harm.
    REQUIRE(life.db->StartCheckpoint(kCopy, {"nowhere", "one"}).ok());
    life.db.RunAll();
    life.db.fs()->SetInterceptor(nullptr);
    CHECK(Exists(life.db.fs(), "one") == fails);
    CHECK(Exists(life.db.fs(), kCopy) == !fails);
  }
}

// Runs what is scheduled before the first question whether a file exists.
class RunBeforeExists : public FileInterceptor {
 public:
  explicit RunBeforeExists(ManualExecutor* executor) : executor_(executor) {}
  FileVerdict Before(const FileCallInfo& info) override {
    if (info.call == FileCall::kExists && !std::exchange(done_, true)) executor_->RunAll();
    return FileVerdict::Proceed();
  }

 private:
  ManualExecutor* const executor_;
  bool done_ = false;
};

TEST_CASE("Who waits for a checkpoint is not told of an earlier one that ends as this one begins") {
  Life life(5);
  REQUIRE(life.db.Open().ok());
  life.Steps(50);
  REQUIRE(life.db->StartCheckpoint("earlier", {}).ok());
  RunBeforeExists interceptor(life.db.executor());
  life.db.fs()->SetInterceptor(&interceptor);
  const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
  life.db.fs()->SetInterceptor(nullptr);
  REQUIRE_MESSAGE(info.ok(), info.status().ToString());
  CHECK(Exists(life.db.fs(), "earlier"));
  REQUIRE(Exists(life.db.fs(), kCopy));
  CheckEquals(life, life.db.fs(), kCopy, info->sequence);
}

TEST_CASE("Closing ends a checkpoint that is under way, and leaves nothing of it") {
  Life life(4);
  REQUIRE(life.db.Open().ok());
  life.Steps(80);
  REQUIRE(life.db->StartCheckpoint(kCopy, {}).ok());
  REQUIRE(life.db->Close().ok());
  CHECK_FALSE(Exists(life.db.fs(), kCopy));
  CHECK_FALSE(Exists(life.db.fs(), kTemporary));
  CHECK(life.db->StartCheckpoint(kCopy, {}).IsAborted());
}

TEST_CASE(
    "A checkpoint in which any one call fails leaves the database unharmed, and nothing else") {
  uint64_t failed = 0;
  uint64_t succeeded = 0;
  for (uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Life life(9);
    REQUIRE(life.db.Open().ok());
    life.Steps(60);
    life.db.RunAll();
    FaultPlan plan;
    plan.Add({.first = at});
    life.db.fs()->SetInterceptor(&plan);
    const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
    const bool reached = plan.calls() >= at;
    life.db.fs()->SetInterceptor(nullptr);
    CHECK_FALSE(Exists(life.db.fs(), kTemporary));
    CHECK(Exists(life.db.fs(), kCopy) == info.ok());
    if (info.ok()) {
      ++succeeded;
      CheckEquals(life, life.db.fs(), kCopy, info->sequence);
    } else {
      ++failed;
      const Result<CheckpointInfo> again = life.db->Checkpoint(kCopy);
      REQUIRE_MESSAGE(again.ok(), again.status().ToString());
      CheckEquals(life, life.db.fs(), kCopy, again->sequence);
    }
    life.Steps(10);
    REQUIRE(life.db.Reopen().ok());
    const Result<DbContent> own = ReadContent(life.db.db());
    REQUIRE(own.ok());
    REQUIRE(Difference(life.model.content(), *own).empty());
    if (!reached) break;
  }
  CHECK(failed > 8);
  CHECK(succeeded > 1);  // links that fail are copies
}

TEST_CASE("After a power cut a checkpoint is whole if it was announced, and else whole or absent") {
  for (uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Life life(at);
    REQUIRE(life.db.Open().ok());
    life.Steps(60);
    life.db.RunAll();
    FaultPlan plan;
    life.db.fs()->SetInterceptor(&plan);
    plan.CutPowerAfter(at);
    const SequenceNumber sequence = life.db->visible_sequence();
    const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
    const bool cut = plan.power_is_off();
    life.db.fs()->SetInterceptor(nullptr);
    Random random(at);
    for (const PowerLoss loss :
         {PowerLoss::kKeepNothing, PowerLoss::kRandom, PowerLoss::kKeepEverything}) {
      const std::unique_ptr<MemFileSystem> left = life.db.fs()->AfterPowerCut(&random, loss);
      const bool there = Exists(left.get(), kCopy);
      if (info.ok()) REQUIRE(there);
      if (there) CheckEquals(life, left.get(), kCopy, sequence);
      // What is left over does not stand in the way of the next one.
      ManualExecutor executor;
      ManualClock clock;
      Options options = TinyOptions();
      options.file_system = left.get();
      options.executor = &executor;
      options.clock = &clock;
      Result<std::unique_ptr<DB>> db = DB::Open(options, kDirectory);
      REQUIRE_MESSAGE(db.ok(), db.status().ToString());
      if (there) REQUIRE(RemoveDatabase(left.get(), kCopy).ok());
      const Result<CheckpointInfo> again = (*db)->Checkpoint(kCopy);
      REQUIRE_MESSAGE(again.ok(), again.status().ToString());
      CHECK_FALSE(Exists(left.get(), kTemporary));
    }
    if (!cut) break;
    REQUIRE(at < 200);
  }
}

TEST_CASE("A database that is removed is gone, or was there whole, whenever the power is cut") {
  for (uint64_t at = 1;; ++at) {
    CAPTURE(at);
    Life life(at);
    REQUIRE(life.db.Open().ok());
    life.Steps(40);
    const Result<CheckpointInfo> info = life.db->Checkpoint(kCopy);
    REQUIRE(info.ok());
    FaultPlan plan;
    life.db.fs()->SetInterceptor(&plan);
    plan.CutPowerAfter(at);
    const Status removed = RemoveDatabase(life.db.fs(), kCopy);
    const bool cut = plan.power_is_off();
    life.db.fs()->SetInterceptor(nullptr);
    Random random(at);
    const std::unique_ptr<MemFileSystem> left =
        life.db.fs()->AfterPowerCut(&random, PowerLoss::kRandom);
    const bool there = Exists(left.get(), kCopy);
    if (removed.ok()) REQUIRE_FALSE(there);
    if (there) CheckEquals(life, left.get(), kCopy, info->sequence);
    if (Exists(left.get(), kTemporary)) REQUIRE(RemoveDatabase(left.get(), kTemporary).ok());
    if (!cut) break;
    REQUIRE(at < 200);
  }
}

TEST_CASE("A database that is open, or holds what is not ours, is not removed") {
  Life life(2);
  REQUIRE(life.db.Open().ok());
  life.Steps(5);
  CHECK(RemoveDatabase(life.db.fs(), kDirectory).IsBusy());
  REQUIRE(life.db->Checkpoint(kCopy).ok());
  life.db.fs()->SetContents("copy/notes.txt", "mine");
  CHECK(RemoveDatabase(life.db.fs(), kCopy).IsInvalidArgument());
  CHECK(Exists(life.db.fs(), "copy/CURRENT"));
}

TEST_CASE("Checkpoints while others write on threads of their own each equal one moment") {
  MemFileSystem fs;
  Options options = TinyOptions();
  options.memtable_size = 32768;
  options.wal_segment_size = 32768;
  options.wal_size_limit = size_t{256} << 10;
  options.file_system = &fs;
  Result<std::unique_ptr<DB>> opened = DB::Open(options, kDirectory);
  REQUIRE(opened.ok());
  DB* db = opened->get();
  // Unit i sets each of eight keys to i: a state is of one moment if they are all equal to its
  // sequence.
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 1; !stop.load(); ++i) {
      WriteBatch unit;
      for (int k = 0; k < 8; ++k) unit.Put(kDirectoryTree, Key(k), std::to_string(i));
      unit.Put(kDirectoryTree, Key(100 + i % 300), std::string(400, 'x'));
      REQUIRE(db->Write(unit, false).ok());
    }
  });
  for (int round = 0; round < 6; ++round) {
    const std::string directory = "copy" + std::to_string(round);
    const SequenceNumber before = db->visible_sequence();
    const Result<CheckpointInfo> info = db->Checkpoint(directory);
    REQUIRE_MESSAGE(info.ok(), info.status().ToString());
    CHECK(info->sequence >= before);
    Options copy_options = options;
    Result<std::unique_ptr<DB>> copy = DB::Open(copy_options, directory);
    REQUIRE_MESSAGE(copy.ok(), copy.status().ToString());
    CHECK((*copy)->visible_sequence() == info->sequence);
    const std::unique_ptr<ReadView> view = (*copy)->NewReadView();
    for (int k = 0; k < 8 && info->sequence > 0; ++k) {
      CHECK(TestDb::GetFrom(view.get(), Key(k)) == std::to_string(info->sequence));
    }
  }
  stop.store(true);
  writer.join();
}

}  // namespace
}  // namespace lsm
