// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/version/version.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace lsm {
namespace {

FileRef File(uint64_t number, const std::string& smallest, const std::string& largest) {
  FileMetadata file;
  file.file = number;
  file.file_size = number * 100;
  file.slice_size = number * 90;
  file.smallest_key = smallest;
  file.largest_key = largest;
  return std::make_shared<const FileMetadata>(file);
}

std::vector<uint64_t> Numbers(const std::vector<FileRef>& files) {
  std::vector<uint64_t> numbers;
  for (const FileRef& file : files) numbers.push_back(file->file);
  return numbers;
}

std::vector<uint64_t> Asked(const Version& version, std::string_view key,
                            uint64_t until = UINT64_MAX) {
  std::vector<uint64_t> asked;
  version.FilesForKey(key, [&asked, until](const FileRef& file) {
    asked.push_back(file->file);
    return file->file != until;
  });
  return asked;
}

std::shared_ptr<const Version> Sample() {
  const Version empty({});
  const Result<std::shared_ptr<const Version>> version = Version::Apply(empty, {},
                                                                        {{0, File(1, "a", "m")},
                                                                         {0, File(2, "k", "z")},
                                                                         {1, File(5, "n", "r")},
                                                                         {1, File(4, "a", "f")},
                                                                         {2, File(3, "a", "z")}});
  REQUIRE(version.ok());
  return *version;
}

}  // namespace

TEST_CASE("a version keeps L0 newest first and deeper levels in key order") {
  const auto version = Sample();
  CHECK(Numbers(version->files(0)) == std::vector<uint64_t>{2, 1});
  CHECK(Numbers(version->files(1)) == std::vector<uint64_t>{4, 5});
  CHECK(version->TotalFiles() == 5);
  CHECK(version->TotalBytes() == 1350);
}

TEST_CASE("a point read asks L0 from newest to oldest, then one file a level") {
  const auto version = Sample();
  CHECK(Asked(*version, "l") == std::vector<uint64_t>{2, 1, 3});
  CHECK(Asked(*version, "a") == std::vector<uint64_t>{1, 4, 3});
  CHECK(Asked(*version, "f") == std::vector<uint64_t>{1, 4, 3});
  CHECK(Asked(*version, "g") == std::vector<uint64_t>{1, 3});
  CHECK(Asked(*version, "n") == std::vector<uint64_t>{2, 5, 3});
  CHECK(Asked(*version, "zz").empty());
  CHECK(Asked(*version, "").empty());
}

TEST_CASE("a point read asks no further file once it has its answer") {
  const auto version = Sample();
  CHECK(Asked(*version, "l", 2) == std::vector<uint64_t>{2});
  CHECK(Asked(*version, "a", 4) == std::vector<uint64_t>{1, 4});
}

TEST_CASE("a version made from another leaves that one as it was") {
  const auto version = Sample();
  const auto next = Version::Apply(*version, {{0, 0, 1}, {0, 1, 4}, {0, 1, 5}},
                                   {{1, File(6, "a", "b")}, {0, File(7, "x", "y")}});
  REQUIRE(next.ok());
  CHECK(Numbers((*next)->files(0)) == std::vector<uint64_t>{7, 2});
  CHECK(Numbers((*next)->files(1)) == std::vector<uint64_t>{6});
  CHECK(Numbers(version->files(0)) == std::vector<uint64_t>{2, 1});
  CHECK(Numbers(version->files(1)) == std::vector<uint64_t>{4, 5});
}

TEST_CASE("a file moves to another level within one edit") {
  const auto version = Sample();
  const auto next = Version::Apply(*version, {{0, 1, 5}}, {{4, version->files(1)[1]}});
  REQUIRE(next.ok());
  CHECK(Numbers((*next)->files(1)) == std::vector<uint64_t>{4});
  CHECK(Numbers((*next)->files(4)) == std::vector<uint64_t>{5});
}

TEST_CASE("an edit that a version cannot take is corruption") {
  const auto version = Sample();
  CHECK(Version::Apply(*version, {{0, 0, 9}}, {}).status().IsCorruption());
  CHECK(Version::Apply(*version, {{0, 1, 1}}, {}).status().IsCorruption());
  CHECK(Version::Apply(*version, {}, {{3, File(1, "a", "b")}}).status().IsCorruption());
  for (const auto& range : std::vector<std::pair<std::string, std::string>>{
           {"f", "g"}, {"b", "c"}, {"m", "n"}, {"", "zz"}, {"r", "s"}}) {
    CAPTURE(range.first);
    CHECK(Version::Apply(*version, {}, {{1, File(9, range.first, range.second)}})
              .status()
              .IsCorruption());
  }
  CHECK(Version::Apply(*version, {}, {{1, File(9, "g", "m")}}).ok());
}

TEST_CASE("a file's deleter runs when the last version that names it is gone") {
  int deleted = 0;
  FileRef file(new FileMetadata(*File(9, "a", "b")), [&deleted](const FileMetadata* metadata) {
    ++deleted;
    delete metadata;
  });
  auto with = *Version::Apply(Version({}), {}, {{1, std::move(file)}});
  auto still_with = *Version::Apply(*with, {}, {{1, File(10, "c", "d")}});
  with.reset();
  CHECK(deleted == 0);
  const auto without = *Version::Apply(*still_with, {{0, 1, 9}}, {});
  CHECK(deleted == 0);
  still_with.reset();
  CHECK(deleted == 1);
}

}  // namespace lsm
