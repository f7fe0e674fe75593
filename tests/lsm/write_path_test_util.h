// SPDX-License-Identifier: BSD-3-Clause
// What the tests of the write path share.

#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lsm/version/manifest.h"
#include "tests/lsm/db_test_util.h"

namespace lsm::db_test {

// The files of tree 0 as the manifest names them, oldest first in L0.
inline std::vector<FileMetadata> FilesAt(TestDb* db, int level) {
  const Result<ManifestRecovery> manifest = RecoverManifest(db->fs(), kDirectory);
  REQUIRE(manifest.ok());
  return manifest->state.trees.at(0).levels[level];
}

// Puts keys until the active memtable is frozen; returns the first and last of them.
inline std::pair<std::string, std::string> FillOneTable(TestDb* db, int* next) {
  const uint64_t rotations = (*db)->Stats().rotations;
  const std::string first = Key(*next);
  while ((*db)->Stats().rotations == rotations) {
    REQUIRE(db->Put(Key(*next), std::string(200, 'v')).ok());
    ++*next;
  }
  return {first, Key(*next - 1)};
}

}  // namespace lsm::db_test
