// SPDX-License-Identifier: BSD-3-Clause
// ModelDb is what a database of many trees must contain: sorted maps that apply write units in
// order and remember every unit, so that the content after any prefix of them can be told. It
// answers which prefix a recovered database equals.
//
// A unit is known by its ordinal, from 1; "after 0" is the empty database. Each prefix has a
// fingerprint - the sum of the hashes of its entries - by which it is found; what is found is then
// compared exactly.
//
// Thread safety: none.
// Invariants: fingerprints_[n] belongs to the content after n units; content_ is that after all.

#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"

namespace lsm {

struct TreeContent {
  std::map<std::string, std::string> entries;
  TreeCounters counters = {};
  bool operator==(const TreeContent&) const = default;
};
// Trees by id; tree 0 is always there.
using DbContent = std::map<TreeId, TreeContent>;

// Everything that a forward scan of each tree shows. Tree 0 is read even if it is not in `trees`.
Result<DbContent> ReadContent(ReadView* view, const std::vector<TreeId>& trees);
// The same of a database as it is now.
Result<DbContent> ReadContent(DB* db);

// The first differences in words a person can read, empty if there are none.
std::string Difference(const DbContent& expected, const DbContent& actual);

class ModelDb {
 public:
  // Applies the next unit and returns its ordinal. REQUIRES: trees that it names exist, and those
  // that it creates do not.
  size_t Apply(const WriteBatch& unit);
  size_t units() const { return units_.size(); }
  const DbContent& content() const { return content_; }
  // REQUIRES: n <= units()
  DbContent After(size_t n) const;
  // The units behind the first n have never happened. REQUIRES: n <= units()
  void ForgetAfter(size_t n);

  // Prefixes that equal a content: the shortest and the longest of those allowed.
  struct Prefix {
    size_t shortest;
    size_t longest;
  };
  // Which prefix of at least `at_least` and at most `at_most` units `content` is. kCorruption if it
  // is none of them, with the differences from the nearest. REQUIRES: at_least <= at_most <=
  // units()
  Result<Prefix> FindPrefix(const DbContent& content, size_t at_least, size_t at_most) const;

  // Checks all ways to read `view` against the content after n units: points (also of keys that
  // were there earlier or later), scans in both directions and seeks. kCorruption with the first
  // disagreement.
  Status CheckReads(ReadView* view, size_t n) const;

 private:
  class Applier;

  std::string DescribeNearest(const DbContent& content, size_t at_least, size_t at_most) const;

  static DbContent EmptyContent() { return {{kDirectoryTree, {}}}; }
  static uint64_t Fingerprint(const DbContent& content);

  std::vector<WriteBatch> units_;
  std::vector<uint64_t> fingerprints_ = {Fingerprint(EmptyContent())};
  DbContent content_ = EmptyContent();
  std::set<std::string> keys_;  // that any tree ever had, and more after ForgetAfter
};

}  // namespace lsm
