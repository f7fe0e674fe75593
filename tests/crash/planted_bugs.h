// SPDX-License-Identifier: BSD-3-Clause
// A planted bug is a lie of the file system, or a change of what is found on disk, that stands for
// a mistake in the engine; a harness that does not see it proves nothing.
//
// Thread safety: none needed; every call stands for itself.

#pragma once

#include <string>

#include "tests/support/fault_plan.h"
#include "tests/support/mem_file_system.h"

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
  kTombstoneDroppedEarly,      // though the level beneath its own still has what it hides
};
inline constexpr PlantedBug kPlantedBugs[] = {PlantedBug::kSkippedDirectorySync,
                                              PlantedBug::kManifestBeforeSst,
                                              PlantedBug::kBlobAheadOfSync,
                                              PlantedBug::kSstAheadOfLog,
                                              PlantedBug::kRecycledWithoutGeneration,
                                              PlantedBug::kAcknowledgedBeforeSync,
                                              PlantedBug::kLostRecordInTheMiddle,
                                              PlantedBug::kForkedOntoLaterData,
                                              PlantedBug::kForgottenOwner,
                                              PlantedBug::kTombstoneDroppedEarly};

const char* Name(PlantedBug bug);

// The lies of the bug, if it is one of those, become part of the plan.
void PlantLies(PlantedBug bug, lsm::FaultPlan* plan);

// Does to the dead database in `directory` what the bug would have done to it. Not every database
// gives an opportunity. REQUIRES: no calls of `fs` fail
lsm::Status PlantOnDisk(PlantedBug bug, lsm::MemFileSystem* fs, const std::string& directory);

}  // namespace crash
