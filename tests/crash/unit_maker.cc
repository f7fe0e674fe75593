// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/unit_maker.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

namespace crash {
namespace {

constexpr size_t kMinTrees = 4;

std::string RandomKey(lsm::Random* random, const UnitShape& shape) {
  if (random->OneIn(50)) return "";
  std::string key = "k" + std::to_string(random->Uniform(shape.keys));
  if (random->OneIn(8)) key += std::string(random->Uniform(40), '\xff');
  return key;
}

std::string RandomValue(lsm::Random* random, const UnitShape& shape) {
  if (random->OneIn(10)) return "";
  std::string value(random->OneIn(60) ? random->Uniform(5000) : random->Uniform(shape.max_value),
                    ' ');
  for (char& c : value) c = static_cast<char>(random->Next32());
  return value;
}

}  // namespace

lsm::WriteBatch MakeUnit(lsm::DB* db, const lsm::DbContent& content, uint64_t ordinal,
                         lsm::Random* random, const UnitShape& shape) {
  lsm::WriteBatch unit;
  unit.Put(lsm::kDirectoryTree, "ordinal", std::to_string(ordinal));
  std::vector<lsm::TreeId> trees;
  for (const auto& [tree, unused] : content) trees.push_back(tree);
  const auto pick = [&] { return trees[random->Uniform(trees.size())]; };
  // A fork, or several of one tree; what is forked is left alone by the rest of the unit.
  if (shape.forks && trees.size() < shape.max_trees && random->OneIn(25)) {
    const lsm::TreeId source = pick();
    for (uint64_t i = random->OneIn(4) ? 2 : 1; i > 0 && source != lsm::kDirectoryTree; --i) {
      unit.ForkTree(db->NewTreeId(), source);
      std::erase(trees, source);
    }
  }
  if (trees.size() < std::min(kMinTrees, shape.max_trees) ||
      (trees.size() < shape.max_trees && random->OneIn(40))) {
    trees.push_back(db->NewTreeId());
    unit.CreateTree(trees.back());
  } else if (random->OneIn(40)) {
    const lsm::TreeId tree = pick();
    if (tree != lsm::kDirectoryTree) {
      unit.DropTree(tree);
      std::erase(trees, tree);
    }
  }
  for (uint64_t i = random->Uniform(shape.max_operations + 1); i > 0; --i) {
    const lsm::TreeId tree = pick();
    const std::string key = RandomKey(random, shape);
    if (random->OneIn(4)) {
      unit.Delete(tree, key);
    } else {
      unit.Put(tree, key, RandomValue(random, shape));
    }
    unit.AddCounter(tree, random->Uniform(lsm::kTreeCounters),
                    static_cast<int64_t>(random->Uniform(7)) - 3);
  }
  return unit;
}

}  // namespace crash
