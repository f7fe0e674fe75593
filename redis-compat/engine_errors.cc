// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/engine_errors.h"

#include <cassert>

namespace redis {

std::string EngineErrorReply(const lsm::Status& status) {
  assert(!status.ok());
  if (status.IsIoError() || status.IsBusy()) {
    return "MISCONF Errors writing to the AOF file: " + std::string(status.message());
  }
  return "ERR " + status.ToString();
}

}  // namespace redis
