// SPDX-License-Identifier: BSD-3-Clause
// VARVE_CHECK ends the process when an invariant of our own is broken: going on would write
// nonsense to disk. Never for input, files or the system, whose errors are a Status.

#pragma once

namespace lsm {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace lsm

#define VARVE_CHECK(condition)                                            \
  do {                                                                    \
    if (!(condition)) ::lsm::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)
