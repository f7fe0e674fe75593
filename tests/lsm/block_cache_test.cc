// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block_cache.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "lsm/format/internal_key.h"
#include "lsm/random.h"
#include "lsm/sst/block.h"
#include "lsm/sst/block_builder.h"

namespace lsm {
namespace {

// A block whose only value says where it belongs.
std::shared_ptr<const Block> MakeBlock(uint64_t file, uint64_t offset) {
  BlockBuilder builder(BlockKind::kIndex, 1);
  std::string key;
  AppendInternalKey(&key, "k", 1, RecordType::kValue);
  builder.Add(key, std::to_string(file) + ":" + std::to_string(offset));
  const std::string& contents = *builder.Finish();
  OwnedBytes bytes(contents.size());
  std::memcpy(bytes.data.get(), contents.data(), contents.size());
  const char* why;
  return Block::Parse(std::move(bytes), contents.size(), BlockKind::kIndex, &why);
}

bool IsBlock(const Block& block, uint64_t file, uint64_t offset) {
  Block::Iterator it(&block);
  it.SeekToFirst();
  return it.Valid() && it.value() == std::to_string(file) + ":" + std::to_string(offset);
}

}  // namespace

TEST_CASE("a cache finds what was put into it, by file and offset") {
  BlockCache cache(1 << 20);
  CHECK(cache.Lookup(1, 0) == nullptr);
  for (uint64_t file = 1; file <= 20; ++file) {
    for (uint64_t offset = 0; offset < 20; ++offset) {
      cache.Insert(file, offset, MakeBlock(file, offset), 100);
    }
  }
  CHECK(cache.usage_bytes() == 40000);
  for (uint64_t file = 1; file <= 20; ++file) {
    for (uint64_t offset = 0; offset < 20; ++offset) {
      const auto block = cache.Lookup(file, offset);
      REQUIRE(block != nullptr);
      CHECK(IsBlock(*block, file, offset));
    }
  }
  CHECK(cache.Lookup(21, 0) == nullptr);
  CHECK(cache.hits() == 400);
  CHECK(cache.misses() == 2);
}

TEST_CASE("to peek is no use of a block, and is not counted") {
  BlockCache cache(100 * 100);
  CHECK(cache.Peek(1, 0) == nullptr);
  cache.PrefetchEntry(1, 0);
  cache.PrefetchBlock(1, 0);
  for (uint64_t i = 0; i < 50; ++i) cache.Insert(1, i, MakeBlock(1, i), 100);
  for (uint64_t i = 0; i < 2000; ++i) {
    cache.Insert(2, i, MakeBlock(2, i), 100);
    for (uint64_t peeked = 0; peeked < 50; ++peeked) {
      cache.PrefetchEntry(1, peeked);
      cache.PrefetchBlock(1, peeked);
      if (const auto block = cache.Peek(1, peeked)) REQUIRE(IsBlock(*block, 1, peeked));
    }
  }
  CHECK(cache.hits() + cache.misses() == 0);
  for (uint64_t i = 0; i < 50; ++i) CHECK(cache.Peek(1, i) == nullptr);
}

TEST_CASE("a block that is there already stays and is charged once") {
  BlockCache cache(1000);
  cache.Insert(1, 8, MakeBlock(1, 8), 300);
  cache.Insert(1, 8, MakeBlock(1, 9), 200);
  CHECK(cache.usage_bytes() == 300);
  CHECK(IsBlock(*cache.Lookup(1, 8), 1, 8));
}

TEST_CASE("a pinned block is found until it is let go, however small the budget") {
  BlockCache cache(250);
  CHECK(cache.PinIfPresent(1, 0).empty());
  std::vector<BlockCache::Pin> pins;
  for (uint64_t i = 0; i < 10; ++i) pins.push_back(cache.InsertPinned(1, i, MakeBlock(1, i), 100));
  CHECK(cache.usage_bytes() == 1000);
  for (uint64_t i = 0; i < 100; ++i) cache.Insert(2, i, MakeBlock(2, i), 100);
  CHECK(cache.usage_bytes() == 1000);
  for (uint64_t i = 0; i < 10; ++i) {
    const auto block = cache.Lookup(1, i);
    REQUIRE(block != nullptr);
    CHECK(IsBlock(*block, 1, i));
  }
  // Pinned twice, it needs to be let go twice.
  BlockCache::Pin again = cache.PinIfPresent(1, 0);
  const BlockCache::Pin joined = cache.InsertPinned(1, 1, MakeBlock(1, 1), 100);
  CHECK_FALSE(again.empty());
  CHECK(cache.usage_bytes() == 1000);
  pins.clear();
  CHECK(cache.usage_bytes() == 200);
  CHECK(cache.Lookup(1, 0) != nullptr);
  CHECK(cache.Lookup(1, 1) != nullptr);
  again = BlockCache::Pin();
  for (uint64_t i = 0; i < 100; ++i) cache.Insert(2, i, MakeBlock(2, i), 100);
  CHECK(cache.Lookup(1, 0) == nullptr);
  CHECK(cache.Lookup(1, 1) != nullptr);
}

TEST_CASE("the budget holds after every insertion, and full use is made of it") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    BlockCache cache(50000);
    size_t largest = 0;
    for (int i = 0; i < 3000; ++i) {
      const size_t charge = 1 + random.Uniform(900);
      largest = std::max(largest, charge);
      const uint64_t offset = random.Uniform(500);
      cache.Insert(1, offset, MakeBlock(1, offset), charge);
      REQUIRE(cache.usage_bytes() <= 50000);
      if (const auto block = cache.Lookup(1, random.Uniform(500))) REQUIRE(block != nullptr);
    }
    CHECK(cache.usage_bytes() > 50000 - 2 * largest);
  }
}

TEST_CASE("a block larger than the budget is not kept and evicts nothing") {
  BlockCache cache(1000);
  cache.Insert(1, 0, MakeBlock(1, 0), 400);
  cache.Insert(1, 1, MakeBlock(1, 1), 1001);
  CHECK(cache.Lookup(1, 1) == nullptr);
  CHECK(cache.Lookup(1, 0) != nullptr);
  cache.Insert(1, 2, MakeBlock(1, 2), 1000);
  CHECK(cache.Lookup(1, 2) != nullptr);
  CHECK(cache.usage_bytes() == 1000);
}

TEST_CASE("blocks in use again and again survive a scan of others") {
  BlockCache cache(100 * 100);
  for (uint64_t i = 0; i < 50; ++i) cache.Insert(1, i, MakeBlock(1, i), 100);
  for (uint64_t i = 0; i < 2000; ++i) {
    cache.Insert(2, i, MakeBlock(2, i), 100);
    if (i % 10 == 0) {
      for (uint64_t hot = 0; hot < 50; ++hot) {
        if (cache.Lookup(1, hot) == nullptr) cache.Insert(1, hot, MakeBlock(1, hot), 100);
      }
    }
  }
  uint64_t kept = 0;
  for (uint64_t i = 0; i < 50; ++i) kept += cache.Lookup(1, i) != nullptr;
  CHECK(kept >= 45);
}

TEST_CASE("an evicted block stays alive for whoever holds it") {
  BlockCache cache(100);
  cache.Insert(1, 0, MakeBlock(1, 0), 100);
  const auto held = cache.Lookup(1, 0);
  cache.Insert(1, 1, MakeBlock(1, 1), 100);
  CHECK(cache.Lookup(1, 0) == nullptr);
  CHECK(IsBlock(*held, 1, 0));
}

TEST_CASE("what finds no room beside what is pinned evicts nothing") {
  BlockCache cache(1000);
  std::vector<BlockCache::Pin> pins;
  for (uint64_t i = 0; i < 6; ++i) pins.push_back(cache.InsertPinned(1, i, MakeBlock(1, i), 100));
  CHECK(pins[0].charge() == 100);
  for (uint64_t i = 0; i < 4; ++i) cache.Insert(2, i, MakeBlock(2, i), 100);
  cache.Insert(3, 0, MakeBlock(3, 0), 500);
  CHECK(cache.Lookup(3, 0) == nullptr);
  for (uint64_t i = 0; i < 4; ++i) CHECK(cache.Lookup(2, i) != nullptr);
  pins.pop_back();
  cache.Insert(3, 0, MakeBlock(3, 0), 500);
  CHECK(cache.Lookup(3, 0) != nullptr);
}

TEST_CASE("after its capacity was lowered a cache lets go of entries a few at a time") {
  BlockCache cache(100000);
  for (uint64_t i = 0; i < 1000; ++i) cache.Insert(1, i, MakeBlock(1, i), 100);
  cache.SetCapacity(500);
  CHECK(cache.usage_bytes() == 100000);
  cache.Insert(2, 0, MakeBlock(2, 0), 100);
  CHECK(cache.usage_bytes() > 70000);
  const size_t before = cache.usage_bytes();
  CHECK(cache.Shrink(10));
  CHECK(cache.usage_bytes() == before - 1000);
  CHECK_FALSE(cache.Shrink(1000));
  CHECK(cache.usage_bytes() == 500);
}

TEST_CASE("a capacity takes effect as soon as the cache has shrunk, and at once if it grows") {
  BlockCache cache(10000);
  for (uint64_t i = 0; i < 100; ++i) cache.Insert(1, i, MakeBlock(1, i), 100);
  CHECK(cache.usage_bytes() == 10000);
  cache.SetCapacity(2500);
  CHECK(cache.capacity_bytes() == 2500);
  CHECK_FALSE(cache.Shrink(100));
  CHECK(cache.usage_bytes() == 2500);
  cache.SetCapacity(0);
  CHECK_FALSE(cache.Shrink(100));
  CHECK(cache.usage_bytes() == 0);
  cache.Insert(1, 0, MakeBlock(1, 0), 1);
  CHECK(cache.Lookup(1, 0) == nullptr);
  cache.SetCapacity(10000);
  cache.Insert(1, 0, MakeBlock(1, 0), 1);
  CHECK(cache.Lookup(1, 0) != nullptr);
}

TEST_CASE("threads that share a cache keep to the budget and get the blocks they asked for") {
  constexpr size_t kCapacity = 20000;
  BlockCache cache(kCapacity);
  std::atomic<bool> over_budget = false;
  std::atomic<bool> wrong_block = false;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(t + 1);
      for (int i = 0; i < 5000; ++i) {
        const uint64_t file = 1 + random.Uniform(3);
        const uint64_t offset = random.Uniform(200);
        cache.PrefetchEntry(file, offset);
        cache.PrefetchBlock(file, offset);
        if (const auto block = cache.Peek(file, offset)) block->PrefetchTags();
        const auto block = cache.Lookup(file, offset);
        if (block == nullptr) {
          cache.Insert(file, offset, MakeBlock(file, offset), 100 + random.Uniform(100));
        } else if (!IsBlock(*block, file, offset)) {
          wrong_block = true;
        }
        if (cache.usage_bytes() > kCapacity) over_budget = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(over_budget);
  CHECK_FALSE(wrong_block);
  CHECK(cache.hits() + cache.misses() == 20000);
  CHECK(cache.hits() > 0);
}

}  // namespace lsm
