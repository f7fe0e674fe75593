// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/random.h"
#include "lsm/sst/block_builder.h"

namespace lsm {
namespace {

struct Entry {
  std::string key;
  SequenceNumber sequence;
  std::string value;
};

std::string InternalKey(const std::string& key, SequenceNumber sequence) {
  std::string bytes;
  AppendInternalKey(&bytes, key, sequence, RecordType::kValue);
  return bytes;
}

std::string Build(const std::vector<Entry>& entries, int restart_interval,
                  BlockKind kind = BlockKind::kIndex) {
  BlockBuilder builder(kind, restart_interval);
  for (const Entry& e : entries) builder.Add(InternalKey(e.key, e.sequence), e.value);
  return *builder.Finish();
}

// A buffer of exactly the contents' size, so that a sanitizer sees a read beyond them.
std::shared_ptr<const Block> Parse(std::string_view contents, const char** why,
                                   BlockKind kind = BlockKind::kIndex) {
  OwnedBytes bytes(contents.size());
  std::memcpy(bytes.data.get(), contents.data(), contents.size());
  return Block::Parse(std::move(bytes), contents.size(), kind, why);
}

std::shared_ptr<const Block> MustParse(std::string_view contents,
                                       BlockKind kind = BlockKind::kIndex) {
  const char* why;
  auto block = Parse(contents, &why, kind);
  REQUIRE_MESSAGE(block != nullptr, why);
  return block;
}

// Ascending keys of few letters, so that they share prefixes and have several versions.
std::vector<Entry> RandomEntries(Random* random, size_t count) {
  std::vector<Entry> entries;
  std::string key;
  SequenceNumber sequence = 1000;
  while (entries.size() < count) {
    if (entries.empty() || !random->OneIn(3)) {
      std::string next = key.substr(0, random->Uniform(key.size() + 1));
      next += static_cast<char>('a' + random->Uniform(26));
      if (random->OneIn(4)) next += std::string(random->Uniform(300), '\xff');
      if (!entries.empty() && next <= key) next = key + '\0';
      key = next;
      sequence = 1000;
    }
    sequence -= 1 + random->Uniform(5);
    entries.push_back({key, sequence, std::string(random->Uniform(20), 'v')});
  }
  return entries;
}

// Position of the first entry at or after the target.
size_t LowerBound(const std::vector<Entry>& entries, const std::string& key,
                  SequenceNumber sequence) {
  size_t i = 0;
  while (i < entries.size() &&
         CompareInternal(entries[i].key, entries[i].sequence, key, sequence) < 0) {
    ++i;
  }
  return i;
}

void CheckAt(const Block::Iterator& it, const std::vector<Entry>& entries, size_t i) {
  REQUIRE(it.corruption() == nullptr);
  REQUIRE(it.Valid() == (i < entries.size()));
  if (!it.Valid()) return;
  CHECK(it.user_key() == entries[i].key);
  CHECK(it.sequence() == entries[i].sequence);
  CHECK(it.value() == entries[i].value);
}

}  // namespace

TEST_CASE("a block gives its entries back, forwards, backwards and by seeking") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::vector<Entry> entries = RandomEntries(&random, 1 + random.Uniform(80));
    const int interval = static_cast<int>(1 + random.Uniform(20));
    const BlockKind kind = random.OneIn(2) ? BlockKind::kData : BlockKind::kIndex;
    const auto block = MustParse(Build(entries, interval, kind), kind);
    CHECK(block->Check() == nullptr);
    Block::Iterator it(block.get());
    CHECK_FALSE(it.Valid());

    it.SeekToFirst();
    for (size_t i = 0; i < entries.size(); ++i, it.Next()) CheckAt(it, entries, i);
    CHECK_FALSE(it.Valid());
    it.SeekToLast();
    for (size_t i = entries.size(); i-- > 0; it.Prev()) CheckAt(it, entries, i);
    CHECK_FALSE(it.Valid());

    for (int round = 0; round < 100; ++round) {
      const Entry& near = entries[random.Uniform(entries.size())];
      std::string key = near.key;
      SequenceNumber sequence = near.sequence;
      if (random.OneIn(3)) key.pop_back();
      if (random.OneIn(3)) key += 'm';
      if (random.OneIn(3)) sequence = random.OneIn(2) ? kMaxSequence : sequence - 1;
      const size_t at = LowerBound(entries, key, sequence);
      it.Seek(key, sequence);
      CheckAt(it, entries, at);
      it.SeekBefore(key, sequence);
      CheckAt(it, entries, at == 0 ? entries.size() : at - 1);
      if (it.Valid() && at < entries.size()) {
        it.Next();
        CheckAt(it, entries, at);
        it.Prev();
        CheckAt(it, entries, at - 1);
      }
    }
  }
}

TEST_CASE("an empty key and an empty value are entries like any other") {
  const std::vector<Entry> entries = {{"", 9, ""}, {"", 3, "old"}, {std::string(1, '\0'), 5, ""}};
  for (const int interval : {1, 2, 16}) {
    const auto block = MustParse(Build(entries, interval));
    Block::Iterator it(block.get());
    it.Seek("", 5);
    CheckAt(it, entries, 1);
    it.SeekBefore("", kMaxSequence);
    CHECK_FALSE(it.Valid());
    it.SeekToLast();
    CheckAt(it, entries, 2);
  }
}

TEST_CASE("a point search finds what a seek finds") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::vector<Entry> entries = RandomEntries(&random, 1 + random.Uniform(80));
    // Sequences that share their low bytes, so that trailers are shared with the predecessor.
    if (random.OneIn(2)) {
      for (Entry& entry : entries) entry.sequence <<= 16;
    }
    const int interval = static_cast<int>(1 + random.Uniform(20));
    const auto block = MustParse(Build(entries, interval, BlockKind::kData), BlockKind::kData);
    for (int round = 0; round < 200; ++round) {
      const Entry& near = entries[random.Uniform(entries.size())];
      std::string key = near.key;
      SequenceNumber sequence = near.sequence;
      if (random.OneIn(4) && !key.empty()) key.pop_back();
      if (random.OneIn(4)) key += static_cast<char>(random.Next32());
      if (random.OneIn(3)) sequence = random.OneIn(2) ? kMaxSequence : sequence - 1;
      const size_t at = LowerBound(entries, key, sequence);
      const bool there = at < entries.size() && entries[at].key == key;
      const Block::Found found = block->Find(key, HashKey(key), sequence);
      REQUIRE(found.corruption == nullptr);
      REQUIRE(found.lookup.found == there);
      if (!there) continue;
      CHECK(found.lookup.sequence == entries[at].sequence);
      CHECK(found.lookup.type == RecordType::kValue);
      CHECK(found.value == entries[at].value);
    }
  }
}

TEST_CASE("keys with the tag of another key are told from it") {
  // 300 keys have some tags in common; of 3,000 absent ones nearly all meet the tag of another.
  std::vector<Entry> entries;
  for (int i = 1000; i < 1300; ++i) entries.push_back({"k" + std::to_string(i), 7, "v"});
  const auto block = MustParse(Build(entries, 4, BlockKind::kData), BlockKind::kData);
  for (const Entry& entry : entries) {
    CHECK(block->Find(entry.key, HashKey(entry.key), 7).lookup.found);
  }
  for (int i = 2000; i < 5000; ++i) {
    const std::string key = "k" + std::to_string(i);
    const Block::Found found = block->Find(key, HashKey(key), kMaxSequence);
    CHECK_FALSE(found.lookup.found);
    CHECK(found.corruption == nullptr);
  }
}

TEST_CASE("tags that do not fit the entries are refused, or found by checking") {
  const std::vector<Entry> entries = {{"a", 1, "1"}, {"b", 1, "2"}, {"c", 1, "3"}};
  const std::string good = Build(entries, 2, BlockKind::kData);
  const size_t counts = good.size() - 8;
  const auto refused = [&](size_t at, uint32_t value) {
    std::string bad = good;
    EncodeFixed32(bad.data() + at, value);
    const char* why = nullptr;
    return Parse(bad, &why, BlockKind::kData) == nullptr && why != nullptr;
  };
  CHECK_FALSE(refused(counts, 3));
  CHECK(refused(counts, 0));
  CHECK(refused(counts, 4));
  CHECK(refused(counts, 1000));
  CHECK(refused(counts, UINT32_MAX));
  CHECK(refused(counts + 4, 0));
  CHECK(refused(counts + 4, 1));
  CHECK(refused(counts + 4, 3));
  CHECK(refused(counts + 4, UINT32_MAX));
  const char* why = nullptr;
  for (size_t size = 0; size < good.size(); ++size) {
    why = nullptr;
    const auto block =
        Parse(std::string_view(good).substr(good.size() - size), &why, BlockKind::kData);
    CHECK((block == nullptr || block->Check() != nullptr));
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    std::string bad = good;
    bad[counts - 1 - i] = static_cast<char>(bad[counts - 1 - i] + 1);
    CHECK(MustParse(bad, BlockKind::kData)->Check() != nullptr);
  }
  // Three entries with an interval of 2 have restart points at the first and the third.
  const std::string other = Build(entries, 1, BlockKind::kIndex);
  std::string moved = good;
  EncodeFixed32(moved.data() + counts - 3 - 8, DecodeFixed32(other.data() + other.size() - 12));
  CHECK(MustParse(moved, BlockKind::kData)->Check() != nullptr);
}

TEST_CASE("impossible restart points are refused") {
  const std::string good = Build({{"a", 1, "1"}, {"b", 1, "2"}, {"c", 1, "3"}}, 1);
  const size_t restarts = good.size() - 16;
  const auto refused = [&](size_t at, uint32_t value) {
    std::string bad = good;
    EncodeFixed32(bad.data() + at, value);
    const char* why = nullptr;
    return Parse(bad, &why) == nullptr && why != nullptr;
  };
  CHECK(refused(good.size() - 4, 0));
  CHECK(refused(good.size() - 4, 1000));
  CHECK(refused(good.size() - 4, UINT32_MAX));
  CHECK(refused(restarts, 1));                                    // not the first entry
  CHECK(refused(restarts + 8, 0));                                // not ascending
  CHECK(refused(restarts + 8, static_cast<uint32_t>(restarts)));  // behind the entries
  const char* why;
  CHECK(Parse("", &why) == nullptr);
  CHECK(Parse("abc", &why) == nullptr);
  CHECK(Parse(std::string(4, '\0'), &why) == nullptr);
}

TEST_CASE("malformed entries stop an iterator for good, with a reason") {
  const std::string good = Build({{"key1", 7, "value"}, {"key2", 7, "value"}}, 16);
  struct Damage {
    size_t at;
    char byte;
  };
  // The first entry: shared, unshared, value size, 12 bytes of key, 5 of value; then the second.
  for (const Damage damage :
       {Damage{0, 1}, Damage{1, 0}, Damage{1, 7}, Damage{1, 127}, Damage{2, 127}, Damage{0, -1},
        Damage{7, 2}, Damage{7, 9}, Damage{20, 13}, Damage{21, 100}}) {
    CAPTURE(damage.at);
    std::string bad = good;
    bad[damage.at] = damage.byte;
    const char* why;
    const auto block = Parse(bad, &why);
    REQUIRE(block != nullptr);
    CHECK(block->Check() != nullptr);
    Block::Iterator it(block.get());
    it.SeekToLast();
    CHECK_FALSE(it.Valid());
    CHECK(it.corruption() != nullptr);
    it.SeekToFirst();
    CHECK_FALSE(it.Valid());
    it.Seek("a", 1);
    CHECK_FALSE(it.Valid());
  }
}

TEST_CASE("no mutation of a block makes an iterator hang or leave the block") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const BlockKind kind = random.OneIn(2) ? BlockKind::kData : BlockKind::kIndex;
    const std::vector<Entry> entries = RandomEntries(&random, 1 + random.Uniform(30));
    std::string bytes = Build(entries, static_cast<int>(1 + random.Uniform(4)), kind);
    for (uint64_t n = 1 + random.Uniform(4); n > 0; --n) {
      bytes[random.Uniform(bytes.size())] = static_cast<char>(random.Next32());
    }
    const char* why = nullptr;
    const auto block = Parse(bytes, &why, kind);
    CHECK((block == nullptr) == (why != nullptr));
    if (block == nullptr) continue;
    // Forwards, every entry takes three bytes at least. Backwards, offsets descend.
    Block::Iterator it(block.get());
    size_t steps = 0;
    for (it.SeekToFirst(); it.Valid(); it.Next()) ++steps;
    CHECK(steps <= bytes.size() / 3);
    Block::Iterator back(block.get());
    steps = 0;
    for (back.SeekToLast(); back.Valid(); back.Prev()) ++steps;
    CHECK(steps <= bytes.size() / 3);
    Block::Iterator seek(block.get());
    seek.SeekBefore("m", 500);
    CHECK((!seek.Valid() || seek.corruption() == nullptr));
    if (kind == BlockKind::kIndex) continue;
    for (const Entry& entry : entries) {
      const Block::Found found = block->Find(entry.key, HashKey(entry.key), kMaxSequence);
      CHECK((!found.lookup.found || found.corruption == nullptr));
      CHECK(found.value.size() <= bytes.size());
    }
  }
}

}  // namespace lsm
