// SPDX-License-Identifier: BSD-3-Clause
// MissingBlocks hears from an iterator that reads in memory only which blocks it lacks.
// Thread safety: none.

#pragma once

#include <cstddef>

namespace lsm {

class MissingBlocks {
 public:
  virtual ~MissingBlocks() = default;
  // The data block of that number in its slice. `ahead`: it is not lacking yet, but will be if the
  // iterator goes on as it did.
  virtual void Add(size_t block, bool ahead) = 0;
};

}  // namespace lsm
