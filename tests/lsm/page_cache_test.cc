// SPDX-License-Identifier: BSD-3-Clause
// What flushes and compactions leave in the page cache of the system, on real files.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "doctest/doctest.h"
#include "lsm/db.h"
#include "lsm/random.h"
#include "tests/support/program.h"

namespace lsm {
namespace {

// The share of the SST files' bytes that is in the page cache.
double CachedShare(const std::string& directory) {
  double bytes = 0;
  double cached = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".sst") continue;
    const auto file =
        FileSystem::Posix()->OpenForRead(entry.path().string(), AccessPattern::kSequential);
    if (file.status().IsNotFound()) continue;  // the background has removed it meanwhile
    REQUIRE(file.ok());
    const auto size = static_cast<double>((*file)->Size().value());
    bytes += size;
    cached += size * (*file)->CachedShare();
  }
  REQUIRE(bytes > 0);
  return cached / bytes;
}

void DropFromPageCache(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT) continue;
    REQUIRE(descriptor >= 0);
    CHECK(::fsync(descriptor) == 0);
    CHECK(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(descriptor);
  }
}

class Place {
 public:
  Place() {
    Options options;
    options.compression = Compression::kNone;
    auto opened = DB::Open(options, directory_.path() + "/db");
    REQUIRE(opened.ok());
    db_ = std::move(*opened);
  }

  std::string path() const { return directory_.path() + "/db"; }
  DB* db() { return db_.get(); }

  void FillAndFlush() {
    Random random(1);
    for (int i = 0; i < 4000; ++i) {
      std::string value;
      while (value.size() < 500) value.push_back(static_cast<char>(random.Next32()));
      WriteBatch unit;
      unit.Put(kDirectoryTree, std::to_string(i), value);
      REQUIRE(db_->Write(unit, /*sync=*/false).ok());
    }
    REQUIRE(db_->FlushAll().ok());
  }

 private:
  test_support::TemporaryDirectory directory_;
  std::unique_ptr<DB> db_;
};

TEST_CASE("files that take the place of cached ones are cached, as flushed ones are") {
  Place place;
  place.FillAndFlush();
  place.FillAndFlush();
  CHECK(CachedShare(place.path()) > 0.9);
  REQUIRE(place.db()->CompactTree(kDirectoryTree).ok());
  CHECK(CachedShare(place.path()) > 0.9);
}

TEST_CASE(
    "files that take the place of cold ones leave the page cache, unless the files live there") {
  Place place;
  place.FillAndFlush();
  place.FillAndFlush();
  DropFromPageCache(place.path());
  if (CachedShare(place.path()) > 0.1) {
    MESSAGE("files live in the page cache here, as on tmpfs: nothing can leave it");
    return;
  }
  REQUIRE(place.db()->CompactTree(kDirectoryTree).ok());
  // Index and filter of the new files are read again at once.
  CHECK(CachedShare(place.path()) < 0.5);
}

}  // namespace
}  // namespace lsm
