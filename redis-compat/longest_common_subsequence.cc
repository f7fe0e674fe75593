// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/longest_common_subsequence.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace redis {

namespace {

constexpr size_t kWordBits = 64;

// A bit for each row and column, in the order in which ForEachWord makes them: 64 columns with all
// their rows, then the next 64; no gaps.
class BitTable {
 public:
  BitTable(size_t rows, size_t columns)
      : rows_(rows), columns_(columns), words_((rows * columns) / kWordBits + 2) {}

  // Sets the bits of a row from a column on. REQUIRES: they are zero; the column is a multiple of
  // 64; `bits` has none beyond the row's end
  void Set(size_t row, size_t column, uint64_t bits) {
    const size_t at = Position(row, column);
    const size_t shift = at % kWordBits;
    words_[at / kWordBits] |= bits << shift;
    if (shift != 0) words_[at / kWordBits + 1] |= bits >> (kWordBits - shift);
  }
  bool Get(size_t row, size_t column) const {
    const size_t at = Position(row, column);
    return (words_[at / kWordBits] >> (at % kWordBits) & 1) != 0;
  }

 private:
  size_t Position(size_t row, size_t column) const {
    const size_t begin = column - column % kWordBits;
    const size_t width = std::min(kWordBits, columns_ - begin);
    return begin * rows_ + row * width + column % kWordBits;
  }

  const size_t rows_;
  const size_t columns_;
  std::vector<uint64_t> words_;
};

// Calls visit(row, column, bits) for each row of `a` with the bits of the columns that a word of
// `b` covers; returns the number of ones in the last row.
template <typename Visit>
size_t ForEachWord(std::string_view a, std::string_view b, Visit visit) {
  size_t length = 0;
  std::vector<bool> carries(a.size());  // of each row's addition, into the next word
  std::array<uint64_t, 256> matches{};
  for (size_t begin = 0; begin < b.size(); begin += kWordBits) {
    const std::string_view word = b.substr(begin, kWordBits);
    const uint64_t used =
        word.size() == kWordBits ? ~uint64_t{0} : (uint64_t{1} << word.size()) - 1;
    matches.fill(0);
    for (size_t i = 0; i < word.size(); ++i) {
      matches[static_cast<unsigned char>(word[i])] |= uint64_t{1} << i;
    }
    uint64_t zeros = ~uint64_t{0};  // the complement of the row
    for (size_t row = 0; row < a.size(); ++row) {
      const uint64_t hits = zeros & matches[static_cast<unsigned char>(a[row])];
      const uint64_t sum = zeros + hits;
      const uint64_t with_carry = sum + (carries[row] ? 1 : 0);
      carries[row] = sum < zeros || with_carry < sum;
      zeros = with_carry | (zeros & ~hits);
      visit(row, begin, ~zeros & used);
    }
    length += static_cast<size_t>(std::popcount(~zeros & used));
  }
  return length;
}

}  // namespace

size_t CommonSubsequenceLength(std::string_view a, std::string_view b) {
  return ForEachWord(a, b, [](size_t, size_t, uint64_t) {});
}

std::vector<CommonRun> CommonSubsequence(std::string_view a, std::string_view b) {
  BitTable table(a.size(), b.size());
  ForEachWord(a, b,
              [&table](size_t row, size_t column, uint64_t bits) { table.Set(row, column, bits); });
  std::vector<CommonRun> runs;
  bool extends = false;  // the last step was a match
  for (size_t i = a.size(), j = b.size(); i > 0 && j > 0;) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      if (!extends) runs.push_back({i, j, 0});
      runs.back() = {i, j, runs.back().size + 1};
      extends = true;
      continue;
    }
    extends = false;
    if (table.Get(i - 1, j - 1)) {
      --i;
    } else {
      --j;
    }
  }
  return runs;
}

}  // namespace redis
