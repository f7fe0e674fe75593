// SPDX-License-Identifier: BSD-3-Clause
// A history is a list of steps, made from a seed, with the answer that each of them must give. The
// answers come from std::map, so they hold whatever the options of the database are: one history,
// many configurations, one answer.
//
// Trees are known by names. The directory tree maps a name to a tree's id, as a caller would do it;
// a swap exchanges what two names stand for, and a read finds its tree through the same view that
// it reads it with.
//
// Thread safety: plain values.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lsm/iterator.h"
#include "lsm/types.h"

namespace crash {

struct Write {
  std::string tree;
  std::string key;
  std::string value;
  bool is_delete = false;
  int64_t counted = 0;  // added to counter 0 of the tree; 0: nothing
};

struct Move {
  enum class Kind { kSeekToFirst, kSeekToLast, kSeek, kSeekForPrev, kNext, kPrev };
  Kind kind = Kind::kSeekToFirst;
  std::string target;
};

struct Step {
  enum class Kind {
    kWrite,    // one unit
    kCreate,   // `tree`
    kDrop,     // `tree`
    kFork,     // `other` from `tree`
    kSwap,     // what `tree` and `other` stand for
    kPin,      // a snapshot, which becomes the last one
    kUnpin,    // snapshot `snapshot`; those behind it move up
    kGet,      // `key` of `tree`
    kCount,    // the counter of `tree`
    kWalk,     // an iterator over `tree` makes `moves`
    kFlush,    // `tree`
    kCompact,  // `tree`
    kCheckpoint,
    kReopen,
    kKill,        // the process dies; no snapshot is alive
    kBackground,  // up to `jobs` jobs run
    kReadAll,
  };

  Kind kind = Kind::kWrite;
  std::string tree;
  std::string other;
  std::string key;
  std::vector<Write> writes;
  std::vector<Move> moves;
  lsm::IterateOptions range;
  size_t snapshot = kNow;  // of reads, and kUnpin
  size_t jobs = 0;
  std::string answer;  // of reads, kCheckpoint and kReadAll

  static constexpr size_t kNow = SIZE_MAX;
};

const char* Name(Step::Kind kind);
// For people.
std::string Describe(const Step& step);

// What a database holds, by tree name.
struct Contents {
  struct Tree {
    std::map<std::string, std::string> entries;
    int64_t counted = 0;
  };
  std::map<std::string, Tree> trees;

  // All of it as text; what kReadAll and kCheckpoint answer.
  std::string ToString() const;
};

// What a walk answers for one position: the pair, or that there is none.
std::string PositionText(bool valid, std::string_view key, std::string_view value);

std::vector<Step> MakeHistory(uint64_t seed, size_t steps);

}  // namespace crash
