// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/arena.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <vector>

#include "lsm/random.h"

namespace lsm {

TEST_CASE("an arena takes nothing before its first allocation, and then 4 KiB") {
  Arena arena;
  CHECK(arena.MemoryUsage() == 0);
  CHECK(arena.Allocate(1) != Arena::kNull);
  CHECK(arena.MemoryUsage() == 4096);
}

TEST_CASE("all memory of an arena stays where it is, aligned and apart, until the arena dies") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Arena arena;
    struct Piece {
      Arena::Link link;
      char* memory;
      size_t size;
      int fill;
    };
    std::vector<Piece> pieces;
    size_t total = 0;
    for (int i = 0; i < 4000; ++i) {
      // Mostly small; some near and beyond what gets a chunk of its own.
      const size_t limit = random.OneIn(50) ? (size_t{1} << 20) + 100 : 300;
      const size_t size = 1 + random.Uniform(limit);
      const Arena::Link link = arena.Allocate(size);
      char* const memory = arena.At(link);
      REQUIRE(link != Arena::kNull);
      REQUIRE(reinterpret_cast<uintptr_t>(memory) % 8 == 0);
      pieces.push_back({link, memory, size, static_cast<int>(random.Uniform(256))});
      std::memset(memory, pieces.back().fill, size);
      total += size;
    }
    REQUIRE(arena.MemoryUsage() >= total);
    REQUIRE(arena.MemoryUsage() <= total * 3 / 2 + (size_t{1} << 20));
    std::set<Arena::Link> links;
    for (const Piece& piece : pieces) {
      REQUIRE(arena.At(piece.link) == piece.memory);
      REQUIRE(links.insert(piece.link).second);
      const std::vector<char> expected(piece.size, static_cast<char>(piece.fill));
      REQUIRE(std::memcmp(piece.memory, expected.data(), piece.size) == 0);
    }
  }
}

TEST_CASE("memory given back is handed out again, and no two pieces in use overlap") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Arena arena;
    struct Piece {
      Arena::Link link;
      size_t size;
      char fill;
    };
    std::vector<Piece> pieces;
    size_t most = 0;
    for (int i = 0; i < 20'000; ++i) {
      if (pieces.size() < 50 || (pieces.size() < 100 && random.OneIn(2))) {
        // Few sizes, so that they come again; some in the lists by size, some beyond.
        const size_t size =
            random.OneIn(10) ? 1000 * (1 + random.Uniform(8)) : 8 + random.Uniform(40);
        pieces.push_back({arena.Allocate(size), size, static_cast<char>(random.Uniform(256))});
        std::memset(arena.At(pieces.back().link), pieces.back().fill, size);
        continue;
      }
      std::swap(pieces[random.Uniform(pieces.size())], pieces.back());
      const Piece piece = pieces.back();
      pieces.pop_back();
      const std::vector<char> expected(piece.size, piece.fill);
      REQUIRE(std::memcmp(arena.At(piece.link), expected.data(), piece.size) == 0);
      arena.Free(piece.link, piece.size);
      if (i < 10'000) most = arena.MemoryUsage();
      if (i > 10'000) REQUIRE(arena.MemoryUsage() <= most + most / 2);
    }
  }
}

TEST_CASE("what is left of a large piece that serves a smaller request is not lost") {
  Arena arena;
  const Arena::Link large = arena.Allocate(100'000);
  arena.Free(large, 100'000);
  const size_t memory = arena.MemoryUsage();
  for (int i = 0; i < 50; ++i) CHECK(arena.Allocate(2000) != Arena::kNull);
  CHECK(arena.MemoryUsage() == memory);
}

TEST_CASE("an allocation above a quarter of a chunk leaves the current chunk in use") {
  Arena arena;
  const Arena::Link before = arena.Allocate(8);
  const size_t usage = arena.MemoryUsage();
  const Arena::Link large = arena.Allocate(size_t{5} << 20);
  CHECK(arena.MemoryUsage() >= usage + (size_t{5} << 20));
  CHECK(arena.MemoryUsage() <= usage + (size_t{5} << 20) + 1024);
  CHECK(arena.At(arena.Allocate(8)) == arena.At(before) + 8);
  // A large piece is contiguous for links, too.
  CHECK(arena.At(large + (Arena::Link{4} << 17)) == arena.At(large) + (size_t{4} << 20));
}

}  // namespace lsm
