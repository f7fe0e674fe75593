// SPDX-License-Identifier: BSD-3-Clause
// Edits that are made durable, that do not fit, and that fail to be written.

#include "lsm/db/manifest_log.h"

#include <string>

#include "doctest/doctest.h"
#include "tests/support/fault_plan.h"
#include "tests/support/mem_file_system.h"

namespace lsm {
namespace {

constexpr char kDirectory[] = "db";

std::string Text(const ManifestState& state) { return state.Snapshot().DebugString(); }

FileMetadata File(uint64_t number) {
  FileMetadata file;
  file.file = number;
  file.smallest_key = "a";
  file.largest_key = "z";
  return file;
}

VersionEdit Add(TreeId tree, uint64_t file) {
  VersionEdit edit;
  edit.added_files = {{tree, 0, File(file)}};
  return edit;
}

// A log whose state has trees 0, 1 and 2; file 5 is named by trees 1 and 2.
class Fixture {
 public:
  Fixture() : log_(&fs_, kDirectory) {
    REQUIRE(fs_.CreateDirectory(kDirectory).ok());
    ManifestState state;
    VersionEdit first;
    first.next_file_number = 10;
    first.created_trees = {0, 1, 2};
    first.added_files = {{1, 0, File(5)}, {2, 0, File(5)}};
    REQUIRE(state.Apply(first).ok());
    REQUIRE(log_.Start(1, std::move(state)).ok());
  }

  Status Record(const VersionEdit& edit) {
    return log_.Record(edit, [this] { return number_++; });
  }
  // What somebody finds who reads the directory now.
  std::string Recovered() {
    const Result<ManifestRecovery> found = RecoverManifest(&fs_, kDirectory);
    return found.ok() ? Text(found->state) : found.status().ToString();
  }
  ManifestLog* log() { return &log_; }
  MemFileSystem* fs() { return &fs_; }

 private:
  MemFileSystem fs_;
  ManifestLog log_;
  uint64_t number_ = 100;
};

TEST_CASE("a file is live as long as any tree names it") {
  Fixture fixture;
  CHECK(fixture.log()->IsLive(5));
  VersionEdit remove;
  remove.removed_files = {{1, 0, 5}};
  REQUIRE(fixture.Record(remove).ok());
  CHECK(fixture.log()->IsLive(5));
  REQUIRE(fixture.Record(Add(1, 6)).ok());
  VersionEdit drop;
  drop.dropped_trees = {2};
  REQUIRE(fixture.Record(drop).ok());
  CHECK(!fixture.log()->IsLive(5));
  CHECK(fixture.log()->IsLive(6));
  CHECK(fixture.Recovered() == Text(fixture.log()->state()));
}

TEST_CASE("a tree that the same edit creates and drops leaves nothing") {
  Fixture fixture;
  VersionEdit edit;
  edit.created_trees = {3};
  edit.dropped_trees = {3, 1};
  REQUIRE(fixture.Record(edit).ok());
  CHECK(fixture.log()->state().trees.size() == 2);
  CHECK(fixture.log()->IsLive(5));
}

TEST_CASE("an edit that does not fit changes nothing") {
  Fixture fixture;
  const std::string before = Text(fixture.log()->state());
  VersionEdit edit;
  edit.created_trees = {3};
  edit.flushed = {{1, 7, {1, 2, 3, 4}}};
  edit.removed_files = {{1, 0, 5}, {1, 0, 99}};
  edit.wal_synced_through = 9;
  CHECK(fixture.Record(edit).IsCorruption());
  CHECK(Text(fixture.log()->state()) == before);
  CHECK(fixture.Recovered() == before);
  CHECK(fixture.log()->IsLive(5));
  CHECK(!fixture.log()->uncertain());
}

TEST_CASE("an edit that cannot be written is part of the next manifest, or of nothing") {
  Fixture fixture;
  FaultPlan plan;
  fixture.fs()->SetInterceptor(&plan);
  SUBCASE("one call fails") {
    plan.Add({.call = FileCall::kWrite});
    REQUIRE(fixture.Record(Add(1, 6)).ok());
    CHECK(fixture.log()->number() == 100);
    CHECK(fixture.log()->IsLive(6));
  }
  SUBCASE("all calls fail for a while") {
    const std::string before = Text(fixture.log()->state());
    plan.Add({.call = FileCall::kWrite, .count = FaultPlan::kForEver});
    VersionEdit drop = Add(1, 6);
    drop.dropped_trees = {2};
    CHECK(!fixture.Record(drop).ok());
    CHECK(fixture.log()->uncertain());
    CHECK(Text(fixture.log()->state()) == before);
    CHECK(!fixture.log()->IsLive(6));
    plan.ClearFaults();
    REQUIRE(fixture.Record(drop).ok());
    CHECK(!fixture.log()->uncertain());
    CHECK(fixture.log()->IsLive(6));
  }
  fixture.fs()->SetInterceptor(nullptr);
  CHECK(fixture.Recovered() == Text(fixture.log()->state()));
}

TEST_CASE("new manifests that cannot be put in force do not pile up") {
  Fixture fixture;
  FaultPlan plan;
  fixture.fs()->SetInterceptor(&plan);
  const auto manifests = [&] {
    size_t count = 0;
    for (const std::string& path : fixture.fs()->Files()) {
      count += path.find("MANIFEST") != std::string::npos ? 1 : 0;
    }
    return count;
  };
  size_t allowed = 1;
  SUBCASE("they cannot be synced") {
    plan.Add({.call = FileCall::kSync, .count = FaultPlan::kForEver});
  }
  SUBCASE("CURRENT cannot be written") {
    plan.Add({.call = FileCall::kCreate, .suffix = ".tmp", .count = FaultPlan::kForEver});
    plan.Add({.call = FileCall::kWrite});
  }
  SUBCASE("the directory cannot be synced behind the switch") {
    plan.Add({.call = FileCall::kWrite});
    plan.Add({.call = FileCall::kSyncDirectory, .first = 2, .count = FaultPlan::kForEver});
    allowed = 2;  // CURRENT may name either
  }
  for (int i = 0; i < 20; ++i) CHECK(!fixture.Record(Add(1, 6)).ok());
  CHECK(manifests() == allowed);
  plan.ClearFaults();
  REQUIRE(fixture.Record(Add(1, 6)).ok());
  CHECK(manifests() == 1);
  fixture.fs()->SetInterceptor(nullptr);
  CHECK(fixture.Recovered() == Text(fixture.log()->state()));
}

}  // namespace
}  // namespace lsm
