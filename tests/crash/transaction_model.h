// SPDX-License-Identifier: BSD-3-Clause
// TransactionModel makes random transactions over several databases and knows what the databases
// hold after each of them, so that whatever is found after a crash can be named: the state after
// so many transactions, or something that never was.
//
// Invariant: every state differs from every other one: each transaction ends by writing its number.
// Thread safety: none.

#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lsm/random.h"

namespace crash {

inline constexpr int kDatabases = 4;

// Commands with their arguments.
using Transaction = std::vector<std::vector<std::string>>;

class TransactionModel {
 public:
  // What each database holds. Long values are told by their length and their beginning.
  using State = std::vector<std::map<std::string, std::string>>;

  TransactionModel() : states_{State(kDatabases)} {}

  // Begins with SELECT; none of its commands fails. `may_be_large`: values that do not fit into one
  // group of the log.
  Transaction Make(lsm::Random* random, bool may_be_large);
  // The transaction is executed next.
  void Apply(const Transaction& transaction);

  // Transactions that were executed.
  size_t size() const { return states_.size() - 1; }
  // After how many transactions the databases held this, at least `least`.
  std::optional<size_t> FindPrefix(const State& state, size_t least) const;
  void ForgetAfter(size_t count) { states_.resize(count + 1); }

  static std::string Shown(const std::string& value);

 private:
  std::vector<State> states_;
  size_t made_ = 0;
};

}  // namespace crash
