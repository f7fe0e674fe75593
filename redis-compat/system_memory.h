// SPDX-License-Identifier: BSD-3-Clause
// How much memory there is for this process.
// Thread safety: safe.

#pragma once

#include <cstdint>
#include <string>

namespace redis {

// The machine's memory, or what the control groups of the process allow it if that is less; 0 if
// nobody says. `root` stands before the paths of the system's files, for tests.
uint64_t SystemMemory(const std::string& root = "");

}  // namespace redis
