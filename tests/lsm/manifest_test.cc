// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/version/manifest.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"
#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "tests/support/golden.h"
#include "tests/support/mem_file_system.h"

namespace lsm {
namespace {

constexpr char kDirectory[] = "db";

// The state as text, to compare by.
std::string Text(const ManifestState& state) { return state.Snapshot().DebugString(); }

FileMetadata File(uint64_t number, const std::string& smallest, const std::string& largest) {
  return {number, 7, number * 1000, number * 900, 10, 1, number, number + 5, smallest, largest, {}};
}

VersionEdit FirstEdit() {
  VersionEdit edit;
  edit.next_file_number = 5;
  edit.added_logs = {3};
  edit.created_trees = {0, 7};
  return edit;
}

// A flush into L0, as a database does one.
VersionEdit FlushEdit(uint64_t file) {
  VersionEdit edit;
  edit.wal_synced_through = file * 10;
  edit.flushed = {{7, file * 10, {static_cast<int64_t>(file), 0, 0, 0}}};
  edit.added_files = {{7, 0, File(file, "a", "z")}};
  return edit;
}

void MakeDirectory(FileSystem* fs) {
  REQUIRE(fs->CreateDirectory(kDirectory).ok());
  REQUIRE(fs->SyncDirectory("").ok());
}

// A manifest 4 with a first state and two flushes. Returns the state after each edit.
std::vector<std::string> MakeManifest(MemFileSystem* fs) {
  MakeDirectory(fs);
  ManifestState state;
  REQUIRE(state.Apply(FirstEdit()).ok());
  std::vector<std::string> states = {Text(state)};
  auto writer = ManifestWriter::Create(fs, kDirectory, 4, state);
  REQUIRE(writer.ok());
  for (const uint64_t file : {uint64_t{5}, uint64_t{6}}) {
    REQUIRE((*writer)->Append(FlushEdit(file)).ok());
    REQUIRE(state.Apply(FlushEdit(file)).ok());
    states.push_back(Text(state));
  }
  return states;
}

// Where each edit of the manifest begins, and its end.
std::vector<uint64_t> EditOffsets(FileSystem* fs, uint64_t number) {
  std::vector<uint64_t> offsets;
  const auto end =
      DumpManifest(fs, ManifestFileName(kDirectory, number),
                   [&offsets](uint64_t offset, const VersionEdit&) { offsets.push_back(offset); });
  REQUIRE(end.ok());
  offsets.push_back(end->offset);
  return offsets;
}

}  // namespace

TEST_CASE("a manifest's edits add up to the state that is recovered") {
  MemFileSystem fs;
  const std::vector<std::string> states = MakeManifest(&fs);
  const Result<ManifestRecovery> recovery = RecoverManifest(&fs, kDirectory);
  REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
  CHECK(recovery->number == 4);
  CHECK_FALSE(recovery->tail_cut);
  CHECK(Text(recovery->state) == states.back());
  const ManifestState::Tree& tree = recovery->state.trees.at(7);
  CHECK(tree.flushed_through == 60);
  CHECK(tree.counters[0] == 6);
  REQUIRE(tree.levels[0].size() == 2);
  CHECK(tree.levels[0][0].file == 5);
  CHECK(tree.levels[0][1].file == 6);
  CHECK(recovery->state.next_file_number == 7);
  CHECK(recovery->state.next_tree_id == 8);
}

TEST_CASE("a snapshot of a state makes that state out of nothing") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ManifestState state;
    VersionEdit edit;
    edit.next_file_number = 100;
    edit.log_start = LogPosition{random.Uniform(1000), random.Next64()};
    edit.structural_through = random.Uniform(1000);
    for (TreeId tree = 0; tree < 5; ++tree) {
      edit.created_trees.push_back(tree);
      edit.flushed.push_back({tree, random.Uniform(1000), {1, 2, -3, 4}});
      for (int i = 0; i < 10; ++i) {
        const std::string key(1, static_cast<char>('a' + i));
        const int level = static_cast<int>(random.Uniform(kMaxLevels));
        edit.added_files.push_back({tree, level, File(50 + random.Next32() % 1000000, key, key)});
      }
    }
    edit.clean_stop = random.Uniform(2) * 77;
    REQUIRE(state.Apply(edit).ok());
    std::string bytes;
    state.Snapshot().EncodeTo(&bytes);
    const Result<VersionEdit> snapshot = VersionEdit::Decode(bytes);
    REQUIRE(snapshot.ok());
    ManifestState again;
    REQUIRE(again.Apply(*snapshot).ok());
    CHECK(Text(again) == Text(state));
  }
}

TEST_CASE("the mark of a clean stop is taken back by the next edit") {
  ManifestState state;
  VersionEdit stop;
  stop.clean_stop = 12;
  REQUIRE(state.Apply(stop).ok());
  CHECK(state.clean_stop == 12);
  CHECK(state.Snapshot().clean_stop == 12);
  REQUIRE(state.Apply(VersionEdit()).ok());
  CHECK(state.clean_stop == 0);
}

TEST_CASE("an edit that does not fit the state is corruption") {
  ManifestState good;
  REQUIRE(good.Apply(FirstEdit()).ok());
  REQUIRE(good.Apply(FlushEdit(5)).ok());
  const auto refused = [&good](auto change) {
    VersionEdit edit;
    change(&edit);
    ManifestState state = good;
    return state.Apply(edit).IsCorruption();
  };
  CHECK(refused([](VersionEdit* e) { e->next_file_number = 5; }));
  CHECK(refused([](VersionEdit* e) { e->next_tree_id = 7; }));
  CHECK(refused([](VersionEdit* e) { e->wal_synced_through = 49; }));
  CHECK(refused([](VersionEdit* e) { e->added_logs = {3}; }));
  CHECK(refused([](VersionEdit* e) { e->removed_logs = {4}; }));
  CHECK(refused([](VersionEdit* e) { e->created_trees = {7}; }));
  CHECK(refused([](VersionEdit* e) { e->dropped_trees = {8}; }));
  CHECK(refused([](VersionEdit* e) { e->flushed = {{8, 60, {}}}; }));
  CHECK(refused([](VersionEdit* e) { e->flushed = {{7, 49, {}}}; }));
  CHECK(refused([](VersionEdit* e) { e->removed_files = {{7, 0, 6}}; }));
  CHECK(refused([](VersionEdit* e) { e->removed_files = {{7, 1, 5}}; }));
  CHECK(refused([](VersionEdit* e) { e->removed_files = {{8, 0, 5}}; }));
  CHECK(refused([](VersionEdit* e) { e->added_files = {{7, 3, File(5, "a", "b")}}; }));
  CHECK(refused([](VersionEdit* e) { e->added_files = {{8, 0, File(6, "a", "b")}}; }));
  CHECK(refused([](VersionEdit* e) {
    e->added_files = {{7, 1, File(6, "a", "m")}, {7, 1, File(7, "m", "z")}};
  }));
  CHECK_FALSE(refused([](VersionEdit* e) {
    e->removed_files = {{7, 0, 5}};
    e->added_files = {{7, 1, File(5, "a", "m")}, {7, 1, File(7, "n", "z")}};
  }));
}

TEST_CASE("there is no manifest only if there is no CURRENT") {
  MemFileSystem fs;
  MakeDirectory(&fs);
  CHECK(RecoverManifest(&fs, kDirectory).status().IsNotFound());
  fs.SetContents(CurrentFileName(kDirectory), "");
  CHECK(RecoverManifest(&fs, kDirectory).status().IsCorruption());
}

TEST_CASE("a manifest that CURRENT names and that does not exist is corruption") {
  MemFileSystem fs;
  MakeManifest(&fs);
  fs.Delete(ManifestFileName(kDirectory, 4));
  const Status status = RecoverManifest(&fs, kDirectory).status();
  CHECK(status.IsCorruption());
  CHECK(status.ToString().find("MANIFEST-000004") != std::string::npos);
}

TEST_CASE("CURRENT with any byte changed, cut or longer is corruption") {
  MemFileSystem fs;
  MakeManifest(&fs);
  const std::string path = CurrentFileName(kDirectory);
  const std::string good = fs.Contents(path);
  std::vector<std::string> bad = {good + "\n", good + good, std::string(1000, 'x')};
  for (size_t at = 0; at < good.size(); ++at) {
    bad.push_back(good.substr(0, at));
    for (const int mask : {1, 0x20, 0x80}) {
      bad.push_back(good);
      bad.back()[at] = static_cast<char>(bad.back()[at] ^ mask);
    }
  }
  for (const std::string& contents : bad) {
    CAPTURE(contents);
    fs.SetContents(path, contents);
    const Status status = RecoverManifest(&fs, kDirectory).status();
    CHECK(status.IsCorruption());
    CHECK(status.ToString().find("CURRENT: offset 0") != std::string::npos);
  }
}

TEST_CASE("every byte flipped in a manifest is found, named, or cuts the last edit only") {
  MemFileSystem fs;
  const std::vector<std::string> states = MakeManifest(&fs);
  const std::string path = ManifestFileName(kDirectory, 4);
  const std::vector<uint64_t> offsets = EditOffsets(&fs, 4);
  REQUIRE(offsets.size() == 4);
  for (uint64_t at = 0; at < offsets.back(); ++at) {
    for (const uint8_t mask : std::initializer_list<uint8_t>{0x01, 0x80, 0xff}) {
      CAPTURE(at);
      fs.Damage(path, at, mask);
      const Result<ManifestRecovery> recovery = RecoverManifest(&fs, kDirectory);
      if (at < offsets[2]) {
        CHECK(recovery.status().IsCorruption());
        CHECK(recovery.status().ToString().find("MANIFEST-000004: offset ") != std::string::npos);
      } else {
        REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
        CHECK(recovery->tail_cut);
        CHECK(Text(recovery->state) == states[1]);
      }
      fs.Damage(path, at, mask);
    }
  }
}

TEST_CASE("a manifest cut at any length holds the state after its whole edits, or none") {
  MemFileSystem fs;
  const std::vector<std::string> states = MakeManifest(&fs);
  const std::string path = ManifestFileName(kDirectory, 4);
  const std::vector<uint64_t> offsets = EditOffsets(&fs, 4);
  const std::string whole = fs.Contents(path);
  for (size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    fs.SetContents(path, whole.substr(0, n));
    const Result<ManifestRecovery> recovery = RecoverManifest(&fs, kDirectory);
    if (n < offsets[1]) {
      CHECK(recovery.status().IsCorruption());
      CHECK(recovery.status().ToString().find("MANIFEST-000004: offset ") != std::string::npos);
      continue;
    }
    REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
    CHECK(Text(recovery->state) == states[n < offsets[2] ? 0 : 1]);
    CHECK(recovery->tail_cut == (n != offsets[1] && n != offsets[2]));
  }
}

TEST_CASE("a lost edit in the middle of a manifest is corruption") {
  MemFileSystem fs;
  MakeManifest(&fs);
  const std::string path = ManifestFileName(kDirectory, 4);
  const std::vector<uint64_t> offsets = EditOffsets(&fs, 4);
  std::string bytes = fs.Contents(path);
  SUBCASE("with zeros in its place") {
    bytes.replace(offsets[1], offsets[2] - offsets[1], offsets[2] - offsets[1], '\0');
  }
  SUBCASE("with the last edit moved into its place") {
    bytes.erase(offsets[1], offsets[2] - offsets[1]);
    // Its checksum is for another offset, so it is no edit here; nor is anything behind it.
    fs.SetContents(path, bytes);
    const Result<ManifestRecovery> recovery = RecoverManifest(&fs, kDirectory);
    REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
    CHECK(recovery->tail_cut);
    return;
  }
  fs.SetContents(path, bytes);
  CHECK(RecoverManifest(&fs, kDirectory).status().IsCorruption());
}

TEST_CASE("zeros behind the last edit are a crash's tail") {
  MemFileSystem fs;
  const std::vector<std::string> states = MakeManifest(&fs);
  const std::string path = ManifestFileName(kDirectory, 4);
  fs.SetContents(path, fs.Contents(path) + std::string(4096, '\0'));
  const Result<ManifestRecovery> recovery = RecoverManifest(&fs, kDirectory);
  REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
  CHECK(recovery->tail_cut);
  CHECK(recovery->tail_description.find("MANIFEST-000004: offset ") == 0);
  CHECK(Text(recovery->state) == states.back());
}

TEST_CASE("a manifest of a later format version is refused by that name") {
  MemFileSystem fs;
  MakeManifest(&fs);
  const std::string path = ManifestFileName(kDirectory, 4);
  std::string bytes = fs.Contents(path);
  EncodeFixed32(bytes.data() + 8, kManifestFormatVersion + 1);
  EncodeFixed64(bytes.data() + 24, Checksum(std::string_view(bytes).substr(0, 24), 0, 0));
  fs.SetContents(path, bytes);
  const Status status = RecoverManifest(&fs, kDirectory).status();
  CHECK(status.IsInvalidArgument());
  CHECK(status.ToString().find("MANIFEST-000004: offset 0: format version " +
                               std::to_string(kManifestFormatVersion + 1)) != std::string::npos);
}

TEST_CASE("a manifest under the name of another is corruption") {
  MemFileSystem fs;
  MakeManifest(&fs);
  REQUIRE(ManifestWriter::Create(&fs, kDirectory, 9, ManifestState()).ok());
  fs.SetContents(ManifestFileName(kDirectory, 9), fs.Contents(ManifestFileName(kDirectory, 4)));
  const Status status = RecoverManifest(&fs, kDirectory).status();
  CHECK(status.IsCorruption());
  CHECK(status.ToString().find("MANIFEST-000009: offset 0") != std::string::npos);
}

TEST_CASE("after a failed append a manifest takes no other edit") {
  class FailSyncs : public FileInterceptor {
   public:
    FileVerdict Before(const FileCallInfo& info) override {
      return info.call == FileCall::kSync ? FileVerdict::Fail(Status::IoError("sync"))
                                          : FileVerdict::Proceed();
    }
  } interceptor;
  MemFileSystem fs;
  MakeDirectory(&fs);
  ManifestState state;
  REQUIRE(state.Apply(FirstEdit()).ok());
  auto writer = ManifestWriter::Create(&fs, kDirectory, 4, state);
  REQUIRE(writer.ok());
  fs.SetInterceptor(&interceptor);
  CHECK((*writer)->Append(FlushEdit(5)).IsIoError());
  fs.SetInterceptor(nullptr);
  const uint64_t size = (*writer)->size();
  CHECK((*writer)->Append(FlushEdit(6)).IsIoError());
  CHECK((*writer)->size() == size);
}

TEST_CASE("a power cut at any call of a manifest's making leaves the old one or the new one") {
  // Cuts the power before the n-th call that changes something.
  class CutAt : public FileInterceptor {
   public:
    CutAt(const MemFileSystem* fs, uint64_t n, PowerLoss loss, Random* random)
        : fs_(fs), n_(n), loss_(loss), random_(random) {}
    FileVerdict Before(const FileCallInfo& info) override {
      if (ChangesSomething(info.call) && n_-- == 0) image = fs_->AfterPowerCut(random_, loss_);
      return FileVerdict::Proceed();
    }
    std::unique_ptr<MemFileSystem> image;

   private:
    const MemFileSystem* const fs_;
    uint64_t n_;
    const PowerLoss loss_;
    Random* const random_;
  };

  uint64_t old_states = 0;
  uint64_t new_states = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const PowerLoss loss = seed == 0   ? PowerLoss::kKeepNothing
                           : seed == 1 ? PowerLoss::kKeepEverything
                                       : PowerLoss::kRandom;
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      MemFileSystem fs;
      const std::vector<std::string> states = MakeManifest(&fs);
      ManifestState state = RecoverManifest(&fs, kDirectory)->state;
      REQUIRE(state.Apply(FlushEdit(9)).ok());
      CutAt cut(&fs, n, loss, &random);
      fs.SetInterceptor(&cut);
      REQUIRE(ManifestWriter::Create(&fs, kDirectory, 10, state).ok());
      REQUIRE(fs.Remove(ManifestFileName(kDirectory, 4)).ok());
      if (cut.image == nullptr) break;
      const Result<ManifestRecovery> recovery = RecoverManifest(cut.image.get(), kDirectory);
      REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
      CHECK_FALSE(recovery->tail_cut);
      const bool is_new = recovery->number == 10;
      CHECK(Text(recovery->state) == (is_new ? Text(state) : states.back()));
      ++(is_new ? new_states : old_states);
    }
  }
  CHECK(old_states > 0);
  CHECK(new_states > 0);
}

TEST_CASE("a power cut during an append leaves the state before it or after it") {
  uint64_t before = 0;
  uint64_t after = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    // Syncs report success and do nothing, so that the edit is unsynced when the power goes.
    class LyingSync : public FileInterceptor {
     public:
      FileVerdict Before(const FileCallInfo& info) override {
        return info.call == FileCall::kSync ? FileVerdict::Pretend() : FileVerdict::Proceed();
      }
    } interceptor;
    MemFileSystem fs;
    MakeDirectory(&fs);
    ManifestState state;
    REQUIRE(state.Apply(FirstEdit()).ok());
    auto writer = ManifestWriter::Create(&fs, kDirectory, 4, state);
    REQUIRE(writer.ok());
    fs.SetInterceptor(&interceptor);
    VersionEdit edit = FlushEdit(5);
    edit.added_files[0].file.largest_key = std::string(2000, 'z');
    const std::string old_state = Text(state);
    REQUIRE((*writer)->Append(edit).ok());
    REQUIRE(state.Apply(edit).ok());
    const auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
    const Result<ManifestRecovery> recovery = RecoverManifest(image.get(), kDirectory);
    REQUIRE_MESSAGE(recovery.ok(), recovery.status().ToString());
    const bool is_new = Text(recovery->state) == Text(state);
    CHECK((is_new || Text(recovery->state) == old_state));
    ++(is_new ? after : before);
  }
  CHECK(before > 0);
  CHECK(after > 0);
}

TEST_CASE("the bytes of a manifest and of CURRENT are those of their golden files") {
  MemFileSystem fs;
  MakeDirectory(&fs);
  ManifestState state;
  REQUIRE(state.Apply(FirstEdit()).ok());
  auto writer = ManifestWriter::Create(&fs, kDirectory, 4, state);
  REQUIRE(writer.ok());
  VersionEdit stop;
  stop.clean_stop = 41;
  REQUIRE((*writer)->Append(stop).ok());
  support::CheckGolden("manifest.hex", fs.Contents(ManifestFileName(kDirectory, 4)),
                       {{8, "magic"},
                        {4, "format version"},
                        {4, "zero"},
                        {8, "manifest 4"},
                        {8, "checksum"},
                        {4, "edit: magic"},
                        {4, "payload length"},
                        {8, "payload's checksum"},
                        {8, "header's checksum"},
                        {2, "next file number 5"},
                        {2, "next tree id 8"},
                        {2, "wal synced through 0"},
                        {10, "log start: sequence 0, checksum 0"},
                        {2, "add log 3"},
                        {2, "structural through 0"},
                        {2, "create tree 0"},
                        {2, "create tree 7"},
                        {7, "tree 0 flushed through 0, counters 0"},
                        {7, "tree 7 flushed through 0, counters 0"},
                        {2, "zeros up to a multiple of 8"},
                        {4, "edit: magic"},
                        {4, "payload length"},
                        {8, "payload's checksum"},
                        {8, "header's checksum"},
                        {2, "clean stop 41"},
                        {6, "zeros up to a multiple of 8"}});
  support::CheckGolden(
      "current.hex", fs.Contents(CurrentFileName(kDirectory)),
      {{15, "MANIFEST-000004"}, {1, "a space"}, {16, "checksum of the name"}, {1, "a newline"}});
}

}  // namespace lsm
