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

HashIndex::Found Find(const HashIndex& index, HashIndex::Link link) {
  return index.Find(HashOf(link), [link](HashIndex::Link found) { return found == link; });
}

}  // namespace

TEST_CASE("the hash index finds every link and is sure of every absence") {
  HashIndex index;
  CHECK(Find(index, 1).link == Arena::kNull);
  CHECK(Find(index, 1).sure);
  for (HashIndex::Link link = 1; link <= 100'000; ++link) {
    index.Insert(HashOf(link), link);
    REQUIRE(Find(index, link).link == link);
    const HashIndex::Found next = Find(index, link + 1);
    REQUIRE(next.link == Arena::kNull);
    REQUIRE(next.sure);
  }
  for (HashIndex::Link link = 1; link <= 100'000; ++link) REQUIRE(Find(index, link).link == link);
}

TEST_CASE("the hash index costs at most 13 bytes an entry at any size") {
  HashIndex index;
  double most = 0;
  for (HashIndex::Link link = 1; link <= 1'000'000; ++link) {
    index.Insert(HashOf(link), link);
    if (link < 1000) continue;
    most = std::max(most, static_cast<double>(index.MemoryUsage()) / link);
  }
  MESSAGE("bytes an entry, at most: ", most,
          ", with a million: ", static_cast<double>(index.MemoryUsage()) / 1e6);
  CHECK(most <= 13);
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

TEST_CASE(
    "links whose hashes are equal fill one segment, and the rest is never said to be absent") {
  HashIndex index;
  // Some honest entries, so that there are several segments.
  for (HashIndex::Link link = 1; link <= 5000; ++link) index.Insert(HashOf(link), link);
  const size_t before = index.MemoryUsage();
  constexpr uint64_t kHash = 0x123456789abcdef0u;
  int found = 0;
  for (HashIndex::Link link = 10'001; link <= 30'000; ++link) {
    index.Insert(kHash, link);
    const auto answer =
        index.Find(kHash, [link](HashIndex::Link candidate) { return candidate == link; });
    if (answer.link == link) {
      ++found;
    } else {
      REQUIRE(answer.link == Arena::kNull);
      REQUIRE_FALSE(answer.sure);
    }
  }
  CHECK(found >= 300);
  CHECK(found <= 1024);
  CHECK(index.MemoryUsage() - before <= 64 * 1024);
  for (HashIndex::Link link = 1; link <= 5000; ++link) REQUIRE(Find(index, link).link == link);
}

TEST_CASE("readers beside a growing hash index never miss what was there before they looked") {
  constexpr HashIndex::Link kLinks = 200'000;
  HashIndex index;
  std::atomic<HashIndex::Link> inserted{0};
  std::atomic<uint64_t> wrong{0};
  std::atomic<uint64_t> looks{0};
  std::atomic<uint64_t> unsure{0};
  std::vector<std::thread> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] {
      Random random(seed);
      for (;;) {
        const HashIndex::Link newest = inserted.load(std::memory_order_acquire);
        for (int i = 0; newest > 0 && i < 50; ++i) {
          const auto link = static_cast<HashIndex::Link>(1 + random.Uniform(newest));
          const HashIndex::Found found = Find(index, link);
          if (found.link != link && found.sure) wrong.fetch_add(1);
          if (!found.sure) unsure.fetch_add(1);
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
  MESSAGE("looks ", looks.load(), ", of which unsure ", unsure.load());
  CHECK(wrong.load() == 0);
  CHECK(unsure.load() * 10 < looks.load());
}

}  // namespace lsm
