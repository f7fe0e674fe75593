// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/util/check.h"

#include <cstdio>
#include <cstdlib>

namespace lsm {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace lsm
