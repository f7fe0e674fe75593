// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/history.h"

#include <algorithm>
#include <cstdlib>

namespace crash {
namespace {

constexpr size_t kMaxTrees = 6;

// Applies a unit's operations to trees in memory.
class Applier : public lsm::WriteBatch::Handler {
 public:
  explicit Applier(Trees* trees) : trees_(trees) {}

  lsm::Status Put(lsm::TreeId tree, std::string_view key, std::string_view value) override {
    (*trees_)[tree].records[std::string(key)] = std::string(value);
    return {};
  }
  lsm::Status Delete(lsm::TreeId tree, std::string_view key) override {
    (*trees_)[tree].records.erase(std::string(key));
    return {};
  }
  lsm::Status AddCounter(lsm::TreeId tree, size_t counter, int64_t delta) override {
    (*trees_)[tree].counters[counter] += delta;
    return {};
  }
  lsm::Status CreateTree(lsm::TreeId tree) override {
    (*trees_)[tree] = {};
    return {};
  }
  lsm::Status DropTree(lsm::TreeId tree) override {
    trees_->erase(tree);
    return {};
  }

 private:
  Trees* const trees_;
};

void Apply(const lsm::WriteBatch& unit, Trees* trees) {
  Applier applier(trees);
  if (!lsm::WriteBatch::Iterate(unit.rep(), unit.count(), &applier).ok()) std::abort();
}

std::string RandomKey(lsm::Random* random) {
  // Few keys, so that overwrites and deletes meet older records; now and then the empty key.
  if (random->OneIn(50)) return "";
  std::string key = "k" + std::to_string(random->Uniform(60));
  if (random->OneIn(8)) key += std::string(random->Uniform(40), '\xff');
  return key;
}

std::string RandomValue(lsm::Random* random) {
  if (random->OneIn(10)) return "";
  std::string value(random->OneIn(60) ? random->Uniform(5000) : random->Uniform(120), ' ');
  for (char& c : value) c = static_cast<char>(random->Next32());
  return value;
}

lsm::TreeId RandomTree(const Trees& trees, lsm::Random* random) {
  auto tree = trees.begin();
  std::advance(tree, static_cast<long>(random->Uniform(trees.size())));
  return tree->first;
}

std::string Printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, 24)) {
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  return "'" + text + "' (" + std::to_string(bytes.size()) + " bytes)";
}

}  // namespace

lsm::WriteBatch History::NextUnit(lsm::DB* db, lsm::Random* random) {
  lsm::WriteBatch unit;
  Trees trees = newest_;
  trees[lsm::kDirectoryTree];
  unit.Put(lsm::kDirectoryTree, kOrdinalKey, std::to_string(units_.size() + 1));
  if (trees.size() < 4 || (trees.size() < kMaxTrees && random->OneIn(40))) {
    const lsm::TreeId tree = db->NewTreeId();
    unit.CreateTree(tree);
    trees[tree] = {};
  } else if (random->OneIn(40)) {
    const lsm::TreeId tree = RandomTree(trees, random);
    if (tree != lsm::kDirectoryTree) {
      unit.DropTree(tree);
      trees.erase(tree);
    }
  }
  for (uint64_t i = random->Uniform(6); i > 0; --i) {
    const lsm::TreeId tree = RandomTree(trees, random);
    const std::string key = RandomKey(random);
    if (random->OneIn(4)) {
      unit.Delete(tree, key);
    } else {
      unit.Put(tree, key, RandomValue(random));
    }
    unit.AddCounter(tree, random->Uniform(lsm::kTreeCounters),
                    static_cast<int64_t>(random->Uniform(7)) - 3);
  }
  Apply(unit, &newest_);
  units_.push_back(unit);
  return unit;
}

void History::CutTo(uint64_t count) {
  if (count >= units_.size()) return;
  units_.resize(count);
  newest_ = StateAfter(count);
}

Trees History::StateAfter(uint64_t count) const {
  Trees trees;
  trees[lsm::kDirectoryTree];
  for (uint64_t i = 0; i < count; ++i) Apply(units_[i], &trees);
  return trees;
}

namespace {

bool Fail(const lsm::Status& status, const char* what, lsm::TreeId tree, std::string* fault) {
  *fault = "tree " + std::to_string(tree) + ": " + what + ": " + status.ToString();
  return false;
}

bool ReadTree(lsm::ReadView* view, lsm::TreeId tree, TreeState* state, std::string* fault) {
  auto counters = view->Counters(tree);
  if (!counters.ok()) return Fail(counters.status(), "counters", tree, fault);
  state->counters = *counters;
  auto iterator = view->NewIterator(tree, {});
  if (!iterator.ok()) return Fail(iterator.status(), "iterator", tree, fault);
  lsm::Iterator* it = iterator->get();
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    state->records.emplace(it->key(), it->value());
  }
  if (!it->status().ok()) return Fail(it->status(), "forward", tree, fault);
  auto expected = state->records.rbegin();
  for (it->SeekToLast(); it->Valid(); it->Prev(), ++expected) {
    if (expected == state->records.rend() || expected->first != it->key() ||
        expected->second != it->value()) {
      *fault = "backward iteration differs at " + Printable(it->key());
      return false;
    }
  }
  if (!it->status().ok()) return Fail(it->status(), "backward", tree, fault);
  if (expected != state->records.rend()) {
    *fault = "backward iteration ends before " + Printable(expected->first);
    return false;
  }
  for (const auto& [key, value] : state->records) {
    auto found = view->Get(tree, key);
    if (!found.ok()) return Fail(found.status(), "get", tree, fault);
    if (!found->value || found->value->view() != value) {
      *fault = "a point read of " + Printable(key) + " differs from iteration";
      return false;
    }
  }
  return true;
}

}  // namespace

bool ReadTrees(lsm::DB* db, Trees* trees, std::string* fault) {
  const auto view = db->NewReadView();
  for (const lsm::TreeId tree : db->Trees()) {
    if (!ReadTree(view.get(), tree, &(*trees)[tree], fault)) return false;
  }
  return true;
}

std::string Difference(const Trees& expected, const Trees& found) {
  for (const auto& [tree, state] : expected) {
    const std::string where = "tree " + std::to_string(tree) + ": ";
    const auto other = found.find(tree);
    if (other == found.end()) return where + "missing";
    for (const auto& [key, value] : state.records) {
      const auto record = other->second.records.find(key);
      if (record == other->second.records.end()) return where + "no " + Printable(key);
      if (record->second != value) return where + "wrong value of " + Printable(key);
    }
    for (const auto& [key, value] : other->second.records) {
      if (!state.records.contains(key)) return where + Printable(key) + " is back";
    }
    if (state.counters != other->second.counters) return where + "wrong counters";
  }
  for (const auto& [tree, state] : found) {
    if (!expected.contains(tree)) return "tree " + std::to_string(tree) + " is back";
  }
  return "";
}

}  // namespace crash
