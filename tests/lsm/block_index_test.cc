// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "lsm/random.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 7;
const std::string kPath = "000007.sst";

// Keys that share their beginning, or differ only behind the eight bytes which the index compares
// first, or are the beginning of each other.
std::string RandomKey(Random* random, const std::string& prefix) {
  constexpr std::string_view kLetters("\0a\xff", 3);
  std::string key = prefix;
  for (uint64_t n = random->Uniform(4); n > 0; --n) key += kLetters[random->Uniform(3)];
  if (random->OneIn(2)) key += "12345678";
  for (uint64_t n = random->Uniform(4); n > 0; --n) key += kLetters[random->Uniform(3)];
  return key;
}

using Position = std::pair<std::string, SequenceNumber>;

bool Before(const Position& a, const Position& b) {
  return CompareInternal(a.first, a.second, b.first, b.second) < 0;
}

// A file with a block for each record, so that the index knows every key or a short stand-in.
BlockIndex IndexOf(const std::vector<Position>& positions) {
  SstRecords records;
  for (const Position& p : positions) records.push_back({p.first, p.second, {}, "v"});
  TableBuilderOptions options;
  options.block_size = 1;
  MemFileSystem fs;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{0, records}}).ok());
  const auto file = TableFile::Open(&fs, kPath, kNumber);
  REQUIRE(file.ok());
  Result<BlockIndex> index = BlockIndex::Read(**file, (*file)->slices()[0].index);
  REQUIRE(index.ok());
  return std::move(*index);
}

}  // namespace

TEST_CASE("a search in a block index finds what a walk along its keys finds") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::string prefix = random.OneIn(2) ? "" : std::string(random.Uniform(20), 'p');
    std::vector<Position> positions;
    for (uint64_t n = 1 + random.Uniform(100); n > 0; --n) {
      positions.emplace_back(RandomKey(&random, prefix), 1 + random.Uniform(5));
    }
    std::sort(positions.begin(), positions.end(), Before);
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
    const BlockIndex index = IndexOf(positions);
    REQUIRE(index.size() == positions.size());
    std::vector<Position> keys;
    Block::Iterator entry(&index.block());
    for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
      keys.emplace_back(entry.user_key(), entry.sequence());
    }
    for (int round = 0; round < 200; ++round) {
      Position wanted = positions[random.Uniform(positions.size())];
      if (random.OneIn(3)) wanted.first = RandomKey(&random, prefix);
      if (random.OneIn(6)) wanted.first = RandomKey(&random, random.OneIn(2) ? "q" : "o");
      if (random.OneIn(3)) wanted.second = random.OneIn(2) ? kMaxSequence : random.Uniform(7);
      const auto at = std::lower_bound(keys.begin(), keys.end(), wanted, Before);
      CHECK(index.Find(wanted.first, wanted.second) == static_cast<size_t>(at - keys.begin()));
    }
  }
}

}  // namespace lsm
