// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/key_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lsm/memtable/key_sort.h"
#include "lsm/random.h"

namespace lsm {
namespace {

// Keys that share beginnings, are each other's beginnings, and hold zeros.
std::string MakeKey(Random* random) {
  static const std::string kBeginnings[] = {
      "", "k", "key:000000", std::string(8, '\0'), "a-long-beginning-shared-by-many-keys/", "\xff"};
  std::string key = kBeginnings[random->Uniform(std::size(kBeginnings))];
  const uint64_t more = random->Uniform(20);
  for (uint64_t i = 0; i < more; ++i) key.push_back(static_cast<char>(random->Uniform(3)));
  return key;
}

struct Fixture {
  Arena arena;
  KeyOrder order{&arena};
  std::set<std::string> model;

  void Add(const std::string& key) {
    if (model.insert(key).second) order.Append(KeyNode::Make(&arena, key));
  }
  KeyOrder::Cursor NewCursor() { return {&arena, order.Sorted()}; }
};

std::string Show(const KeyOrder::Cursor& cursor) {
  return cursor.node() == nullptr ? "end" : "=" + std::string(cursor.node()->key());
}

}  // namespace

TEST_CASE("links are sorted as their keys are, whatever they share") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Arena arena;
    std::set<std::string> model;
    std::vector<Arena::Link> links;
    for (uint64_t i = random.Uniform(seed % 10 == 0 ? 3000 : 50); i > 0; --i) {
      const std::string key = MakeKey(&random);
      if (model.insert(key).second) links.push_back(KeyNode::Make(&arena, key));
    }
    SortByKey(arena, links);
    auto expected = model.begin();
    for (const Arena::Link link : links) REQUIRE(KeyNode::At(arena, link)->key() == *expected++);
  }
}

TEST_CASE("thousands of keys that are each other's beginnings are sorted without recursion") {
  Arena arena;
  std::vector<Arena::Link> links;
  for (size_t size = 8000; size > 0; --size) {
    links.push_back(KeyNode::Make(&arena, std::string(size, '\0')));
  }
  SortByKey(arena, links);
  for (size_t i = 0; i < links.size(); ++i) {
    REQUIRE(KeyNode::At(arena, links[i])->key().size() == i + 1);
  }
}

TEST_CASE("a cursor over an empty order stands nowhere") {
  Fixture f;
  KeyOrder::Cursor cursor = f.NewCursor();
  cursor.SeekToFirst();
  CHECK(cursor.node() == nullptr);
  cursor.SeekToLast();
  CHECK(cursor.node() == nullptr);
  cursor.Seek("a");
  CHECK(cursor.node() == nullptr);
  cursor.SeekBefore("a");
  CHECK(cursor.node() == nullptr);
}

TEST_CASE("cursors agree with a sorted set, both ways, at any mixture of appending and walking") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Fixture f;
    const uint64_t rounds = 1 + random.Uniform(30);
    for (uint64_t round = 0; round < rounds; ++round) {
      for (uint64_t i = random.Uniform(seed % 5 == 0 ? 2000 : 40); i > 0; --i) {
        f.Add(MakeKey(&random));
      }
      KeyOrder::Cursor cursor = f.NewCursor();
      auto place = f.model.end();
      for (int step = 0; step < 100; ++step) {
        const std::string key = MakeKey(&random);
        const uint64_t move = random.Uniform(10);
        if (move == 0) {
          cursor.SeekToFirst();
          place = f.model.begin();
        } else if (move == 1) {
          cursor.SeekToLast();
          place = f.model.empty() ? f.model.end() : std::prev(f.model.end());
        } else if (move == 2) {
          cursor.Seek(key);
          place = f.model.lower_bound(key);
        } else if (move == 3) {
          cursor.SeekBefore(key);
          const auto after = f.model.lower_bound(key);
          place = after == f.model.begin() ? f.model.end() : std::prev(after);
        } else if (cursor.node() == nullptr) {
          continue;
        } else if (move <= 6) {
          cursor.Next();
          ++place;
        } else {
          cursor.Prev();
          place = place == f.model.begin() ? f.model.end() : std::prev(place);
        }
        REQUIRE(Show(cursor) == (place == f.model.end() ? "end" : "=" + *place));
      }
    }
  }
}

TEST_CASE(
    "a table that is walked often keeps few runs, one that is not pays for full chunks only") {
  Fixture f;
  Random random(7);
  for (int i = 0; i < 300'000; ++i) f.Add("key:" + std::to_string(random.Next64()));
  size_t most = 0;
  for (int i = 0; i < 200; ++i) {
    f.Add("more:" + std::to_string(i));
    const auto runs = f.order.Sorted();
    if (i >= 20) most = std::max(most, runs->size());
    size_t links = 0;
    for (const auto& run : *runs) {
      links += run->size();
      REQUIRE(run->size() <= 65'536);
    }
    REQUIRE(links == f.model.size());
  }
  MESSAGE("runs at most: ", most);
  CHECK(most <= 24);
  // 4 bytes a link and what the last chunk has left.
  CHECK(f.order.MemoryUsage() <= f.model.size() * 4 + 64 * 1024);
}

TEST_CASE("walkers beside the writer see every key that was there before they looked, in order") {
  constexpr uint64_t kKeys = 60'000;
  Arena arena;
  KeyOrder order(&arena);
  std::atomic<uint64_t> appended{0};
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> walkers;
  for (int i = 0; i < 2; ++i) {
    walkers.emplace_back([&] {
      for (uint64_t before = 0; before < kKeys;) {
        before = appended.load(std::memory_order_acquire);
        KeyOrder::Cursor cursor(&arena, order.Sorted());
        uint64_t seen = 0;
        std::string last;
        for (cursor.SeekToFirst(); cursor.node() != nullptr; cursor.Next()) {
          if (seen++ > 0 && cursor.node()->key() <= last) wrong.fetch_add(1);
          last = cursor.node()->key();
        }
        if (seen < before) wrong.fetch_add(1);
      }
    });
  }
  for (uint64_t i = 0; i < kKeys; ++i) {
    // An odd factor: no key comes twice.
    order.Append(KeyNode::Make(&arena, std::to_string(i * 0x9e3779b97f4a7c15u)));
    appended.store(i + 1, std::memory_order_release);
  }
  for (std::thread& walker : walkers) walker.join();
  CHECK(wrong.load() == 0);
}

}  // namespace lsm
