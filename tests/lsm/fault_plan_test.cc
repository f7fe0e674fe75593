// SPDX-License-Identifier: BSD-3-Clause
// Faults, lies, traces and power cuts that a FaultPlan orders.
#include "tests/support/fault_plan.h"

#include <doctest/doctest.h>

#include <set>

namespace lsm {
namespace {

struct Machine {
  Machine() { fs.SetInterceptor(&plan); }
  std::unique_ptr<WritableFile> Create(const std::string& path) {
    auto file = fs.Create(path, false);
    REQUIRE(file.ok());
    return std::move(file).value();
  }
  std::string AfterCut(const std::string& path, PowerLoss loss) const {
    auto image = fs.AfterPowerCut(nullptr, loss);
    return image->Exists(path).value() ? image->Contents(path) : "(none)";
  }

  FaultPlan plan;  // outlives the file system
  MemFileSystem fs;
};

}  // namespace

TEST_CASE("exactly the chosen calls fail, once, several times or for ever") {
  Machine machine;
  auto file = machine.Create("a.wal");
  auto other = machine.Create("a.sst");
  machine.plan.Add({.call = FileCall::kSync, .suffix = ".wal", .first = 2, .count = 2});
  CHECK(file->Sync().ok());
  const Status failed = file->Sync();
  CHECK(failed.IsIoError());
  CHECK(failed.message() == "sync a.wal: Input/output error (injected)");
  CHECK(other->Sync().ok());
  CHECK(file->Sync().IsIoError());
  CHECK(file->Sync().ok());
  machine.plan.Add({.first = 1,
                    .count = FaultPlan::kForEver,
                    .effect = FaultPlan::Effect::kNothing,
                    .code = Status::Code::kNoSpace});
  for (int i = 0; i < 3; ++i) CHECK(file->WriteAt(0, "x").IsNoSpace());
  CHECK(machine.fs.Remove("a.wal").IsNoSpace());
  // Reading changes nothing, so it does not match.
  CHECK(machine.fs.OpenForRead("a.wal", AccessPattern::kRandom).ok());
  machine.plan.ClearFaults();
  CHECK(file->WriteAt(0, "x").ok());
}

TEST_CASE("calls that change nothing fail when they are named") {
  Machine machine;
  machine.Create("a");
  machine.plan.Add({.call = FileCall::kOpenForRead});
  machine.plan.Add({.call = FileCall::kRead});
  machine.plan.Add({.call = FileCall::kClose});
  machine.plan.Add({.call = FileCall::kList});
  CHECK(machine.fs.OpenForRead("a", AccessPattern::kRandom).status().IsIoError());
  auto reader = machine.fs.OpenForRead("a", AccessPattern::kRandom);
  REQUIRE(reader.ok());
  char byte;
  CHECK((*reader)->ReadAt(0, 1, &byte).status().IsIoError());
  CHECK((*reader)->ReadAt(0, 1, &byte).ok());
  auto file = machine.fs.OpenForWrite("a");
  REQUIRE(file.ok());
  CHECK((*file)->Close().IsIoError());
  CHECK(machine.fs.List("").status().IsIoError());
}

TEST_CASE("a torn write fails and leaves its beginning") {
  Machine machine;
  auto file = machine.Create("a");
  machine.plan.Add({.call = FileCall::kWrite, .effect = FaultPlan::Effect::kTorn, .torn_at = 3});
  CHECK(file->WriteAt(0, "abcdef").IsIoError());
  CHECK(machine.fs.Contents("a") == "abc");
}

TEST_CASE("a call may be reported as failed and have happened") {
  Machine machine;
  machine.Create("a");
  machine.plan.Add({.call = FileCall::kRename, .effect = FaultPlan::Effect::kPerformed});
  CHECK(machine.fs.Rename("a", "b").IsIoError());
  CHECK(machine.fs.Files() == std::vector<std::string>{"b"});
}

TEST_CASE(
    "after a failed sync the data are readable, and a second sync does not make them durable") {
  Machine machine;
  auto file = machine.Create("a");
  REQUIRE(machine.fs.SyncDirectory("").ok());
  REQUIRE(file->WriteAt(0, "old").ok());
  REQUIRE(file->Sync().ok());
  machine.plan.Add({.call = FileCall::kSync, .effect = FaultPlan::Effect::kMarkClean});
  REQUIRE(file->WriteAt(0, "new").ok());
  CHECK(file->Sync().IsIoError());
  CHECK(machine.fs.Contents("a") == "new");
  CHECK(file->Sync().ok());
  CHECK(machine.AfterCut("a", PowerLoss::kKeepNothing) == "old");
  CHECK(machine.AfterCut("a", PowerLoss::kKeepEverything) == "new");
  // Writing a page again makes it dirty again.
  REQUIRE(file->WriteAt(0, "NEW").ok());
  CHECK(file->Sync().ok());
  CHECK(machine.AfterCut("a", PowerLoss::kKeepNothing) == "NEW");
}

TEST_CASE("planted lies report success and make nothing durable") {
  Machine machine;
  machine.plan.Add({.call = FileCall::kSyncDirectory,
                    .count = FaultPlan::kForEver,
                    .effect = FaultPlan::Effect::kPretend});
  machine.plan.Add({.call = FileCall::kSync,
                    .suffix = ".sst",
                    .count = FaultPlan::kForEver,
                    .effect = FaultPlan::Effect::kPretend});
  auto file = machine.Create("a.sst");
  REQUIRE(file->WriteAt(0, "data").ok());
  CHECK(file->Sync().ok());
  CHECK(machine.fs.SyncDirectory("").ok());
  CHECK(machine.AfterCut("a.sst", PowerLoss::kKeepNothing) == "(none)");
  machine.fs.SetInterceptor(nullptr);
  CHECK(machine.fs.SyncDirectory("").ok());
  CHECK(machine.AfterCut("a.sst", PowerLoss::kKeepNothing).empty());
}

TEST_CASE("the trace tells what was changed, in words") {
  Machine machine;
  REQUIRE(machine.fs.CreateDirectory("/db").ok());
  machine.plan.StartTrace(FaultPlan::Trace::kRanges);
  const auto work = [&machine](const std::string& name) {
    auto file = machine.Create("/db/" + name + ".tmp");
    REQUIRE(file->Allocate(4096).ok());
    REQUIRE(file->WriteAt(0, "ab").ok());
    REQUIRE(file->WriteAt(2, "c").ok());
    REQUIRE(file->Sync().ok());
    REQUIRE(machine.fs.Rename("/db/" + name + ".tmp", "/db/" + name).ok());
    REQUIRE(machine.fs.SyncDirectory("/db").ok());
    REQUIRE(file->Truncate(1).ok());
    REQUIRE(file->Close().ok());
  };
  work("A");
  CHECK(machine.plan.TakeTrace() ==
        std::vector<std::string>{"create A.tmp", "allocate A.tmp 0+4096", "write A.tmp 0+2",
                                 "write A.tmp 2+1", "sync A.tmp", "rename A.tmp A", "syncdir db",
                                 "truncate A 0+1"});
  machine.plan.StartTrace(FaultPlan::Trace::kNames);
  work("B");
  CHECK(machine.plan.TakeTrace() ==
        std::vector<std::string>{"create B.tmp", "allocate B.tmp", "write B.tmp", "sync B.tmp",
                                 "rename B.tmp B", "syncdir db", "truncate B"});
}

TEST_CASE("the hook sees every change with its ordinal before it happens, and may refuse it") {
  Machine machine;
  std::vector<std::string> seen;
  machine.plan.SetHook([&](const FileCallInfo& info, uint64_t ordinal) {
    seen.push_back(std::to_string(ordinal) + " " + std::string(ToString(info.call)));
    // An image can be taken here: it is what a cut before this call leaves.
    if (info.call == FileCall::kWrite) {
      CHECK(machine.AfterCut("a", PowerLoss::kKeepEverything).empty());
    }
    return ordinal == 3 ? Status::IoError("refused") : Status::Ok();
  });
  auto file = machine.Create("a");
  CHECK(file->WriteAt(0, "x").ok());
  CHECK(file->Sync().message() == "refused");
  CHECK(file->Sync().ok());
  CHECK(machine.fs.Exists("a").ok());
  CHECK(seen == std::vector<std::string>{"1 create", "2 write", "3 sync", "4 sync"});
  CHECK(machine.plan.calls() == 4);
}

TEST_CASE("when the power is cut the chosen call is the last, and everything fails after it") {
  for (uint64_t last = 0; last <= 4; ++last) {
    CAPTURE(last);
    Machine machine;
    auto file = machine.Create("a");  // call 1
    REQUIRE(machine.fs.SyncDirectory("").ok());
    machine.plan.CutPowerAfter(2 + last);
    int done = 0;
    for (int i = 0; i < 6; ++i) {
      if (file->WriteAt(static_cast<uint64_t>(i), "x").ok()) ++done;
    }
    CHECK(done == static_cast<int>(last));
    CHECK(machine.plan.power_is_off());
    CHECK(machine.fs.Contents("a").size() == last);
    for (const Status& status :
         {file->Sync(), file->Close(), machine.fs.OpenForRead("a", AccessPattern::kRandom).status(),
          machine.fs.Exists("a").status(), machine.fs.Lock("b").status()}) {
      CHECK(status.IsIoError());
      CHECK(status.message().ends_with("power is off"));
    }
    CHECK(machine.AfterCut("a", PowerLoss::kKeepEverything).size() == last);
  }
}

TEST_CASE("a power cut within a write leaves the first bytes of it, and nothing works after it") {
  for (uint64_t tear = 0; tear <= 6; ++tear) {
    CAPTURE(tear);
    Machine machine;
    auto file = machine.Create("a");  // call 1
    REQUIRE(machine.fs.SyncDirectory("").ok());
    machine.plan.CutPowerWithin(4, tear);
    CHECK(file->WriteAt(0, "first").ok());
    CHECK(!machine.plan.power_is_off());
    CHECK(!file->WriteAt(5, "then").ok());
    CHECK(machine.plan.power_is_off());
    CHECK(!file->WriteAt(9, "more").ok());
    CHECK(!file->Sync().ok());
    CHECK(machine.fs.Contents("a").size() == 5 + tear % 5);
    machine.plan.CutPowerAfter(FaultPlan::kForEver);
    CHECK(file->Sync().ok());
  }
}

TEST_CASE("a fault may be meant for calls that change nothing, too, and is counted") {
  Machine machine;
  auto file = machine.Create("a");
  machine.plan.Add({.any_call = true, .first = 2});
  CHECK(machine.fs.Exists("a").ok());
  CHECK(machine.plan.faults_met() == 0);
  CHECK(machine.fs.FileSize("a").status().IsIoError());
  CHECK(machine.plan.faults_met() == 1);
  CHECK(machine.fs.FileSize("a").ok());
  CHECK(machine.plan.faults_met() == 1);
}

TEST_CASE("with write-back in between, a cut may leave what no sync has asked for") {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Machine machine;
    machine.plan.WriteBackInBetween(&machine.fs, seed, 2);
    auto file = machine.Create("a");
    for (const char* version : {"1", "2", "3"}) REQUIRE(file->WriteAt(0, version).ok());
    outcomes.insert(machine.AfterCut("a", PowerLoss::kKeepNothing));
  }
  CHECK(outcomes.contains("(none)"));
  CHECK(outcomes.contains("1"));
  CHECK(outcomes.contains("2"));
}

}  // namespace lsm
