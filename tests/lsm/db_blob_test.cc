// SPDX-License-Identifier: BSD-3-Clause
// Big values in a database: written apart, read by every way there is, collected when most of a
// file is garbage, and gone with the last record that points to them.

#include <set>

#include "doctest/doctest.h"
#include "lsm/format/file_names.h"
#include "tests/lsm/db_test_util.h"
#include "tests/support/fault_plan.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

constexpr size_t kBig = 1000;

Options BlobOptions() {
  Options options = SmallOptions();
  options.blob_value_size = kBig;
  options.compression = Compression::kNone;
  return options;
}

std::string Big(int i) {
  std::string value = std::to_string(i) + ":";
  value.resize(kBig + static_cast<size_t>(i % 7) * 100, static_cast<char>('a' + i % 26));
  return value;
}

std::set<std::string> BlobNames(TestDb* db) {
  std::set<std::string> names;
  const auto all = db->fs()->List(kDirectory);
  for (const std::string& name : *all) {
    if (name.ends_with(".blob")) names.insert(name);
  }
  return names;
}

void Fill(TestDb* db, int begin, int end) {
  for (int i = begin; i < end; ++i) REQUIRE(db->Put(Key(i), Big(i)).ok());
}

TEST_CASE("big values leave their records at the flush, and every read finds them") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 40);
  REQUIRE(db.Put("small", "stays").ok());
  REQUIRE(db->FlushAll().ok());
  const DbStats stats = db->Stats();
  CHECK(stats.blob_files >= 1);
  CHECK(stats.blob_bytes > 40 * kBig);
  CHECK(stats.blob_garbage_bytes < 200);  // the directory and the footer
  CHECK(stats.sst_bytes < 10'000);
  for (int round = 0; round < 2; ++round) {
    CHECK(db.Get("small") == "stays");
    const TestDb::Pairs pairs = db.Scan();
    REQUIRE(pairs.size() == 41);
    for (int i = 0; i < 40; ++i) {
      CHECK(db.Get(Key(i)) == Big(i));
      CHECK(pairs[static_cast<size_t>(i)].second == Big(i));
    }
    const auto view = db->NewReadView();
    const auto it = view->NewIterator(0, {});
    REQUIRE(it.ok());
    (*it)->SeekToLast();
    CHECK((*it)->value() == "stays");
    for (int i = 39; i >= 0; --i) {
      (*it)->Prev();
      REQUIRE((*it)->Valid());
      CHECK((*it)->value() == Big(i));
    }
    (*it)->Next();
    CHECK((*it)->value() == Big(1));
    REQUIRE(db->CompactTree(0).ok());
  }
}

TEST_CASE("values are where they were after a restart and in a checkpoint") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 30);
  REQUIRE(db->FlushAll().ok());
  Fill(&db, 20, 40);
  REQUIRE(db->Checkpoint("copy").ok());
  SUBCASE("closed") { REQUIRE(db.Reopen().ok()); }
  SUBCASE("killed") { REQUIRE(db.Kill().ok()); }
  for (int i = 0; i < 40; ++i) CHECK(db.Get(Key(i)) == Big(i));

  ManualExecutor executor;
  Options options = *db.options();
  options.executor = &executor;
  const auto copy = DB::Open(options, "copy");
  REQUIRE(copy.ok());
  const auto view = (*copy)->NewReadView();
  for (int i = 0; i < 40; ++i) CHECK(TestDb::GetFrom(view.get(), Key(i)) == Big(i));
}

TEST_CASE("blob files go when nothing points to them any more, a snapshot keeps them") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 40);
  REQUIRE(db->FlushAll().ok());
  REQUIRE(!BlobNames(&db).empty());
  std::unique_ptr<Snapshot> snapshot = db->NewSnapshot();
  for (int i = 0; i < 40; ++i) REQUIRE(db.Delete(Key(i)).ok());
  REQUIRE(db->CompactTree(0).ok());
  db.RunAll();
  {
    const auto view = db->NewReadView(*snapshot);
    for (int i = 0; i < 40; ++i) CHECK(TestDb::GetFrom(view.get(), Key(i)) == Big(i));
  }
  snapshot.reset();
  REQUIRE(db->CompactTree(0).ok());
  db.RunAll();
  CHECK(BlobNames(&db).empty());
  CHECK(db->Stats().blob_files == 0);
  CHECK(db->Stats().blob_bytes == 0);
}

TEST_CASE("a file of which most is garbage is written anew by the next compaction that meets it") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 60);
  REQUIRE(db->FlushAll().ok());
  const uint64_t before = db->Stats().blob_bytes;
  for (int i = 0; i < 60; ++i) {
    if (i % 4 != 0) REQUIRE(db.Delete(Key(i)).ok());
  }
  REQUIRE(db->CompactTree(0).ok());  // finds out what is garbage
  REQUIRE(db->CompactTree(0).ok());  // collects it
  db.RunAll();
  const DbStats stats = db->Stats();
  CHECK(stats.blob_bytes < before / 2);
  CHECK(stats.blob_garbage_bytes < stats.blob_bytes / 2);
  REQUIRE(db.Reopen().ok());
  for (int i = 0; i < 60; ++i) {
    CHECK(db.Get(Key(i)) == (i % 4 == 0 ? Big(i) : std::string("(absent)")));
  }
}

TEST_CASE("while nobody writes, values are collected from files that are mostly garbage") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 60);
  REQUIRE(db->FlushAll().ok());
  for (int i = 0; i < 60; ++i) {
    if (i % 4 != 0) REQUIRE(db.Delete(Key(i)).ok());
  }
  REQUIRE(db->CompactTree(0).ok());  // finds out what is garbage
  const uint64_t before = db->Stats().blob_bytes;
  REQUIRE(db->Stats().blob_garbage_bytes > before / 2);
  for (int tick = 0; tick < 4; ++tick) {
    db.RunAll();
    db.executor()->ReleaseDelayed();
  }
  db.RunAll();
  const DbStats stats = db->Stats();
  CHECK(stats.blob_bytes < before / 2);
  CHECK(stats.blob_garbage_bytes < stats.blob_bytes / 2);
  for (int i = 0; i < 60; ++i) {
    CHECK(db.Get(Key(i)) == (i % 4 == 0 ? Big(i) : std::string("(absent)")));
  }
}

TEST_CASE("a file whose values take less than their framing is not garbage") {
  Options options = BlobOptions();
  options.compression = Compression::kLz4;
  TestDb db(options);
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 50; ++i) REQUIRE(db.Put(Key(i), std::string(2000, 'v')).ok());
  REQUIRE(db->CompactTree(0).ok());
  const uint64_t written = db->Stats().compactions;
  for (int tick = 0; tick < 4; ++tick) {
    db.RunAll();
    db.executor()->ReleaseDelayed();
  }
  db.RunAll();
  CHECK(db->Stats().compactions == written);
}

TEST_CASE("forks share what they need of a blob file, after a restart too") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  const TreeId tree = db->NewTreeId();
  const TreeId fork = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(tree);
  for (int i = 0; i < 40; ++i) unit.Put(tree, Key(i), Big(i));
  REQUIRE(db->Write(unit, false).ok());
  REQUIRE(db->FlushAll().ok());
  for (int i = 0; i < 30; ++i) REQUIRE(db.Delete(Key(i), tree).ok());
  REQUIRE(db->CompactTree(tree).ok());
  WriteBatch forking;
  forking.ForkTree(fork, tree);
  REQUIRE(db->Write(forking, false).ok());
  size_t needed = 0;
  for (int i = 30; i < 40; ++i) needed += Big(i).size();
  const auto needed_bytes = [&db] {
    const DbStats stats = db->Stats();
    CHECK(stats.blob_garbage_bytes > 0);
    return stats.blob_bytes - stats.blob_garbage_bytes;
  };
  // Counted twice, what both sides need would hide that most of it is garbage.
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    CHECK(needed_bytes() >= needed);
    CHECK(needed_bytes() < needed + 10 * 20);  // their framing
    REQUIRE(db.Reopen().ok());
  }
  for (const TreeId side : {tree, fork}) {
    for (int i = 30; i < 40; ++i) CHECK(db.Get(Key(i), side) == Big(i));
  }
}

TEST_CASE("a walk that wants keys only reads no blob file") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 20);
  REQUIRE(db.Reopen().ok());
  FaultPlan plan;
  plan.Add({.call = FileCall::kOpenForRead,
            .suffix = ".blob",
            .count = FaultPlan::kForEver,
            .code = Status::Code::kIoError});
  db.fs()->SetInterceptor(&plan);
  const auto view = db->NewReadView();
  IterateOptions keys_only;
  keys_only.keys_only = true;
  const auto keys = view->NewIterator(0, keys_only);
  REQUIRE(keys.ok());
  int count = 0;
  for ((*keys)->SeekToFirst(); (*keys)->Valid(); (*keys)->Next()) ++count;
  CHECK((*keys)->status().ok());
  CHECK(count == 20);

  const auto values = view->NewIterator(0, {});
  REQUIRE(values.ok());
  (*values)->SeekToFirst();
  CHECK(!(*values)->Valid());
  CHECK((*values)->status().IsIoError());
  CHECK(!view->Get(0, Key(3)).ok());
  db.fs()->SetInterceptor(nullptr);
}

TEST_CASE("a read in memory only misses a value, and finds it once it is fetched") {
  TestDb db(BlobOptions());
  db.options()->block_cache_size = 0;
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 20);
  REQUIRE(db.Reopen().ok());
  const auto view = db->NewReadView();
  view->SetMemoryOnly(true);
  std::vector<std::shared_ptr<ColdRead>> held;
  Result<Lookup> found = view->Get(0, Key(7));
  for (int fetches = 0; found.status().IsWouldBlock(); ++fetches) {
    REQUIRE(fetches < 4);  // the table, its block, the value
    held.push_back(view->TakeMissing());
    REQUIRE(held.back() != nullptr);
    Status fetched = Status::Aborted("not yet");
    db->Fetch(held.back(), [&fetched](const Status& status) { fetched = status; });
    db.RunAll();
    REQUIRE(fetched.ok());
    found = view->Get(0, Key(7));
  }
  REQUIRE(found.ok());
  REQUIRE(found->value.has_value());
  CHECK(found->value->view() == Big(7));
  CHECK(held.size() >= 2);

  const auto it = view->NewIterator(0, {});
  REQUIRE(it.ok());
  (*it)->Seek(Key(9));
  CHECK((*it)->status().IsWouldBlock());
  CHECK(view->TakeMissing() != nullptr);
}

TEST_CASE("a flush that fails half way leaves no blob file behind") {
  for (const FileCall call : {FileCall::kCreate, FileCall::kWrite, FileCall::kSync}) {
    for (const char* suffix : {".blob", ".sst"}) {
      CAPTURE(static_cast<int>(call));
      CAPTURE(suffix);
      TestDb db(BlobOptions());
      REQUIRE(db.Open().ok());
      Fill(&db, 0, 10);
      FaultPlan plan;
      plan.Add({.call = call, .suffix = suffix, .count = 1, .code = Status::Code::kIoError});
      db.fs()->SetInterceptor(&plan);
      CHECK(!db->FlushAll().ok());
      db.fs()->SetInterceptor(nullptr);
      CHECK(BlobNames(&db).empty());
      db.clock()->Advance(200'000);
      REQUIRE(db->FlushAll().ok());
      CHECK(BlobNames(&db).size() == 1);
      for (int i = 0; i < 10; ++i) CHECK(db.Get(Key(i)) == Big(i));
    }
  }
}

TEST_CASE("an open refuses a database whose blob file is gone or cut, and names it") {
  TestDb db(BlobOptions());
  REQUIRE(db.Open().ok());
  Fill(&db, 0, 10);
  REQUIRE(db.Close().ok());
  const std::string name = *BlobNames(&db).begin();
  const std::string path = std::string(kDirectory) + "/" + name;
  SUBCASE("gone") { REQUIRE(db.fs()->Remove(path).ok()); }
  SUBCASE("cut") {
    auto file = db.fs()->OpenForWrite(path);
    REQUIRE(file.ok());
    REQUIRE((*file)->Truncate(100).ok());
  }
  const Status status = db.Open();
  CHECK(status.IsCorruption());
  CHECK(status.message().find(name) != std::string_view::npos);
}

}  // namespace
}  // namespace lsm
