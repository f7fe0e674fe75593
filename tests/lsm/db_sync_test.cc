// SPDX-License-Identifier: BSD-3-Clause
// What is on disk and when, and what happens when a sync fails.

#include <thread>

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

class HeardListener : public Listener {
 public:
  void OnSynced(SequenceNumber through) override { synced = through; }
  void OnStallRelieved() override { ++relieved; }
  void OnBackgroundError(const Status& status) override {
    ++errors;
    last_error = status;
  }
  SequenceNumber synced = 0;
  int relieved = 0;
  int errors = 0;
  Status last_error;
};

TEST_CASE("RequestSync makes one sync of what was appended, and says when it is done") {
  HeardListener heard;  // outlives the database, which tells it of its last flush
  TestDb db;
  db.options()->listener = &heard;
  REQUIRE(db.Open().ok());
  db.RunAll();
  const uint64_t syncs = db->Stats().wal_syncs;
  db->RequestSync();
  CHECK(db.executor()->Queued() == 0);  // all is synced
  REQUIRE(db.Put("a", "1").ok());
  CHECK(db->UnsyncedAgeMicros() > 0);
  db.clock()->Advance(1000);
  CHECK(db->UnsyncedAgeMicros() == 1000);
  const Result<Lookup> unsynced = db->NewReadView()->Get(0, "a");
  CHECK(unsynced->sequence == 1);
  db->RequestSync();
  db->RequestSync();
  CHECK(db.executor()->Queued(Executor::Lane::kWalSync) == 1);
  CHECK(db->synced_through() == 0);
  db.RunAll();
  CHECK(db->synced_through() == 1);
  CHECK(heard.synced == 1);
  CHECK(db->Stats().wal_syncs == syncs + 1);
  CHECK(db->UnsyncedAgeMicros() == 0);
  CHECK(db->NewReadView()->Get(0, "a")->sequence == 0);
}

TEST_CASE("a failed sync refuses writes until the unsynced data are in new, synced files") {
  HeardListener heard;  // outlives the database, which tells it of its last flush
  TestDb db;
  FaultPlan plan;
  db.options()->listener = &heard;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("early", "v").ok());
  REQUIRE(db->SyncWal().ok());
  const TreeId tree = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(tree);
  unit.Put(tree, "k", "v");
  unit.Put(0, "late", "v");
  unit.AddCounter(0, 3, 7);
  REQUIRE(db->Write(unit, false).ok());
  plan.Add({.call = FileCall::kSync, .suffix = ".wal", .effect = FaultPlan::Effect::kMarkClean});
  plan.Add({.call = FileCall::kCreate, .suffix = ".sst"});  // the first rescue fails too
  db.fs()->SetInterceptor(&plan);
  CHECK(db->SyncWal().IsIoError());
  CHECK(db->CurrentStall().state == WriteStall::State::kStop);
  CHECK(db->CurrentStall().reason == WriteStall::Reason::kBackgroundError);
  CHECK(db->BackgroundError().IsIoError());
  CHECK(db.Put("refused", "v").IsIoError());
  CHECK(db.Get("late") == "v");
  CHECK(db->synced_through() == 1);
  db.RunAll();  // the rescue that fails
  CHECK(db->BackgroundError().IsIoError());
  CHECK(heard.errors == 2);

  db.clock()->Advance(200'000);
  db->RequestSync();
  db.RunAll();
  CHECK(db->BackgroundError().ok());
  CHECK(db->CurrentStall().state == WriteStall::State::kNone);
  CHECK(heard.relieved >= 1);
  CHECK(db->synced_through() == 2);
  CHECK(heard.synced == 2);
  REQUIRE(db.Put("next", "v").ok());
  REQUIRE(db->SyncWal().ok());
  db.fs()->SetInterceptor(nullptr);
  REQUIRE(db.CutPower(nullptr, PowerLoss::kKeepNothing).ok());
  CHECK(db.Scan() == TestDb::Pairs{{"early", "v"}, {"late", "v"}, {"next", "v"}});
  CHECK(db.Get("k", tree) == "v");
  CHECK(db.Counters()[3] == 7);
}

TEST_CASE("a rescue waits for the writer that holds the lock, whose group then cannot be closed") {
  TestDb db;
  FaultPlan plan;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("a", "1").ok());
  db.RunAll();
  plan.Add({.call = FileCall::kSync, .suffix = ".wal", .effect = FaultPlan::Effect::kMarkClean});
  db.fs()->SetInterceptor(&plan);
  db->RequestSync();
  {
    const auto writer = db->LockWriter();
    WriteBatch unit;
    unit.Put(0, "a", "2");
    REQUIRE(writer->Commit(unit).ok());
    std::thread background([&] { db.RunAll(); });
    background.join();
    CHECK_FALSE(writer->CloseGroup().ok());
    CHECK(db->BackgroundError().IsIoError());
  }
  db.RunAll();
  CHECK(db->BackgroundError().ok());
  CHECK(db.Get("a") == "1");
  CHECK(db->synced_through() == 1);
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("a flush never makes a file durable ahead of the log") {
  TestDb db;
  FaultPlan plan;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Put("a", "1").ok());
  plan.StartTrace(FaultPlan::Trace::kNames);
  db.fs()->SetInterceptor(&plan);
  REQUIRE(db->Flush(0).ok());
  db.fs()->SetInterceptor(nullptr);
  std::vector<std::string> kinds;
  for (const std::string& line : plan.TakeTrace()) {
    const std::string kind = line.substr(0, line.find(' ')) +
                             (line.ends_with(".wal")                       ? " wal"
                              : line.ends_with(".sst")                     ? " sst"
                              : line.find("MANIFEST") != std::string::npos ? " manifest"
                                                                           : " directory");
    if (kinds.empty() || kinds.back() != kind) kinds.push_back(kind);
  }
  REQUIRE(kinds.size() >= 7);
  const std::vector<std::string> begin(kinds.begin(), kinds.begin() + 7);
  CHECK(begin == std::vector<std::string>{"sync wal", "create sst", "write sst", "sync sst",
                                          "syncdir directory", "write manifest", "sync manifest"});
}

TEST_CASE("segments are prepared ahead, recycled, and bounded by the size limit") {
  TestDb db;
  db.options()->wal_segment_size = 4096;
  db.options()->wal_size_limit = 32768;
  db.options()->memtable_size = size_t{1} << 20;
  REQUIRE(db.Open().ok());
  // A tree that is written once would keep the whole log for ever.
  const TreeId cold = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(cold);
  unit.Put(cold, "k", "v");
  REQUIRE(db->Write(unit, false).ok());
  uint64_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(db.Put(Key(i % 100), std::string(100, 'v')).ok());
    db.RunAll();
    most = std::max(most, db->Stats().wal_segments);
  }
  CHECK(most <= 10);
  CHECK(db->Stats().wal_bytes_written > 40 * 4096);
  CHECK(db.Get("k", cold) == "v");
  size_t segments = 0;
  for (const std::string& path : db.fs()->Files()) segments += path.ends_with(".wal") ? 1 : 0;
  CHECK(segments <= db->Stats().wal_segments + 1 + 2);  // the prepared one, two spares
  REQUIRE(db.Kill().ok());
  CHECK(db.Get("k", cold) == "v");
  CHECK(db.Scan().size() == 100);
}

}  // namespace
}  // namespace lsm
