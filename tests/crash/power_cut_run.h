// SPDX-License-Identifier: BSD-3-Clause
// PowerCutRun is one seeded life of a database in memory, with several deaths.
//
//   1. Options, sizes and the schedule of background work come from the seed. One in three has many
//      keys in small files, so that tombstones are dropped in several levels.
//   2. Units are written over several trees in groups; syncs, flushes and compactions happen in
//      between, and more groups are written in the middle of flushes.
//   3. The power goes at a random change of the file system - also during recovery or close - and
//      what was not synced survives or not, block by block and name by name, as the seed decides;
//      or only the process dies.
//   4. The database is opened from what is left. It must open, and hold exactly the state after a
//      prefix of the units, one that includes every unit which the engine has called synced (or,
//      if only the process died, appended).
//   5. The history goes on from that prefix, until there have been enough units.
//
// Thread safety: none; runs of different seeds share nothing.

#pragma once

#include <cstdint>
#include <string>

#include "tests/crash/planted_bugs.h"

namespace crash {

struct PowerCutResult {
  std::string violation;  // empty: none
  uint64_t units = 0;
  uint64_t deaths = 0;
  uint64_t cuts_with_flush_in_flight = 0;
  uint64_t cuts_while_opening = 0;
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  // Whose end found files in at least two levels below L0, and in at least three.
  uint64_t lives_of_several_levels = 0;
  uint64_t lives_of_many_levels = 0;
};

// The same seed and bug give the same result.
PowerCutResult RunPowerCuts(uint64_t seed, PlantedBug bug, uint64_t least_units);

}  // namespace crash
