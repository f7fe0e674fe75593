// SPDX-License-Identifier: BSD-3-Clause
// How the engine's failures are told to clients.
// Thread safety: pure functions.

#pragma once

#include <string>

#include "lsm/status.h"

namespace redis {

// "CODE text". Writes that the disk refuses get the code and the words that Redis uses for it.
// REQUIRES: !status.ok()
std::string EngineErrorReply(const lsm::Status& status);

}  // namespace redis
