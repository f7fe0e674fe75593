// SPDX-License-Identifier: BSD-3-Clause
// History is the oracle of the crash tests: the write units that were committed, in order, and what
// the trees hold after any prefix of them. Unit n writes n under kOrdinalKey of the directory tree,
// so that a recovered database says which prefix it claims to be.
//
// Thread safety: none.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "lsm/db.h"
#include "lsm/random.h"
#include "lsm/write_batch.h"

namespace crash {

inline constexpr const char* kOrdinalKey = "ordinal";

struct TreeState {
  std::map<std::string, std::string> records;
  lsm::TreeCounters counters{};

  bool operator==(const TreeState&) const = default;
};
using Trees = std::map<lsm::TreeId, TreeState>;

class History {
 public:
  // Makes the next unit: puts, deletes and counters in the directory tree and in other trees, now
  // and then a tree is created or dropped. It is part of the history at once.
  lsm::WriteBatch NextUnit(lsm::DB* db, lsm::Random* random);

  // The number of units.
  uint64_t size() const { return units_.size(); }
  // Forgets the units behind the first `count`: they did not survive.
  void CutTo(uint64_t count);
  // REQUIRES: count <= size()
  Trees StateAfter(uint64_t count) const;
  const Trees& newest() const { return newest_; }

 private:
  std::vector<lsm::WriteBatch> units_;
  Trees newest_;
};

// Everything a database shows, by iterators both ways, point reads and counters, which must agree;
// otherwise, or if a read fails, `fault` says why.
bool ReadTrees(lsm::DB* db, Trees* trees, std::string* fault);

// "" if equal, else the first difference.
std::string Difference(const Trees& expected, const Trees& found);

}  // namespace crash
