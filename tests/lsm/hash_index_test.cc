// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/hash_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/random.h"

namespace lsm {
namespace {

uint64_t HashOf(HashIndex::Link link) {
  return HashKey({reinterpret_cast<const char*>(&link), sizeof link});
}

HashIndex::Link Find(const HashIndex& index, HashIndex::Link link) {
  return index.Find(HashOf(link), [link](HashIndex::Link found) { return found == link; });
}

}  // namespace

TEST_CASE("the hash index finds every link and no other") {
  HashIndex index;
  CHECK(Find(index, 1) == Arena::kNull);
  for (HashIndex::Link link = 1; link <= 100'000; ++link) {
    index.Insert(HashOf(link), link);
    REQUIRE(Find(index, link) == link);
    REQUIRE(Find(index, link + 1) == Arena::kNull);
  }
  for (HashIndex::Link link = 1; link <= 100'000; ++link) REQUIRE(Find(index, link) == link);
}

TEST_CASE("the hash index costs at most 15 bytes an entry at any size") {
  HashIndex index;
  double most = 0;
  for (HashIndex::Link link = 1; link <= 1'000'000; ++link) {
    index.Insert(HashOf(link), link);
    if (link < 1000) continue;
    most = std::max(most, static_cast<double>(index.MemoryUsage()) / link);
  }
  MESSAGE("bytes an entry, at most: ", most,
          ", with a million: ", static_cast<double>(index.MemoryUsage()) / 1e6);
  CHECK(most <= 15);
}

TEST_CASE("the hash index asks about few links that are not meant") {
  HashIndex index;
  for (HashIndex::Link link = 1; link <= 300'000; ++link) index.Insert(HashOf(link), link);
  int asked = 0;
  for (HashIndex::Link link = 300'001; link <= 600'000; ++link) {
    index.Find(HashOf(link), [&asked](HashIndex::Link) {
      ++asked;
      return false;
    });
  }
  CHECK(asked < 100);
}

TEST_CASE("links whose hashes are equal fill one segment and a chain, and all are found") {
  HashIndex index;
  // Some honest entries, so that there are several segments.
  for (HashIndex::Link link = 1; link <= 5000; ++link) index.Insert(HashOf(link), link);
  const size_t before = index.MemoryUsage();
  constexpr uint64_t kHash = 0x123456789abcdef0u;
  const auto find = [&index](HashIndex::Link link) {
    return index.Find(kHash, [link](HashIndex::Link candidate) { return candidate == link; });
  };
  for (HashIndex::Link link = 10'001; link <= 15'000; ++link) {
    index.Insert(kHash, link);
    REQUIRE(find(link) == link);
    REQUIRE(find(link + 1) == Arena::kNull);
  }
  CHECK(index.MemoryUsage() - before <= 5000 * 16 + 64 * 1024);
  // More honest ones split the segment in the end; whose half the chain was is not forgotten.
  for (HashIndex::Link link = 20'001; link <= 200'000; ++link) index.Insert(HashOf(link), link);
  for (HashIndex::Link link = 10'001; link <= 15'000; ++link) REQUIRE(find(link) == link);
  for (HashIndex::Link link = 1; link <= 5000; ++link) REQUIRE(Find(index, link) == link);
}

TEST_CASE("readers beside a growing hash index never miss what was there before they looked") {
  constexpr HashIndex::Link kLinks = 200'000;
  HashIndex index;
  std::atomic<HashIndex::Link> inserted{0};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> looks{0};
  std::vector<std::thread> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] {
      Random random(seed);
      for (;;) {
        const HashIndex::Link newest = inserted.load(std::memory_order_acquire);
        for (int i = 0; newest > 0 && i < 50; ++i) {
          const auto link = static_cast<HashIndex::Link>(1 + random.Uniform(newest));
          if (Find(index, link) != link) wrong.fetch_add(1);
          looks.fetch_add(1, std::memory_order_relaxed);
        }
        if (newest == kLinks) return;
      }
    });
  }
  for (HashIndex::Link link = 1; link <= kLinks; ++link) {
    index.Insert(HashOf(link), link);
    inserted.store(link, std::memory_order_release);
    if (link % 1024 == 0) std::this_thread::yield();
  }
  for (std::thread& reader : readers) reader.join();
  MESSAGE("looks ", looks.load());
  CHECK(wrong.load() == 0);
}

}  // namespace lsm
