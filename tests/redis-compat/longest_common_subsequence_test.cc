// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/longest_common_subsequence.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "lsm/random.h"

namespace {

using redis::CommonRun;

// The same by the table that everybody learns, walked back as Redis walks it.
std::vector<CommonRun> ByTable(const std::string& a, const std::string& b, size_t* length) {
  std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      table[i][j] = a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1
                                         : std::max(table[i - 1][j], table[i][j - 1]);
    }
  }
  *length = table[a.size()][b.size()];
  std::vector<CommonRun> runs;
  size_t i = a.size();
  size_t j = b.size();
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      const bool extends =
          !runs.empty() && runs.back().a_begin == i + 1 && runs.back().b_begin == j + 1;
      if (!extends) runs.push_back({i, j, 0});
      runs.back() = {i, j, runs.back().size + 1};
    } else if (table[i - 1][j] > table[i][j - 1]) {
      --i;
    } else {
      --j;
    }
  }
  return runs;
}

std::string RandomText(lsm::Random* random, size_t longest, size_t letters) {
  std::string text(random->Uniform(longest + 1), 'a');
  for (char& c : text) c = static_cast<char>(200 + random->Uniform(letters));
  return text;
}

}  // namespace

TEST_CASE("common subsequences are those of the plain table, ties included") {
  const uint64_t seed = 20261120;
  CAPTURE(seed);
  lsm::Random random(seed);
  for (int round = 0; round < 600; ++round) {
    const size_t letters = 1 + random.Uniform(8);
    const std::string a = RandomText(&random, round % 3 == 0 ? 300 : 70, letters);
    const std::string b = RandomText(&random, round % 5 == 0 ? 300 : 70, letters);
    CAPTURE(a);
    CAPTURE(b);
    size_t length = 0;
    const std::vector<CommonRun> expected = ByTable(a, b, &length);
    REQUIRE(redis::CommonSubsequenceLength(a, b) == length);
    const std::vector<CommonRun> runs = redis::CommonSubsequence(a, b);
    REQUIRE(runs.size() == expected.size());
    for (size_t i = 0; i < runs.size(); ++i) {
      CHECK(runs[i].a_begin == expected[i].a_begin);
      CHECK(runs[i].b_begin == expected[i].b_begin);
      CHECK(runs[i].size == expected[i].size);
    }
  }
}

TEST_CASE("common subsequences of empty strings are empty") {
  CHECK(redis::CommonSubsequenceLength("", "") == 0);
  CHECK(redis::CommonSubsequenceLength("a", "") == 0);
  CHECK(redis::CommonSubsequence("", "a").empty());
  CHECK(redis::CommonSubsequence("a", "b").empty());
}
