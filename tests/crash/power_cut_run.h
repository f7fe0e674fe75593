// SPDX-License-Identifier: BSD-3-Clause
// PowerCutRun is one seeded life of a database in memory, with several deaths.
//
//   1. Options, sizes and the schedule of background work come from the seed.
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
// A planted bug is a lie of the file system or a change of what is found on disk that stands for a
// mistake in the engine; a harness that does not see it proves nothing.
//
// Thread safety: none; runs of different seeds share nothing.

#pragma once

#include <cstdint>
#include <string>

namespace crash {

enum class PlantedBug {
  kNone,
  kSkippedDirectorySync,       // SyncDirectory says OK and does nothing
  kManifestBeforeSst,          // an SST file is not durable when the manifest names it
  kBlobAheadOfSync,            // a blob file is not durable when the manifest names it
  kSstAheadOfLog,              // a flush does not sync the log first
  kRecycledWithoutGeneration,  // old groups of a recycled segment are taken for new ones
  kAcknowledgedBeforeSync,     // a sync of the log is reported before it has happened
  kLostRecordInTheMiddle,      // a synced group of the log has vanished
  kForkedOntoLaterData,        // the manifest holds what is younger than a fork, but not the fork
  kForgottenOwner,             // a shared table's file is named by one of its trees only
};
const char* Name(PlantedBug bug);

struct PowerCutResult {
  std::string violation;  // empty: none
  uint64_t units = 0;
  uint64_t deaths = 0;
  uint64_t cuts_with_flush_in_flight = 0;
  uint64_t cuts_while_opening = 0;
  uint64_t flushes = 0;
  uint64_t compactions = 0;
};

// The same seed and bug give the same result.
PowerCutResult RunPowerCuts(uint64_t seed, PlantedBug bug, uint64_t least_units);

}  // namespace crash
