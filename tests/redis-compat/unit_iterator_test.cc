// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/unit_iterator.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lsm/random.h"
#include "redis-compat/write_unit.h"
#include "tests/support/test_server.h"

using test_support::TestServer;

namespace {

using Model = std::map<std::string, std::string>;

std::string RandomKey(lsm::Random* random) {
  std::string key;
  for (uint64_t size = random->Uniform(4); size > 0; --size) {
    constexpr std::string_view kBytes("\0ab\xff", 4);
    key.push_back(kBytes[random->Uniform(kBytes.size())]);
  }
  return key;
}

// The part of the model that the options leave.
Model Cut(const Model& model, const lsm::IterateOptions& options) {
  Model cut;
  for (const auto& [key, value] : model) {
    const auto& [lower, upper] = std::pair(options.lower, options.upper);
    if (lower && (lower->inclusive ? key < lower->key : key <= lower->key)) continue;
    if (upper && (upper->inclusive ? key > upper->key : key >= upper->key)) continue;
    if (key.starts_with(options.prefix)) cut.emplace(key, value);
  }
  return cut;
}

lsm::IterateOptions RandomOptions(lsm::Random* random) {
  lsm::IterateOptions options;
  if (random->OneIn(3)) options.lower = lsm::Bound{RandomKey(random), random->OneIn(2)};
  if (random->OneIn(3)) options.upper = lsm::Bound{RandomKey(random), random->OneIn(2)};
  if (random->OneIn(3)) options.prefix = RandomKey(random);
  return options;
}

// Moves both in the same ways and compares them after each move.
void Walk(lsm::Iterator* iterator, const Model& model, lsm::Random* random) {
  auto at = model.end();
  for (int step = 0; step < 30; ++step) {
    const std::string target = RandomKey(random);
    switch (at == model.end() ? random->Uniform(4) : random->Uniform(12)) {
      case 0:
        iterator->SeekToFirst();
        at = model.begin();
        break;
      case 1:
        iterator->SeekToLast();
        at = model.empty() ? model.end() : std::prev(model.end());
        break;
      case 2:
        iterator->Seek(target);
        at = model.lower_bound(target);
        break;
      case 3:
        iterator->SeekForPrev(target);
        at = model.upper_bound(target);
        at = at == model.begin() ? model.end() : std::prev(at);
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        iterator->Next();
        ++at;
        break;
      default:
        iterator->Prev();
        at = at == model.begin() ? model.end() : std::prev(at);
        break;
    }
    REQUIRE(iterator->status().ok());
    REQUIRE(iterator->Valid() == (at != model.end()));
    if (at == model.end()) continue;
    REQUIRE(iterator->key() == at->first);
    REQUIRE(iterator->value() == at->second);
  }
}

}  // namespace

TEST_CASE("an iterator shows the unit's writes over the database's, both ways, within bounds") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    lsm::Random random(seed);
    TestServer server("", seed % 3 == 0 ? TestServer::Engine::kLsm : TestServer::Engine::kMapDb);
    redis::Instance& instance = server.instance();
    Model model;
    lsm::TreeId tree = lsm::kDirectoryTree;
    instance.BeginTick();
    instance.BeginWrite();
    if (!random.OneIn(5)) {
      redis::WriteUnit unit(&instance);
      tree = unit.CreateDatabaseTree(0);
      for (uint64_t count = random.Uniform(20); count > 0; --count) {
        const std::string key = RandomKey(&random);
        model[key] = "old" + std::to_string(count);
        unit.Put(tree, key, model[key]);
      }
      REQUIRE(instance.Commit(&unit).ok());
    }
    redis::WriteUnit unit(&instance);
    unit.CreateDatabaseTree(1);  // a neighbour, whose writes are not shown
    for (int round = 0; round < 6; ++round) {
      if (random.OneIn(8)) {
        unit.DropDatabaseTree(0);
        model.clear();
      }
      for (uint64_t count = random.Uniform(6); count > 0; --count) {
        tree = unit.CreateDatabaseTree(0);
        const std::string key = RandomKey(&random);
        if (random.OneIn(2)) {
          model.erase(key);
          unit.Delete(tree, key);
        } else {
          model[key] = std::string(random.Uniform(200), 'v') + std::to_string(count);
          unit.Put(tree, key, model[key]);
        }
        unit.Put(unit.DatabaseTree(1), RandomKey(&random), "neighbour");
      }
      tree = unit.DatabaseTree(0);
      if (tree == lsm::kDirectoryTree) continue;
      const lsm::IterateOptions options = RandomOptions(&random);
      auto iterator = unit.NewIterator(tree, options);
      REQUIRE(iterator.ok());
      Walk(iterator->get(), Cut(model, options), &random);
    }
    unit.Clear();
    instance.EndTick();
  }
}

TEST_CASE("an iterator stays good while its unit goes on writing") {
  TestServer server;
  redis::Instance& instance = server.instance();
  instance.BeginTick();
  instance.BeginWrite();
  redis::WriteUnit unit(&instance);
  const lsm::TreeId tree = unit.CreateDatabaseTree(0);
  for (const char* key : {"a", "c", "e"}) unit.Put(tree, key, key);
  auto opened = unit.NewIterator(tree, {});
  REQUIRE(opened.ok());
  lsm::Iterator& iterator = **opened;
  iterator.Seek("c");
  REQUIRE(iterator.Valid());
  for (int i = 0; i < 1000; ++i) unit.Put(tree, "x" + std::to_string(i), std::string(1000, 'x'));
  CHECK(iterator.key() == "c");
  iterator.Prev();
  REQUIRE(iterator.Valid());
  CHECK(iterator.key() == "a");
  CHECK(iterator.value() == "a");
  iterator.SeekToFirst();
  iterator.Next();
  iterator.Next();
  REQUIRE(iterator.Valid());
  CHECK(iterator.key() == "e");
  CHECK(iterator.value() == "e");
  unit.Clear();
  instance.EndTick();
}

TEST_CASE("a unit that wrote nothing in the range is not in the way") {
  TestServer server;
  server.Call("SET a 1");
  redis::Instance& instance = server.instance();
  instance.BeginTick();
  instance.BeginWrite();
  redis::WriteUnit unit(&instance);
  const lsm::TreeId tree = unit.DatabaseTree(0);
  unit.Put(tree, "z", "1");
  lsm::IterateOptions options;
  options.prefix = "k";
  const auto iterator = unit.NewIterator(tree, options);
  REQUIRE(iterator.ok());
  CHECK(dynamic_cast<const redis::UnitIterator*>(iterator->get()) == nullptr);
  const auto whole = unit.NewIterator(tree, {});
  REQUIRE(whole.ok());
  CHECK(dynamic_cast<const redis::UnitIterator*>(whole->get()) != nullptr);
  unit.Clear();
  instance.EndTick();
}
