// SPDX-License-Identifier: BSD-3-Clause
// The longest common subsequence of two strings: the bytes that both hold in the same order, with
// others between them. Of several that are longest, the one that walking back from both ends finds
// when it goes back in `b` unless only going back in `a` keeps the length; this is Redis's choice.
//
// How, for strings a and b with L[i][j] the length for their first i and j bytes:
//   1. L[i][j] - L[i][j-1] is 0 or 1, so a row of L is a string of bits.
//   2. A row follows from the one before by an addition over 64 of its bits at a time (Hyyro 2004),
//      with a carry into the next 64. b is taken 64 bytes at a time, each with all of a, so that
//      there is one set of match masks.
//   3. The length is the number of ones in the last row. To walk back, the bits of all rows are
//      kept, a 32nd of what L itself would take.
//   4. Walking back from (i, j): equal bytes belong to the answer; else, where the bit at (i, j) is
//      one, going back in b would lose length, so i goes back; else j does.
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace redis {

// Bytes that are equal and adjacent in both strings.
struct CommonRun {
  size_t a_begin;
  size_t b_begin;
  size_t size;
};

// O(a.size() * b.size() / 64), and memory for a bit for each byte of a.
size_t CommonSubsequenceLength(std::string_view a, std::string_view b);
// From the last run to the first. Memory for a bit for each pair of bytes.
std::vector<CommonRun> CommonSubsequence(std::string_view a, std::string_view b);

}  // namespace redis
