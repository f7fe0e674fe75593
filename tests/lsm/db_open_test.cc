// SPDX-License-Identifier: BSD-3-Clause
// Opening: what becomes a database, what is refused, what is cleaned up.

#include <map>

#include "doctest/doctest.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_writer.h"
#include "tests/lsm/db_test_util.h"

namespace lsm {
namespace {

using db_test::kDirectory;
using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

// A database with records in files and in the log, closed without a flush.
void Populate(TestDb* db) {
  db->options()->flush_on_close = false;
  REQUIRE(db->Open().ok());
  for (int i = 0; i < 100; ++i) REQUIRE(db->Put(Key(i), "v").ok());
  REQUIRE((*db)->FlushAll().ok());
  for (int i = 100; i < 150; ++i) REQUIRE(db->Put(Key(i), "v").ok());
  REQUIRE(db->Close().ok());
}

std::vector<std::string> FilesOfKind(TestDb* db, FileKind kind) {
  std::vector<std::string> found;
  for (const std::string& path : db->fs()->Files()) {
    uint64_t number = 0;
    if (ParseFileName(path.substr(path.rfind('/') + 1), &number) == kind) found.push_back(path);
  }
  return found;
}

TEST_CASE("a level that zstd does not have is refused, and a higher one makes files smaller") {
  uint64_t bytes[2] = {};
  const int levels[] = {1, 19};
  for (const int round : {0, 1}) {
    TestDb db;
    for (const int level : {-1, 0, 20}) {
      CAPTURE(level);
      db.options()->zstd_level = level;
      CHECK(db.Open().IsInvalidArgument());
    }
    db.options()->zstd_level = levels[round];
    db.options()->compression = Compression::kZstd;
    db.options()->block_size = 16384;
    REQUIRE(db.Open().ok());
    Random random(1);
    for (int i = 0; i < 500; ++i) {
      std::string value;
      for (int word = 0; word < 20; ++word) {
        value += "word" + std::to_string(random.Uniform(300)) + " ";
      }
      REQUIRE(db.Put(Key(i), value).ok());
    }
    REQUIRE(db->FlushAll().ok());
    bytes[round] = db->Stats().sst_bytes;
  }
  CHECK(bytes[1] < bytes[0]);
}

TEST_CASE("a directory with somebody else's file is refused by that file's name, and left alone") {
  TestDb db;
  REQUIRE(db.fs()->CreateDirectory(kDirectory).ok());
  db.fs()->SetContents("db/dump.rdb", "precious");
  const Status opened = db.Open();
  CHECK(opened.IsInvalidArgument());
  CHECK(opened.ToString().find("dump.rdb") != std::string::npos);
  CHECK(db.fs()->Files() == std::vector<std::string>{"db/dump.rdb"});
}

TEST_CASE("numbers from which nobody can count on are refused before anything is written") {
  TestDb db;
  Populate(&db);
  Status::Code expected = Status::Code::kCorruption;
  SUBCASE("a name that is no file's of ours") {
    db.fs()->SetContents("db/18446744073709551615.sst", "x");
    expected = Status::Code::kInvalidArgument;
  }
  SUBCASE("one that leaves no room") {
    db.fs()->SetContents("db/" + std::to_string(kMaxFileNumber) + ".sst", "x");
  }
  SUBCASE("a tree") {
    const Result<ManifestRecovery> manifest = RecoverManifest(db.fs(), kDirectory);
    REQUIRE(manifest.ok());
    ManifestState state = manifest->state;
    state.next_tree_id = kMaxNextTreeId + 1;
    REQUIRE(ManifestWriter::Create(db.fs(), kDirectory, 900, state).ok());
  }
  const auto files = [&db] {
    std::map<std::string, std::string> contents;
    for (const std::string& path : db.fs()->Files()) contents[path] = db.fs()->Contents(path);
    return contents;
  };
  const auto before = files();
  CHECK(db.Open().code() == expected);
  CHECK(files() == before);
}

TEST_CASE("a tree of the log after which there is no room for new ones is refused") {
  for (const bool fits : {false, true}) {
    CAPTURE(fits);
    TestDb db;
    REQUIRE(db.fs()->CreateDirectory(kDirectory).ok());
    auto log = LogWriter::Prepare(db.fs(), kDirectory, 2, 4096, "");
    REQUIRE(log.ok());
    WriteBatch unit;
    unit.CreateTree(kMaxNextTreeId - (fits ? 1 : 0));
    std::string payload;
    LogWriter::FrameUnit(&payload, unit.count(), unit.rep());
    LogWriter::Group group;
    group.payload = payload;
    group.first_sequence = 1;
    group.units = 1;
    LogPosition position;
    REQUIRE((*log)->AddGroup(group, &position).ok());
    REQUIRE((*log)->Sync().ok());
    ManifestState state;
    state.next_file_number = 4;
    state.trees[0];
    state.logs = {2};
    REQUIRE(ManifestWriter::Create(db.fs(), kDirectory, 3, state).ok());
    const Status opened = db.Open();
    CHECK_MESSAGE(opened.ok() == fits, opened.ToString());
    if (fits) {
      CHECK(db.Reopen().ok());
    } else {
      CHECK(opened.IsCorruption());
      CHECK(opened.ToString().find(std::to_string(kMaxNextTreeId)) != std::string::npos);
    }
  }
}

TEST_CASE("an absent directory is made only if that is asked for") {
  TestDb db;
  db.options()->create_if_missing = false;
  CHECK(db.Open().IsNotFound());
  REQUIRE(db.fs()->CreateDirectory(kDirectory).ok());
  CHECK(db.Open().IsNotFound());
  db.options()->create_if_missing = true;
  CHECK(db.Open().ok());
}

TEST_CASE("a directory is open once") {
  TestDb db;
  REQUIRE(db.Open().ok());
  Options options = *db.options();
  CHECK(DB::Open(options, kDirectory).status().IsBusy());
}

TEST_CASE("a lost CURRENT, manifest, segment or SST file refuses the open and is named") {
  for (const FileKind kind :
       {FileKind::kCurrent, FileKind::kManifest, FileKind::kWal, FileKind::kSst}) {
    CAPTURE(static_cast<int>(kind));
    TestDb db;
    Populate(&db);
    const std::vector<std::string> files = FilesOfKind(&db, kind);
    REQUIRE_FALSE(files.empty());
    for (const std::string& path : files) {
      const std::string bytes = db.fs()->Contents(path);
      db.fs()->Delete(path);
      const Status opened = db.Open();
      CHECK(opened.IsCorruption());
      const std::string name = path.substr(path.rfind('/') + 1);
      CHECK_MESSAGE(opened.ToString().find(name) != std::string::npos, opened.ToString());
      db.fs()->SetContents(path, bytes);
    }
    REQUIRE(db.Open().ok());
    CHECK(db.Scan().size() == 150);
  }
}

TEST_CASE("a lost CURRENT is noticed even when nothing but the manifest is left") {
  TestDb db;
  REQUIRE(db.Open().ok());
  REQUIRE(db.Close().ok());
  db.fs()->Delete("db/CURRENT");
  const Status opened = db.Open();
  CHECK(opened.IsCorruption());
  CHECK(opened.ToString().find("MANIFEST-000001") != std::string::npos);
}

TEST_CASE("an SST file that is shorter or longer than the manifest says refuses the open") {
  for (const bool longer : {false, true}) {
    TestDb db;
    Populate(&db);
    const std::string path = FilesOfKind(&db, FileKind::kSst).at(0);
    std::string bytes = db.fs()->Contents(path);
    if (longer) {
      bytes += "x";
    } else {
      bytes.pop_back();
    }
    db.fs()->SetContents(path, bytes);
    const Status opened = db.Open();
    CHECK(opened.IsCorruption());
    CHECK(opened.ToString().find(path) != std::string::npos);
  }
}

TEST_CASE("after a clean stop a log that lost its end is corruption, not a crash's tail") {
  TestDb db;
  Populate(&db);
  // Behind the last group only zeros are left of the segment: cut the group itself.
  std::string last;
  for (const std::string& path : FilesOfKind(&db, FileKind::kWal)) {
    if (db.fs()->Contents(path).find(Key(149)) != std::string::npos) last = path;
  }
  REQUIRE_FALSE(last.empty());
  std::string bytes = db.fs()->Contents(last);
  bytes.resize(bytes.rfind(Key(149)));
  db.fs()->SetContents(last, bytes);
  const Status opened = db.Open();
  CHECK(opened.IsCorruption());
  CHECK_MESSAGE(opened.ToString().find("offset") != std::string::npos, opened.ToString());
}

TEST_CASE("orphans are removed: temporary files, and files that no manifest names") {
  TestDb db;
  Populate(&db);
  db.fs()->SetContents("db/000777.sst", "unfinished");
  db.fs()->SetContents("db/CURRENT.tmp", "unfinished");
  db.fs()->SetContents("db/MANIFEST-000778", "unfinished");
  db.fs()->SetContents("db/000779.wal", "unfinished");
  REQUIRE(db.Open().ok());
  db.RunAll();
  for (const std::string& path : db.fs()->Files()) {
    CHECK(path.find("000777") == std::string::npos);
    CHECK(path.find(".tmp") == std::string::npos);
    CHECK(path.find("MANIFEST-000778") == std::string::npos);
    CHECK(path.find("000779") == std::string::npos);
  }
  CHECK(FilesOfKind(&db, FileKind::kManifest).size() == 1);
  CHECK(db.Scan().size() == 150);
  // Their numbers are not taken again.
  REQUIRE(db->FlushAll().ok());
  for (const std::string& path : FilesOfKind(&db, FileKind::kSst)) CHECK(path != "db/000777.sst");
}

TEST_CASE("replay flushes on its way when the log holds more than the write budget") {
  TestDb db;
  db.options()->flush_on_close = false;
  db.options()->memtable_size = size_t{1} << 20;
  db.options()->write_buffer_budget = size_t{2} << 20;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 4000; ++i) {
    WriteBatch unit;
    unit.Put(0, Key(i), std::string(200, 'v'));
    unit.AddCounter(0, 0, 1);
    REQUIRE(db->Write(unit, false).ok());
  }
  db.options()->write_buffer_budget = size_t{256} << 10;
  for (int round = 0; round < 2; ++round) {
    REQUIRE(db.Kill().ok());
    CHECK(db->Stats().memtable_bytes <= size_t{256} << 10);
    CHECK(db->Stats().sst_files > 1);
    CHECK(db.Scan().size() == 4000);
    CHECK(db.Counters()[0] == 4000);
  }
}

TEST_CASE("tree ids never come back, whatever happened to the trees") {
  TestDb db;
  REQUIRE(db.Open().ok());
  TreeId last = 0;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 100; ++i) {
      const TreeId tree = db->NewTreeId();
      REQUIRE(tree > last);
      last = tree;
    }
    WriteBatch unit;
    unit.CreateTree(last);
    unit.Put(last, "k", "v");
    REQUIRE(db->Write(unit, false).ok());
    WriteBatch drop;
    drop.DropTree(last);
    REQUIRE(db->Write(drop, true).ok());
    const Status opened =
        round % 2 == 0 ? db.Reopen() : db.CutPower(nullptr, PowerLoss::kKeepNothing);
    REQUIRE(opened.ok());
    CHECK(db->Trees() == std::vector<TreeId>{0});
  }
}

TEST_CASE("a dropped tree's files go when no view or snapshot can see it any more") {
  TestDb db;
  REQUIRE(db.Open().ok());
  const TreeId tree = db->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(tree);
  for (int i = 0; i < 100; ++i) unit.Put(tree, Key(i), "v");
  REQUIRE(db->Write(unit, false).ok());
  REQUIRE(db->Flush(tree).ok());
  REQUIRE(FilesOfKind(&db, FileKind::kSst).size() == 1);
  auto snapshot = db->NewSnapshot();
  WriteBatch drop;
  drop.DropTree(tree);
  REQUIRE(db->Write(drop, false).ok());
  db.RunAll();
  CHECK(db->NewReadView()->Get(tree, Key(1)).status().IsNotFound());
  CHECK(TestDb::GetFrom(db->NewReadView(*snapshot).get(), Key(1), tree) == "v");
  CHECK(FilesOfKind(&db, FileKind::kSst).size() == 1);
  snapshot.reset();
  db.RunAll();
  CHECK(FilesOfKind(&db, FileKind::kSst).empty());
  REQUIRE(db.Kill().ok());
  CHECK(db->Trees() == std::vector<TreeId>{0});
}

}  // namespace
}  // namespace lsm
