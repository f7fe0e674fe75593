// SPDX-License-Identifier: BSD-3-Clause
// Cursors of SCAN: numbers below 2^53 that name a place in key order (ENCODING.md, "Cursors").
//
// A cursor is a prefix, by its id, and four bytes behind it. Keys that agree on those - ties -
// cannot be parted by it. SCAN returns a few ties whole; where there are many, the longest prefix
// they share is registered under an id of its own, in the database's tree, and from then on cursors
// below it look at the four bytes behind that.
//
// Because a cursor is a place and not a position in a table, a key that is present throughout a
// scan is returned, whatever else is written; and cursors stay good across restarts.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "redis-compat/keyspace.h"

namespace redis {

// Four key bytes as a number that sorts as they do; zeros where there are none.
uint32_t CursorWindow(std::string_view bytes);

// The registered prefixes of one tree.
class CursorPrefixes {
 public:
  static constexpr uint32_t kEmptyPrefixId = 1;
  static constexpr size_t kMaxPrefixes = 65'536;
  static constexpr size_t kMaxPrefixSize = 1024;
  static constexpr size_t kMaxBytes = size_t{4} << 20;

  lsm::Status Load(WriteUnit* unit, lsm::TreeId tree);

  // The key from which to go on; absent for a number that no scan of this tree can have answered.
  std::optional<std::string> Resolve(uint64_t cursor) const;
  // A cursor behind `last` from which a scan goes on with `next`; 0 if they are ties.
  // REQUIRES: last < next
  uint64_t Between(std::string_view last, std::string_view next) const;
  // The longest registered prefix of a key.
  std::string_view LongestPrefixOf(std::string_view key) const;
  // The id that the prefix gets, 0 if there is no room for it. REQUIRES: it is not registered
  uint32_t Add(std::string_view prefix);

 private:
  std::map<std::string, uint32_t, std::less<>> ids_;
  std::vector<std::string> prefixes_ = {""};  // by id - kEmptyPrefixId
  size_t bytes_ = 0;
};

class CursorRegistry {
 public:
  // The prefixes of the database's tree, loaded when they are first asked for.
  lsm::Result<CursorPrefixes*> Find(Keyspace* keys);
  // What is in memory may not be stored: load it again.
  void Forget() { databases_.clear(); }

 private:
  struct Entry {
    lsm::TreeId tree = lsm::kDirectoryTree;
    CursorPrefixes prefixes;
  };
  std::map<int, Entry> databases_;
};

// One call of SCAN.
struct ScanOptions {
  uint64_t cursor = 0;
  uint64_t count = 10;
  std::optional<std::string> pattern;
  std::optional<std::string> type;  // as TYPE names it
};
struct ScanResult {
  uint64_t cursor = 0;
  std::vector<std::string> keys;
};
lsm::Result<ScanResult> Scan(Instance* instance, Keyspace* keys, const ScanOptions& options);

// The part of the key space that a pattern's matches lie in.
lsm::IterateOptions RangeOfPattern(std::string_view pattern);

}  // namespace redis
