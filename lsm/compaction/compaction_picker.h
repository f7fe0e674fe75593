// SPDX-License-Identifier: BSD-3-Clause
// CompactionPicker decides what is to be compacted in one tree: a pure function of the tree's
// Version, a few limits and the situation.
//
// Weight. A tombstone is as heavy as the record that it will remove: a file weighs its bytes and,
// for each tombstone, the tree's average record. Files full of tombstones therefore go down early.
//
// Levels. L0 is tiered: each file is a run, newest first. Below it each level is one run. A level
// may hold 1/fan_out of what the next one may hold, counted from the last level upward, which has
// no limit. So a small tree has L0 and the last level only.
//
// How deep. Files that leave a level go down as far as what has to be rewritten there is at most
// fan_out times as heavy as they are; at least to the next level that is in their way. This is what
// makes intermediate levels come into being (what L0 brings is too light for the last level) and
// what takes extra runs down through several levels at once.
//
// Extra runs. Under pressure what L0 holds is written to an empty level above all others: that
// costs no rewriting and makes L0 empty. At most kMaxExtraRuns; the levels' sizes bring them down
// once they are the heaviest thing to do.
//
// Thread safety: immutable.

#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "lsm/compaction/compaction.h"
#include "lsm/options.h"
#include "lsm/types.h"
#include "lsm/version/version.h"

namespace lsm {

struct CompactionLimits {
  int l0_trigger = 8;
  uint64_t target_file_size = uint64_t{16} << 20;
  double fan_out = 8;
  // While nobody writes, what is 1/idle_fan_out as heavy as what it rewrites is worth the work.
  double idle_fan_out = 12;
  // Bytes of a compaction that begins below L0, unless one file needs more.
  uint64_t max_bytes = uint64_t{400} << 20;

  static CompactionLimits From(const Options& options);
};

struct CompactionSituation {
  bool pressure = false;  // L0 grows faster than it is emptied
  bool idle = false;      // nobody has written for a while
  // The oldest point somebody looks at; records that are newer may be needed by several.
  SequenceNumber oldest_pin = kMaxSequence;
  // Blob files that are mostly garbage; null: none.
  const std::set<uint64_t>* wasteful_blobs = nullptr;
};

// Keys from `begin` on and before `end`; absent: no limit on that side.
struct CompactionRange {
  std::optional<std::string> begin;
  std::optional<std::string> end;
};

class CompactionPicker {
 public:
  static constexpr int kLastLevel = kMaxLevels - 1;
  static constexpr int kMaxExtraRuns = 3;

  explicit CompactionPicker(const CompactionLimits& limits) : limits_(limits) {}

  // How urgent the most urgent work is; below 1: none is due.
  double Score(const Version& version, const CompactionSituation& situation) const;

  // The most urgent work that is due, or, while idle, what is worth doing. None: nothing is.
  std::optional<Compaction> Pick(const Version& version,
                                 const CompactionSituation& situation) const;

  // The next step towards a tree whose records of `range` are all in the last level, without
  // records that nobody needs. `first_new_file`: files of the last level from this number on have
  // been written for this purpose. None: it is done.
  std::optional<Compaction> PickRange(const Version& version, const CompactionRange& range,
                                      uint64_t first_new_file,
                                      const CompactionSituation& situation) const;

  // What rids the tree of a slice at `level` by writing its records anew.
  Compaction PickSlice(const Version& version, int level, const FileRef& file,
                       const CompactionSituation& situation) const;

  // About how many bytes have to be read and written until nothing is due: the debt.
  uint64_t PendingBytes(const Version& version) const;

 private:
  double SizeScore(const Version& version, int level) const;
  double LevelScore(const Version& version, int level) const;
  // The level whose work is most urgent.
  int WorstLevel(const Version& version, double* score) const;
  std::optional<Compaction> PickL0(const Version& version, const CompactionSituation& situation,
                                   double fan_out) const;
  std::optional<Compaction> PickLevel(const Version& version, int level,
                                      const CompactionSituation& situation, double fan_out,
                                      bool if_worth) const;
  std::optional<Compaction> PickIdle(const Version& version,
                                     const CompactionSituation& situation) const;
  // Files of the last level whose tombstones hide nothing any more.
  std::optional<Compaction> PickLastLevel(const Version& version,
                                          const CompactionSituation& situation,
                                          double least_share) const;
  // A file whose records point to so much of wasteful blob files that writing it anew is worth it.
  std::optional<Compaction> PickWasteful(const Version& version,
                                         const CompactionSituation& situation) const;
  // The oldest files of L0 that are in nobody's way.
  std::optional<Compaction> PickMoves(const Version& version,
                                      const CompactionSituation& situation) const;
  Compaction Descend(const Version& version, int level, std::vector<FileRef> files,
                     double fan_out) const;
  // Decides between kMerge, kMove and kDrop.
  void SetKind(const Version& version, const CompactionSituation& situation,
               Compaction* compaction) const;

  const CompactionLimits limits_;
};

}  // namespace lsm
