// SPDX-License-Identifier: BSD-3-Clause
// What MemFileSystem leaves after a power cut and after a kill, and what tests may do to it.
#include "tests/support/mem_file_system.h"

#include <doctest/doctest.h>

#include <set>

namespace lsm {
namespace {

constexpr size_t kBlock = MemFile::kBlockSize;

std::unique_ptr<WritableFile> Create(MemFileSystem* fs, const std::string& path) {
  auto file = fs->Create(path, false);
  REQUIRE(file.ok());
  return std::move(file).value();
}

// A file whose name is durable and whose content is `synced`, durable too.
std::unique_ptr<WritableFile> CreateDurable(MemFileSystem* fs, const std::string& path,
                                            std::string_view synced) {
  auto file = Create(fs, path);
  REQUIRE(file->WriteAt(0, synced).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(fs->SyncDirectory("").ok());
  return file;
}

// The contents of `path` that many random power cuts leave; "(none)" where it is gone.
std::set<std::string> Outcomes(const MemFileSystem& fs, const std::string& path, int cuts = 400) {
  std::set<std::string> outcomes;
  for (int seed = 0; seed < cuts; ++seed) {
    Random random(static_cast<uint64_t>(seed));
    auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
    outcomes.insert(image->Exists(path).value() ? image->Contents(path) : "(none)");
  }
  return outcomes;
}

std::string Kept(const MemFileSystem& fs, const std::string& path, PowerLoss loss) {
  auto image = fs.AfterPowerCut(nullptr, loss);
  return image->Exists(path).value() ? image->Contents(path) : "(none)";
}

}  // namespace

TEST_CASE("synced data of a synced name survives every power cut") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", "precious");
  CHECK(Outcomes(fs, "a") == std::set<std::string>{"precious"});
  CHECK(Kept(fs, "a", PowerLoss::kKeepNothing) == "precious");
}

TEST_CASE("synced data without a synced name may be gone") {
  MemFileSystem fs;
  auto file = Create(&fs, "a");
  REQUIRE(file->WriteAt(0, "x").ok());
  REQUIRE(file->Sync().ok());
  CHECK(Outcomes(fs, "a") == std::set<std::string>{"(none)", "x"});
  CHECK(Kept(fs, "a", PowerLoss::kKeepNothing) == "(none)");
  CHECK(Kept(fs, "a", PowerLoss::kKeepEverything) == "x");
}

TEST_CASE("a name that is synced may have lost all data that was not") {
  MemFileSystem fs;
  auto file = Create(&fs, "a");
  REQUIRE(file->WriteAt(0, std::string(3 * kBlock, 'x')).ok());
  REQUIRE(fs.SyncDirectory("/").ok());
  CHECK(Kept(fs, "a", PowerLoss::kKeepNothing).empty());
  CHECK(Kept(fs, "a", PowerLoss::kKeepEverything) == std::string(3 * kBlock, 'x'));
}

TEST_CASE("each unsynced block is kept or lost by itself, also within one write") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", std::string(3 * kBlock, 'o'));
  REQUIRE(file->WriteAt(0, std::string(3 * kBlock, 'n')).ok());
  std::set<std::string> expected;
  for (int bits = 0; bits < 8; ++bits) {
    std::string content;
    for (int block = 0; block < 3; ++block) {
      content += std::string(kBlock, (bits >> block & 1) != 0 ? 'n' : 'o');
    }
    expected.insert(content);
  }
  CHECK(Outcomes(fs, "a", 2000) == expected);
  REQUIRE(file->Sync().ok());
  CHECK(Outcomes(fs, "a") == std::set<std::string>{std::string(3 * kBlock, 'n')});
}

TEST_CASE("a block is the old or the new one as a whole, however little of it was written") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", std::string(kBlock, 'o'));
  REQUIRE(file->WriteAt(100, "nn").ok());
  REQUIRE(file->WriteAt(200, "nn").ok());
  CHECK(Outcomes(fs, "a").size() == 2);
}

TEST_CASE("an unsynced change of the length is lost, kept, or kept in part, with zeros for bytes") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", "ab");
  REQUIRE(file->Allocate(3 * kBlock).ok());
  std::set<size_t> sizes;
  for (const std::string& content : Outcomes(fs, "a")) {
    REQUIRE(content.size() >= 2);
    CHECK(content == "ab" + std::string(content.size() - 2, '\0'));
    sizes.insert(content.size());
  }
  CHECK(sizes.contains(2));
  CHECK(sizes.contains(3 * kBlock));
  CHECK(sizes.size() > 2);
}

TEST_CASE("bytes behind a lost length never come back") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", "ab");
  REQUIRE(file->WriteAt(2, "secret").ok());
  for (uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
    const std::string before = image->Contents("a");
    auto again = image->OpenForWrite("a");
    REQUIRE(again.ok());
    REQUIRE((*again)->Truncate(20).ok());
    CHECK(image->Contents("a") == before + std::string(20 - before.size(), '\0'));
  }
}

TEST_CASE("an unsynced cut of a file happened or did not, and what was behind it stays behind") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", std::string(2 * kBlock, 'o'));
  REQUIRE(file->Truncate(kBlock).ok());
  CHECK(Outcomes(fs, "a") ==
        std::set<std::string>{std::string(kBlock, 'o'), std::string(2 * kBlock, 'o')});

  REQUIRE(file->WriteAt(kBlock, std::string(kBlock, 'n')).ok());
  bool saw_zeros = false;
  for (const std::string& content : Outcomes(fs, "a")) {
    REQUIRE(content.size() >= kBlock);
    CHECK(content.substr(0, kBlock) == std::string(kBlock, 'o'));
    const std::string behind = content.substr(kBlock);
    // Not cut: the old block, whole. Cut: a part of the new one, or zeros; never the old one again.
    if (behind == std::string(kBlock, 'o')) continue;
    CHECK(
        (behind == std::string(behind.size(), 'n') || behind == std::string(behind.size(), '\0')));
    saw_zeros = saw_zeros || (!behind.empty() && behind[0] == '\0');
  }
  CHECK(saw_zeros);
}

TEST_CASE("a rename leaves the target old or new, never missing and never mixed") {
  MemFileSystem fs;
  auto old_file = CreateDurable(&fs, "CURRENT", "old");
  auto new_file = CreateDurable(&fs, "CURRENT.tmp", "new");
  REQUIRE(fs.Rename("CURRENT.tmp", "CURRENT").ok());
  CHECK(Outcomes(fs, "CURRENT") == std::set<std::string>{"old", "new"});
  CHECK(Outcomes(fs, "CURRENT.tmp") == std::set<std::string>{"(none)", "new"});
  for (uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
    // The old name goes only after the new one has come.
    if (image->Contents("CURRENT") == "old") CHECK(image->Exists("CURRENT.tmp").value());
  }
  REQUIRE(fs.SyncDirectory(".").ok());
  CHECK(Outcomes(fs, "CURRENT") == std::set<std::string>{"new"});
  CHECK(Outcomes(fs, "CURRENT.tmp") == std::set<std::string>{"(none)"});
}

TEST_CASE("renaming a file whose data are not synced may leave an empty target") {
  MemFileSystem fs;
  auto old_file = CreateDurable(&fs, "a", "old");
  auto new_file = Create(&fs, "b");
  REQUIRE(new_file->WriteAt(0, "new").ok());
  REQUIRE(fs.Rename("b", "a").ok());
  REQUIRE(fs.SyncDirectory("").ok());
  const std::set<std::string> outcomes = Outcomes(fs, "a");
  CHECK(outcomes.contains(""));
  CHECK(outcomes.contains("new"));
  CHECK_FALSE(outcomes.contains("old"));
}

TEST_CASE("names change independently of each other, and a removed one may come back") {
  MemFileSystem fs;
  for (const char* name : {"a", "b", "c"}) CreateDurable(&fs, name, name);
  for (const char* name : {"a", "b", "c"}) REQUIRE(fs.Remove(name).ok());
  std::set<std::vector<std::string>> survivors;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Random random(seed);
    survivors.insert(fs.AfterPowerCut(&random, PowerLoss::kRandom)->Files());
  }
  CHECK(survivors.size() == 8);
  REQUIRE(fs.SyncDirectory("").ok());
  CHECK(fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing)->Files().empty());
}

TEST_CASE("two names of one file are one file after a power cut too") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", "one");
  REQUIRE(fs.Link("a", "b").ok());
  REQUIRE(fs.SyncDirectory("").ok());
  auto image = fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  auto again = image->OpenForWrite("a");
  REQUIRE(again.ok());
  REQUIRE((*again)->WriteAt(0, "two").ok());
  CHECK(image->Contents("b") == "two");
  CHECK(fs.Contents("b") == "one");
}

TEST_CASE("a directory that was not synced takes its files along") {
  MemFileSystem fs;
  REQUIRE(fs.CreateDirectory("/db").ok());
  auto file = Create(&fs, "/db/a");
  REQUIRE(file->Sync().ok());
  REQUIRE(fs.SyncDirectory("/db").ok());
  CHECK(fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing)->Files().empty());
  REQUIRE(fs.SyncDirectory("/").ok());
  CHECK(fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing)->Files() ==
        std::vector<std::string>{"db/a"});
}

TEST_CASE("the same seed leaves the same image") {
  MemFileSystem fs;
  std::vector<std::unique_ptr<WritableFile>> files;
  for (const char* name : {"a", "b", "c"}) {
    files.push_back(Create(&fs, name));
    REQUIRE(files.back()->WriteAt(0, std::string(5000, name[0])).ok());
  }
  REQUIRE(fs.Rename("a", "b").ok());
  const auto image = [&fs](uint64_t seed) {
    Random random(seed);
    auto left = fs.AfterPowerCut(&random, PowerLoss::kRandom);
    std::string all;
    for (const std::string& path : left->Files()) all += path + left->Contents(path) + ";";
    return all;
  };
  std::set<std::string> different;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    CHECK(image(seed) == image(seed));
    different.insert(image(seed));
  }
  CHECK(different.size() > 25);
}

TEST_CASE("an image and its origin do not see each other's later writes") {
  MemFileSystem fs;
  auto file = CreateDurable(&fs, "a", "original");
  auto cut = fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  auto killed = fs.AfterKill();
  REQUIRE(file->WriteAt(0, "CHANGED!").ok());
  CHECK(cut->Contents("a") == "original");
  CHECK(killed->Contents("a") == "original");
  auto other = killed->OpenForWrite("a");
  REQUIRE(other.ok());
  REQUIRE((*other)->WriteAt(0, "else").ok());
  CHECK(fs.Contents("a") == "CHANGED!");
  CHECK(cut->Contents("a") == "original");
}

TEST_CASE("a kill loses nothing, frees the locks, and syncs nothing") {
  MemFileSystem fs;
  auto lock = fs.Lock("LOCK");
  auto file = CreateDurable(&fs, "a", "old");
  REQUIRE(file->WriteAt(0, "new").ok());
  REQUIRE(fs.Link("a", "b").ok());
  auto image = fs.AfterKill();
  CHECK(image->Contents("a") == "new");
  CHECK(image->Contents("b") == "new");
  CHECK(image->Lock("LOCK").ok());
  auto dark = image->AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  CHECK(dark->Contents("a") == "old");
  CHECK_FALSE(dark->Exists("b").value());
}

TEST_CASE("what the system wrote back by itself survives, in versions that were never the last") {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    MemFileSystem fs;
    auto file = CreateDurable(&fs, "a", std::string(kBlock, '0'));
    for (const char version : {'1', '2', '3'}) {
      REQUIRE(file->WriteAt(0, std::string(kBlock, version)).ok());
      fs.WriteBackSome(&random);
      CHECK(fs.Contents("a") == std::string(kBlock, version));
    }
    outcomes.insert(Kept(fs, "a", PowerLoss::kKeepNothing));
  }
  CHECK(outcomes.size() == 4);
}

TEST_CASE("names that the system wrote back are a prefix of their changes") {
  std::set<std::vector<std::string>> outcomes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    MemFileSystem fs;
    for (const char* name : {"1", "2", "3"}) Create(&fs, name);
    fs.WriteBackSome(&random);
    outcomes.insert(fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing)->Files());
  }
  CHECK(outcomes == std::set<std::vector<std::string>>{{}, {"1"}, {"1", "2"}, {"1", "2", "3"}});
}

TEST_CASE("a reserved segment costs no memory to speak of") {
  MemFileSystem fs;
  std::vector<std::unique_ptr<WritableFile>> files;
  // No machine has 64 TiB for a test.
  for (int i = 0; i < 1024; ++i) {
    files.push_back(Create(&fs, std::to_string(i)));
    REQUIRE(files.back()->Allocate(uint64_t{64} << 30).ok());
    REQUIRE(files.back()->Sync().ok());
  }
  CHECK(fs.AfterKill()->FileSize("7").value() == uint64_t{64} << 30);
}

TEST_CASE("a full disk refuses growth, keeps what it has, and recovers when something goes") {
  MemFileSystem fs;
  fs.SetCapacity(10'000);
  auto file = Create(&fs, "a");
  REQUIRE(file->Allocate(6000).ok());
  CHECK(fs.FreeSpace("").value() == 4000);
  auto other = Create(&fs, "b");
  const Status refused = other->WriteAt(0, std::string(4001, 'x'));
  CHECK(refused.IsNoSpace());
  CHECK(refused.message().find("b: No space left on device") != std::string_view::npos);
  CHECK(other->Allocate(4001).IsNoSpace());
  CHECK(fs.FileSize("b").value() == 0);
  // What was reserved can be written.
  CHECK(other->WriteAt(0, std::string(4000, 'x')).ok());
  CHECK(file->WriteAt(0, std::string(6000, 'y')).ok());
  CHECK(file->WriteAt(6000, "z").IsNoSpace());
  REQUIRE(fs.Remove("b").ok());
  CHECK(file->WriteAt(6000, "z").ok());
}

TEST_CASE("damage done from outside is there at once and after a power cut") {
  MemFileSystem fs;
  fs.SetContents("a", "abc");
  CHECK(Kept(fs, "a", PowerLoss::kKeepNothing) == "abc");
  fs.Damage("a", 1, 0x20);
  CHECK(fs.Contents("a") == "aBc");
  CHECK(Kept(fs, "a", PowerLoss::kKeepNothing) == "aBc");
  auto file = fs.OpenForWrite("a");
  REQUIRE(file.ok());
  REQUIRE((*file)->WriteAt(0, "x").ok());
  fs.Damage("a", 2, 0x20);
  CHECK(fs.Contents("a") == "xBC");
  CHECK(Outcomes(fs, "a") == std::set<std::string>{"xBC", "aBC"});
  fs.Delete("a");
  CHECK(fs.Files().empty());
  CHECK(Kept(fs, "a", PowerLoss::kKeepEverything) == "(none)");
}

TEST_CASE("a directory is renamed with all that is in it, once its names are durable") {
  MemFileSystem fs;
  REQUIRE(fs.CreateDirectory("a").ok());
  REQUIRE(fs.Create("a/file", false).ok());
  CHECK(fs.Rename("a", "b").IsInvalidArgument());
  REQUIRE(fs.SyncDirectory("a").ok());
  REQUIRE(fs.CreateDirectory("taken").ok());
  CHECK_FALSE(fs.Rename("a", "taken").ok());
  REQUIRE(fs.Rename("a", "b").ok());
  CHECK(fs.Files() == std::vector<std::string>{"b/file"});
  // Before the parent is synced a power cut leaves one of the two names, or none.
  bool seen_old = false;
  bool seen_new = false;
  for (uint64_t seed = 1; seed <= 64; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::vector<std::string> files = fs.AfterPowerCut(&random, PowerLoss::kRandom)->Files();
    REQUIRE(files.size() <= 1);
    seen_old = seen_old || files == std::vector<std::string>{"a/file"};
    seen_new = seen_new || files == std::vector<std::string>{"b/file"};
  }
  CHECK(seen_old);
  CHECK(seen_new);
  REQUIRE(fs.SyncDirectory(".").ok());
  const auto left = fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  CHECK(left->Files() == std::vector<std::string>{"b/file"});
}

TEST_CASE("a directory made anew under the name of one that was removed is empty") {
  MemFileSystem fs;
  REQUIRE(fs.CreateDirectory("a").ok());
  REQUIRE(fs.Create("a/file", false).ok());
  REQUIRE(fs.SyncDirectory("a").ok());
  REQUIRE(fs.SyncDirectory(".").ok());
  REQUIRE(fs.Remove("a/file").ok());
  REQUIRE(fs.RemoveDirectory("a").ok());
  REQUIRE(fs.CreateDirectory("a").ok());
  REQUIRE(fs.SyncDirectory(".").ok());
  CHECK(fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing)->Files().empty());
}

}  // namespace lsm
