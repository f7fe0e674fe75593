// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/read_ahead.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "lsm/sst/table_reader.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

// A file that notes how much is asked of it.
class CountingFile : public RandomAccessFile {
 public:
  explicit CountingFile(size_t size) {
    Random random(size);
    while (content_.size() < size) content_.push_back(static_cast<char>(random.Next32()));
  }

  Result<size_t> ReadAt(uint64_t offset, size_t n, char* scratch) const override {
    const auto at = static_cast<size_t>(std::min<uint64_t>(offset, content_.size()));
    const size_t got = std::min(n, content_.size() - at);
    std::memcpy(scratch, content_.data() + at, got);
    sizes.push_back(got);
    return got;
  }
  Result<uint64_t> Size() const override { return uint64_t{content_.size()}; }
  std::string_view content() const { return content_; }

  mutable std::vector<size_t> sizes;

 private:
  std::string content_;
};

}  // namespace

TEST_CASE("through a window that runs ahead everything is read once and unchanged") {
  const CountingFile file(3'000'000);
  for (const bool full : {false, true}) {
    CAPTURE(full);
    file.sizes.clear();
    ReadAhead ahead = full ? ReadAhead::Full() : ReadAhead::Adaptive();
    Random random(11);
    const std::string_view content = file.content();
    for (size_t at = 0; at < content.size();) {
      const size_t n = std::min<size_t>(1 + random.Uniform(9000), content.size() - at);
      const auto got = ahead.Read(file, at, n, content.size());
      REQUIRE(got.ok());
      REQUIRE(*got == content.substr(at, n));
      at += n;
    }
    size_t sum = 0;
    for (const size_t size : file.sizes) sum += size;
    CHECK(sum == content.size());
    CHECK(file.sizes.size() < 26);
    CHECK(*std::max_element(file.sizes.begin(), file.sizes.end()) <= (full ? 132u : 260u) << 10);
  }
}

TEST_CASE("reads here and there fetch the pages of what they want and no more") {
  const CountingFile file(1'000'000);
  ReadAhead ahead = ReadAhead::Adaptive();
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t at = random.Uniform(990'000);
    const auto got = ahead.Read(file, at, 5000, file.content().size());
    REQUIRE(got.ok());
    REQUIRE(*got == file.content().substr(at, 5000));
  }
  CHECK(*std::max_element(file.sizes.begin(), file.sizes.end()) < 5000 + 4096);
}

TEST_CASE("a file that became shorter than it was gives what is left of it") {
  const CountingFile file(10'000);
  ReadAhead ahead = ReadAhead::Full();
  const auto got = ahead.Read(file, 8000, 4000, 20'000);
  REQUIRE(got.ok());
  CHECK(*got == file.content().substr(8000));
}

}  // namespace lsm
