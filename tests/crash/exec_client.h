// SPDX-License-Identifier: BSD-3-Clause
// ExecClient writes by MULTI and EXEC, several transactions in flight at a time, each over four
// databases, one of which nobody else uses and which a transaction flushes now and then. The n-th
// transaction writes n everywhere, so that half a transaction is seen at a glance.
//
// Thread safety: none; one thread at a time.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lsm/random.h"
#include "tests/support/server_process.h"

namespace crash {

class ExecClient {
 public:
  ExecClient(int number, uint64_t seed);

  // Pipelines transactions until the connection breaks. False if a reply was wrong.
  bool Load(redisContext* context, std::string* fault);
  // Looks whether each transaction is there whole or not at all, and none that was acknowledged is
  // missing; goes on from the last one that is there.
  bool Verify(redisContext* context, std::string* fault);

  int64_t acknowledged() const { return acknowledged_; }

 private:
  using Commands = std::vector<std::vector<std::string>>;

  Commands MakeTransaction(int64_t n);
  void Send(redisContext* context, int64_t n);
  // The number at a key; 0 if there is none, -1 after an error.
  int64_t NumberAt(redisContext* context, int database, const std::string& key);

  const std::string key_;
  const int own_database_;
  lsm::Random random_;
  int64_t acknowledged_ = 0;
  int64_t sent_ = 0;
};

}  // namespace crash
