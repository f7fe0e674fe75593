// SPDX-License-Identifier: BSD-3-Clause
// One fixed life of a database, interrupted at a chosen call to the file system.
//
// The life: trees are made, filled in order and at random, forked, forked again and dropped; units
// have big values and deletes; what is in memory is flushed alone and together; compactions run,
// also by request; a checkpoint is made; the database is closed and opened; the process dies in the
// middle of a flush and the next one recovers; it goes on, and closes.
//
// Interruptions:
//   - The power goes within the n-th change. What is found afterwards must open, must be a prefix
//     of the units with all that was synced, and must hold no file that nobody needs. It goes on
//     being a database. Recovery itself may be cut as well.
//   - The n-th call fails, once. The life goes on: what fails is tried again, and must work then,
//     without a restart but where it was the opening that failed. Nothing that was acknowledged is
//     lost, nothing refused comes back, also after a power cut behind a sync, a close and an open.
//
// Thread safety: none needed; every life has a machine of its own.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/planted_bugs.h"
#include "tests/support/fault_plan.h"

namespace crash {

// What an undisturbed life has in it.
struct LifeFigures {
  std::vector<lsm::FileCall> calls;  // all of them, in order
  uint64_t changes = 0;              // calls that change something
  uint64_t units = 0;
  uint64_t flushes = 0;
  uint64_t shared_files = 0;   // SST files with slices of several trees
  uint64_t shared_slices = 0;  // slices that several trees have
  uint64_t compactions = 0;
  uint64_t moves = 0;
  uint64_t drops = 0;
  uint64_t levels = 0;  // below L0 that held files at one time
  uint64_t blobs_made = 0;
  uint64_t blobs_removed = 0;
  uint64_t forks = 0;
  uint64_t dropped_trees = 0;
  uint64_t checkpoints = 0;
  uint64_t replayed_units = 0;
  uint64_t orphans_removed = 0;

  // What is missing of what the life has to have; empty if nothing is.
  std::string Missing() const;
};

struct Verdict {
  std::string violation;  // empty: none
  uint64_t calls = 0;     // CutTwice: changes that the recovery made
};

// Undisturbed; says what it had in it.
Verdict LiveUndisturbed(uint64_t seed, LifeFigures* figures);
// The power goes within the change `at`, from 1.
Verdict CutPowerAt(uint64_t seed, uint64_t at, PlantedBug bug);
// It goes again within the change `again` of the recovery; 0: not, and `calls` says how many there
// are.
Verdict CutPowerTwice(uint64_t seed, uint64_t at, uint64_t again);
// The fault's `first` counts calls of all kinds.
Verdict FailCall(uint64_t seed, const lsm::FaultPlan::Fault& fault);

// How a call of this kind may fail.
std::vector<lsm::FaultPlan::Fault> FaultsOf(lsm::FileCall call, uint64_t at);

}  // namespace crash
