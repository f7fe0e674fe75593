// SPDX-License-Identifier: BSD-3-Clause
// Compaction is one piece of work on the files of one tree, as the picker decides it: which files
// are taken out of their levels, and what takes their place in a deeper one.
//
// Invariants that every Compaction keeps, so that a key's records stay in order of age from L0 to
// the last level:
//   - No file that stays in the levels between the first input and the output overlaps an input
//     that lies above it, nor one within the output level.
//   - If an input is in L0, every file of L0 that overlaps it is an input too.
//
// Thread safety: none; plain values.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lsm/version/version.h"

namespace lsm {

enum class CompactionKind {
  kMerge,  // the inputs are read and written anew
  kMove,   // the inputs change their level; nothing is read or written
  kDrop,   // the inputs hold nothing that anybody needs
};

enum class CompactionReason {
  kL0,          // L0 has too many runs
  kLevelSize,   // a level is larger than its target
  kTombstones,  // tombstones can give space back
  kIdle,        // nobody writes: fewer runs, fewer tombstones
  kManual,      // somebody asked for it
  kSharedFile,  // most of a file that trees share is dead
};

std::string_view ToString(CompactionKind kind);
std::string_view ToString(CompactionReason reason);

struct Compaction {
  struct Input {
    int level = 0;
    FileRef file;
  };
  CompactionKind kind = CompactionKind::kMerge;
  CompactionReason reason = CompactionReason::kL0;
  std::vector<Input> inputs;  // by level; within L0 newest first, within others in key order
  int output_level = 0;

  uint64_t InputBytes() const {
    uint64_t bytes = 0;
    for (const Input& input : inputs) bytes += input.file->slice_size;
    return bytes;
  }
};

}  // namespace lsm
