// SPDX-License-Identifier: BSD-3-Clause
// MakeUnit makes random write units for the crash tests: puts, deletes and counters in the
// directory tree and in a few others; now and then a tree is created, forked or dropped. Few keys,
// so that overwrites and deletes meet older records; empty, binary and long keys and values are
// among them.

#pragma once

#include "lsm/db.h"
#include "lsm/random.h"
#include "lsm/write_batch.h"
#include "tests/support/model_db.h"

namespace crash {

struct UnitShape {
  bool forks = true;
  uint64_t keys = 60;           // different ones, more or less
  uint64_t max_operations = 5;  // of puts and deletes
  uint64_t max_value = 120;     // bytes, but for a few that are larger
  size_t max_trees = 6;
};

// A unit that fits `content`; it is applied to nothing yet. Every unit differs from the one before
// in what it leaves, so that each prefix is told from its neighbours: `ordinal` is stored.
lsm::WriteBatch MakeUnit(lsm::DB* db, const lsm::DbContent& content, uint64_t ordinal,
                         lsm::Random* random, const UnitShape& shape = {});

}  // namespace crash
