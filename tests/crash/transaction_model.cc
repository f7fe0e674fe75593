// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/transaction_model.h"

#include <utility>

namespace crash {

namespace {

constexpr size_t kShownSize = 40;

std::string Pick(lsm::Random* random, const char* family, uint64_t count) {
  return family + std::to_string(random->Uniform(count));
}

std::string MakeValue(lsm::Random* random, bool may_be_large) {
  uint64_t size = 1 + random->Uniform(40);
  if (random->OneIn(10)) size = random->Uniform(4000);
  if (may_be_large && random->OneIn(20)) size = random->Uniform(700'000);
  std::string value = std::to_string(random->Next32());
  value.resize(size, 'v');
  return value;
}

std::vector<std::string> MakeCommand(lsm::Random* random, bool may_be_large) {
  switch (random->Uniform(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return {"SELECT", std::to_string(random->Uniform(kDatabases))};
    case 4:
    case 5:
    case 6:
      return {"DEL", Pick(random, "k", 12)};
    case 7:
    case 8:
    case 9:
      return {"INCR", Pick(random, "n", 6)};
    case 10:
      return {"MOVE", Pick(random, "k", 12), std::to_string(random->Uniform(kDatabases))};
    case 11:
      return {"EXPIRE", Pick(random, "k", 12), "1000000"};
    case 12:
      if (random->OneIn(3)) return {"FLUSHDB"};
      if (random->OneIn(6)) return {"FLUSHALL"};
      return {"SWAPDB", "0", std::to_string(random->Uniform(kDatabases))};
    default:
      return {"SET", Pick(random, "k", 12), MakeValue(random, may_be_large)};
  }
}

}  // namespace

std::string TransactionModel::Shown(const std::string& value) {
  if (value.size() <= kShownSize) return value;
  return value.substr(0, kShownSize) + "..." + std::to_string(value.size());
}

Transaction TransactionModel::Make(lsm::Random* random, bool may_be_large) {
  Transaction transaction;
  transaction.push_back({"SELECT", std::to_string(random->Uniform(kDatabases))});
  const uint64_t commands = random->Uniform(12);
  for (uint64_t i = 0; i < commands; ++i) {
    std::vector<std::string> command = MakeCommand(random, may_be_large);
    if (command[0] == "MOVE") {
      // A key cannot be moved to where it is.
      const int target = std::stoi(command[2]);
      transaction.push_back({"SELECT", std::to_string((target + 1) % kDatabases)});
    }
    transaction.push_back(std::move(command));
  }
  transaction.push_back({"SELECT", std::to_string(random->Uniform(kDatabases))});
  transaction.push_back({"SET", "number", std::to_string(++made_)});
  return transaction;
}

void TransactionModel::Apply(const Transaction& transaction) {
  State state = states_.back();
  size_t database = 0;
  for (const std::vector<std::string>& command : transaction) {
    const std::string& name = command[0];
    auto& keys = state[database];
    if (name == "SELECT") {
      database = static_cast<size_t>(std::stoi(command[1]));
    } else if (name == "SET") {
      keys[command[1]] = Shown(command[2]);
    } else if (name == "DEL") {
      keys.erase(command[1]);
    } else if (name == "INCR") {
      std::string& value = keys[command[1]];
      value = std::to_string((value.empty() ? 0 : std::stoll(value)) + 1);
    } else if (name == "MOVE") {
      const auto found = keys.find(command[1]);
      auto& target = state[static_cast<size_t>(std::stoi(command[2]))];
      if (found == keys.end() || target.contains(command[1])) continue;
      target.insert(*found);
      keys.erase(found);
    } else if (name == "FLUSHDB") {
      keys.clear();
    } else if (name == "FLUSHALL") {
      state.assign(kDatabases, {});
    } else if (name == "SWAPDB") {
      const auto a = static_cast<size_t>(std::stoi(command[1]));
      const auto b = static_cast<size_t>(std::stoi(command[2]));
      if (a != b) std::swap(state[a], state[b]);
    }
  }
  states_.push_back(std::move(state));
}

std::optional<size_t> TransactionModel::FindPrefix(const State& state, size_t least) const {
  for (size_t i = states_.size(); i-- > least;) {
    if (states_[i] == state) return i;
  }
  return std::nullopt;
}

}  // namespace crash
