// SPDX-License-Identifier: BSD-3-Clause
// Check and repair on files that are whole by their checksums and say what is not so.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "lsm/format/file_names.h"
#include "lsm/sst/table_builder.h"
#include "lsm/tool/check.h"
#include "lsm/tool/repair.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_edit.h"
#include "lsm/wal/log_writer.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

const std::string kDirectory = "/db";
const std::string kRepaired = "/repaired";

class Lines final : public tool::Report {
 public:
  void Fault(std::string_view line) override { faults += std::string(line) + "\n"; }
  void Remark(std::string_view) override {}
  void Progress(uint64_t, uint64_t) override {}
  std::string faults;
};

class Place {
 public:
  Place() { REQUIRE(fs.CreateDirectory(kDirectory).ok()); }

  Options DbOptions() {
    Options options;
    options.file_system = &fs;
    options.clock = &clock_;
    options.executor = &executor_;
    options.blob_value_size = 100;
    options.compression = Compression::kNone;
    return options;
  }
  // A database whose values are in a blob file.
  void MakeDatabase(int keys = 10) {
    auto db = DB::Open(DbOptions(), kDirectory);
    REQUIRE(db.ok());
    WriteBatch unit;
    const int first = keys == 10 ? 0 : 1000;
    for (int i = first; i < first + keys; ++i) {
      unit.Put(0, "key" + std::to_string(i), std::string(200, static_cast<char>('0' + i % 10)));
    }
    REQUIRE((*db)->Write(unit, false).ok());
    REQUIRE((*db)->FlushAll().ok());
    REQUIRE((*db)->Close().ok());
  }
  std::string FileWith(std::string_view suffix) {
    for (const std::string& path : fs.Files()) {
      if (path.ends_with(suffix)) return path;
    }
    FAIL("no such file");
    return "";
  }
  static uint64_t NumberOf(const std::string& path) {
    uint64_t number = 0;
    static_cast<void>(ParseFileName(path.substr(path.rfind('/') + 1), &number));
    return number;
  }
  // Number 1, 2, ... of a directory without a manifest.
  void WriteTable(uint64_t number, const std::map<TreeId, SstRecords>& trees) {
    REQUIRE(WriteSst(&fs, SstFileName(kDirectory, number), number, {}, trees).ok());
  }
  tool::RepairResult Repair() {
    const auto repaired = tool::RepairDatabase(DbOptions(), kDirectory, kRepaired, &lost);
    REQUIRE_MESSAGE(repaired.ok(), repaired.status().ToString());
    Lines none;
    const auto checked = tool::CheckDatabase(&fs, kRepaired, &none);
    REQUIRE(checked.ok());
    CHECK_MESSAGE(checked->faults == 0, none.faults);
    return *repaired;
  }
  std::string Read(TreeId tree, std::string_view key) {
    auto db = DB::Open(DbOptions(), kRepaired);
    REQUIRE(db.ok());
    const auto view = (*db)->NewReadView();
    const Result<Lookup> found = view->Get(tree, key);
    if (!found.ok()) return found.status().ToString();
    return found->value ? std::string(found->value->view()) : "(absent)";
  }

  MemFileSystem fs;
  Lines lost;

 private:
  ManualClock clock_;
  ManualExecutor executor_;
};

}  // namespace

TEST_CASE("check does not take a file of values for an SST file") {
  Place place;
  place.MakeDatabase();
  const std::string table = place.FileWith(".sst");
  const uint64_t number = Place::NumberOf(table);
  const uint64_t size = *place.fs.FileSize(table);
  // Without slices, whole, and as long as the manifest says.
  std::string contents;
  for (size_t filler = 0; contents.size() != size; ++filler) {
    REQUIRE(filler < size);
    auto file = place.fs.Create(table, /*truncate=*/true);
    REQUIRE(file.ok());
    TableBuilder builder({.compression = Compression::kNone}, std::move(*file), number);
    REQUIRE(builder.AddValue(std::string(filler, 'x')).ok());
    REQUIRE(builder.Finish().ok());
    contents = place.fs.Contents(table);
  }
  Lines lines;
  const auto checked = tool::CheckDatabase(&place.fs, kDirectory, &lines);
  REQUIRE(checked.ok());
  CHECK(checked->faults == 1);
  CHECK(lines.faults.find(table + ": footer at offset ") != std::string::npos);
  CHECK(lines.faults.find("it has no slice; keys of tree 0 from \"key0\" to \"key9\"") !=
        std::string::npos);
}

TEST_CASE("check follows every record to its value") {
  Place place;
  place.MakeDatabase();
  const std::string blobs = place.FileWith(".blob");
  const uint64_t number = Place::NumberOf(blobs);
  Lines lines;
  SUBCASE("a value that is not whole is named by its key") {
    place.fs.Damage(blobs, 0, 0x55);
    const auto checked = tool::CheckDatabase(&place.fs, kDirectory, &lines);
    REQUIRE(checked.ok());
    CHECK(checked->faults == 2);
    CHECK(lines.faults.find("key \"key0\" of tree 0: no whole value is at offset 0 of ") !=
          std::string::npos);
  }
  SUBCASE("values that are elsewhere are not found") {
    // Another file, whole, of the same size: one value instead of ten.
    const uint64_t size = *place.fs.FileSize(blobs);
    std::string contents;
    for (size_t filler = size / 2; contents.size() != size; ++filler) {
      REQUIRE(filler < size);
      auto file = place.fs.Create(blobs, /*truncate=*/true);
      REQUIRE(file.ok());
      TableBuilder builder({.compression = Compression::kNone}, std::move(*file), number);
      REQUIRE(builder.AddValue(std::string(filler, 'x')).ok());
      REQUIRE(builder.Finish().ok());
      contents = place.fs.Contents(blobs);
    }
    const auto checked = tool::CheckDatabase(&place.fs, kDirectory, &lines);
    REQUIRE(checked.ok());
    CHECK_MESSAGE(checked->faults == 10, lines.faults);
  }
}

TEST_CASE("check names some of the keys whose values are lost, and counts the others") {
  Place place;
  place.MakeDatabase(3000);
  REQUIRE(place.fs.Remove(place.FileWith(".blob")).ok());
  Lines lines;
  const auto checked = tool::CheckDatabase(&place.fs, kDirectory, &lines);
  REQUIRE(checked.ok());
  CHECK(checked->faults == 3001);
  CHECK(std::count(lines.faults.begin(), lines.faults.end(), '\n') == 102);
  CHECK(lines.faults.find("key \"key1000\" of tree 0: no whole value") != std::string::npos);
  CHECK(lines.faults.find(": 2900 more keys without a whole value") != std::string::npos);
}

TEST_CASE("repair copes with the largest sequence number there is") {
  Place place;
  place.WriteTable(1, {{0,
                        {{"a", kMaxSequence, RecordType::kValue, "newest"},
                         {"a", 7, RecordType::kValue, "older"},
                         {"b", 8, RecordType::kValue, "other"}}}});
  CHECK(place.Repair().records == 2);
  CHECK(place.Read(0, "a") == "newest");
  CHECK(place.Read(0, "b") == "other");
  auto db = DB::Open(place.DbOptions(), kRepaired);
  REQUIRE(db.ok());
  WriteBatch unit;
  unit.Put(0, "c", "new");
  CHECK((*db)->Write(unit, true).ok());
}

TEST_CASE("repair does not believe in trees whose numbers cannot be") {
  Place place;
  place.WriteTable(1, {{0, {{"a", 1, RecordType::kValue, "kept"}}},
                       {kMaxTreeId - 2, {{"b", 2, RecordType::kValue, "lost"}}},
                       {4'294'967'290, {{"b", 2, RecordType::kValue, "lost"}}}});
  auto log = LogWriter::Prepare(&place.fs, kDirectory, 2, 4096, "");
  REQUIRE(log.ok());
  LogPosition position{2, 0};
  const auto append = [&](const WriteBatch& unit) {
    std::string payload;
    LogWriter::FrameUnit(&payload, unit.count(), unit.rep());
    LogWriter::Group group;
    group.payload = payload;
    group.first_sequence = position.last_sequence + 1;
    group.units = 1;
    REQUIRE((*log)->AddGroup(group, &position).ok());
  };
  WriteBatch unit;
  unit.Put(3'999'999'999, "c", "lost");
  append(unit);
  unit.Clear();
  unit.Put(0, "d", "kept");
  append(unit);
  REQUIRE((*log)->Sync().ok());
  CHECK(place.Repair().losses >= 3);
  CHECK(place.lost.faults.find("tree " + std::to_string(kMaxTreeId - 2)) != std::string::npos);
  CHECK(place.lost.faults.find("tree 4294967290") != std::string::npos);
  CHECK(place.lost.faults.find("tree 3999999999") != std::string::npos);
  CHECK(place.Read(0, "a") == "kept");
  CHECK(place.Read(0, "d") == "kept");
}

TEST_CASE("repair makes a database that opens of a manifest whose trees are near their end") {
  Place place;
  ManifestState state;
  state.next_file_number = 4;
  state.next_tree_id = kMaxTreeId;
  state.trees[0].counters = {5};
  state.trees[kMaxTreeId - 1].counters = {7};
  state.log_start.last_sequence = 4;
  REQUIRE(ManifestWriter::Create(&place.fs, kDirectory, 3, state).ok());
  CHECK(place.Repair().trees == 1);
  CHECK(place.lost.faults.find("tree " + std::to_string(kMaxTreeId - 1)) != std::string::npos);
  auto db = DB::Open(place.DbOptions(), kRepaired);
  REQUIRE(db.ok());
  CHECK(*(*db)->NewReadView()->Counters(0) == TreeCounters{5});
  const TreeId tree = (*db)->NewTreeId();
  WriteBatch unit;
  unit.CreateTree(tree);
  REQUIRE((*db)->Write(unit, true).ok());
  db->reset();
  db = DB::Open(place.DbOptions(), kRepaired);
  REQUIRE(db.ok());
  CHECK((*db)->Trees() == std::vector<TreeId>{0, tree});
}

TEST_CASE("repair keeps keys in order though files are said to hold other ranges than they do") {
  Place place;
  place.WriteTable(1,
                   {{0, {{"a", 1, RecordType::kValue, "1"}, {"m", 2, RecordType::kValue, "2"}}}});
  place.WriteTable(2,
                   {{0, {{"c", 3, RecordType::kValue, "3"}, {"z", 4, RecordType::kValue, "4"}}}});
  // A manifest that says of the first file that it ends before the second begins.
  ManifestState state;
  state.next_file_number = 4;
  const auto file = [&](uint64_t number, std::string smallest, std::string largest) {
    FileMetadata meta;
    meta.file = number;
    meta.file_size = *place.fs.FileSize(SstFileName(kDirectory, number));
    meta.slice_size = meta.file_size;
    meta.entries = 2;
    meta.smallest_sequence = 2 * number - 1;
    meta.largest_sequence = 2 * number;
    meta.smallest_key = std::move(smallest);
    meta.largest_key = std::move(largest);
    return meta;
  };
  state.trees[0].levels[1] = {file(1, "a", "b"), file(2, "c", "z")};
  state.trees[0].flushed_through = 4;
  state.log_start.last_sequence = 4;
  REQUIRE(ManifestWriter::Create(&place.fs, kDirectory, 3, state).ok());
  const tool::RepairResult repaired = place.Repair();
  CHECK_MESSAGE(repaired.losses == 1, place.lost.faults);
  CHECK(place.lost.faults.find("000001.sst: keys outside of the range") != std::string::npos);
  CHECK(place.Read(0, "a") == "1");
  CHECK(place.Read(0, "c") == "3");
  CHECK(place.Read(0, "z") == "4");
}

}  // namespace lsm
