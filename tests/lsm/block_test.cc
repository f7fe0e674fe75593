// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

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

std::string Build(const std::vector<Entry>& entries, int restart_interval) {
  BlockBuilder builder(restart_interval);
  for (const Entry& e : entries) builder.Add(InternalKey(e.key, e.sequence), e.value);
  return *builder.Finish();
}

// A buffer of exactly the contents' size, so that a sanitizer sees a read beyond them.
std::shared_ptr<const Block> Parse(std::string_view contents, const char** why) {
  OwnedBytes bytes(contents.size());
  std::memcpy(bytes.data.get(), contents.data(), contents.size());
  return Block::Parse(std::move(bytes), contents.size(), why);
}

std::shared_ptr<const Block> MustParse(std::string_view contents) {
  const char* why;
  auto block = Parse(contents, &why);
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
    const auto block = MustParse(Build(entries, interval));
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
    std::string bytes = Build(RandomEntries(&random, 1 + random.Uniform(30)),
                              static_cast<int>(1 + random.Uniform(4)));
    for (uint64_t n = 1 + random.Uniform(4); n > 0; --n) {
      bytes[random.Uniform(bytes.size())] = static_cast<char>(random.Next32());
    }
    const char* why = nullptr;
    const auto block = Parse(bytes, &why);
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
  }
}

}  // namespace lsm
