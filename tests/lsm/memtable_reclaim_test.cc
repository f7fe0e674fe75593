// SPDX-License-Identifier: BSD-3-Clause
// Overwritten records are freed when nobody can see them any more, and not before.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/db/pins.h"
#include "lsm/memtable/memtable.h"
#include "lsm/random.h"

namespace lsm {
namespace {

// What a point sees, newest records only: key, then "-" or "=value".
using Seen = std::vector<std::pair<std::string, std::string>>;

std::string Show(RecordType type, std::string_view value) {
  return type == RecordType::kTombstone ? "-" : "=" + std::string(value);
}

std::string Read(const MemTable& table, const std::string& key, SequenceNumber at) {
  std::string_view value;
  const TableLookup found = table.Get(key, at, &value);
  return found.found ? Show(found.type, value) : "absent";
}

Seen Forward(const MemTable& table, SequenceNumber at) {
  Seen seen;
  const auto it = table.NewIterator(at);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    seen.emplace_back(it->user_key(), Show(it->type(), it->value()));
  }
  return seen;
}

Seen Backward(const MemTable& table, SequenceNumber at) {
  Seen seen;
  const auto it = table.NewIterator(at);
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    seen.emplace(seen.begin(), it->user_key(), Show(it->type(), it->value()));
  }
  return seen;
}

// Every version of every key.
class Model {
 public:
  void Set(const std::string& key, SequenceNumber at, std::string shown) {
    versions_[key][at] = std::move(shown);
  }
  void Undo(const std::string& key, SequenceNumber at) { versions_[key].erase(at); }
  Seen At(SequenceNumber at) const {
    Seen seen;
    for (const auto& [key, versions] : versions_) {
      const auto behind = versions.upper_bound(at);
      if (behind != versions.begin()) seen.emplace_back(key, std::prev(behind)->second);
    }
    return seen;
  }

 private:
  std::map<std::string, std::map<SequenceNumber, std::string>> versions_;
};

}  // namespace

TEST_CASE("a memtable grows with its keys, not with its writes") {
  for (const size_t value_size : {0u, 64u, 5000u, 300'000u}) {
    CAPTURE(value_size);
    constexpr uint64_t kKeys = 20;
    const std::string value(value_size, 'v');
    MemTable table;
    SequenceNumber sequence = 0;
    const auto overwrite_all = [&] {
      for (uint64_t key = 0; key < kKeys; ++key) {
        table.Add(++sequence, RecordType::kValue, "key" + std::to_string(key), value);
        table.Reclaim(sequence - 1);
      }
    };
    for (int round = 0; round < 3; ++round) overwrite_all();
    const size_t memory = table.ApproximateMemoryUsage();
    for (int round = 0; round < 200; ++round) overwrite_all();
    CHECK(table.ApproximateMemoryUsage() == memory);
    table.Reclaim(sequence);
    CHECK(table.records() == kKeys);
    CHECK(table.keys() == kKeys);
  }
}

TEST_CASE("what a point can see is kept until the floor has passed the next version") {
  MemTable table;
  table.Add(1, RecordType::kValue, "k", "one");
  table.Add(4, RecordType::kTombstone, "k", "");
  table.Add(7, RecordType::kValue, "k", "seven");
  table.Reclaim(3);
  CHECK(table.records() == 3);
  CHECK(Read(table, "k", 3) == "=one");
  table.Reclaim(6);
  CHECK(table.records() == 2);
  CHECK(Read(table, "k", 6) == "-");
  CHECK(Forward(table, 6) == Seen{{"k", "-"}});
  table.Reclaim(7);
  CHECK(table.records() == 1);
  CHECK(Read(table, "k", 7) == "=seven");
}

TEST_CASE("an undone overwrite leaves the record that it replaced, also after a Reclaim") {
  MemTable table;
  table.Add(1, RecordType::kValue, "k", "kept");
  table.Add(2, RecordType::kValue, "k", "undone");
  table.Reclaim(1);
  table.Undo(2, "k");
  table.Reclaim(1);
  CHECK(Read(table, "k", 1) == "=kept");
  table.Add(2, RecordType::kValue, "k", "next");
  table.Add(2, RecordType::kValue, "k", "next again");
  CHECK(Read(table, "k", 1) == "=kept");
  table.Reclaim(2);
  CHECK(Read(table, "k", 2) == "=next again");
  CHECK(table.records() == 1);
}

TEST_CASE("a point that is held for long costs memory, which is reused when it is let go") {
  MemTable table;
  SequenceNumber sequence = 0;
  for (int i = 0; i < 100'000; ++i) {
    table.Add(++sequence, RecordType::kValue, "k" + std::to_string(i % 10), "value");
    table.Reclaim(5);
  }
  CHECK(table.records() > 99'000);
  for (int i = 0; i < 10; ++i) {
    table.Add(++sequence, RecordType::kValue, "k" + std::to_string(i), "value");
  }
  table.Reclaim(sequence);
  CHECK(table.records() == 10);
}

TEST_CASE("every key of a unit is reclaimed, however many they are") {
  constexpr int kKeys = 100'000;
  MemTable table;
  for (SequenceNumber unit = 1; unit <= 5; ++unit) {
    for (int i = 0; i < kKeys; ++i) {
      table.Add(unit, RecordType::kValue, "k" + std::to_string(i), "value");
    }
    table.Reclaim(unit);
    REQUIRE(table.records() == kKeys);
  }
}

TEST_CASE("a floor far behind the newest of many versions of a key moves on in little time") {
  MemTable table;
  constexpr SequenceNumber kVersions = 400'000;
  const auto start = std::chrono::steady_clock::now();
  for (SequenceNumber s = 1; s <= kVersions; ++s) table.Add(s, RecordType::kValue, "hot", "v");
  table.Reclaim(kVersions / 2);
  CHECK(table.records() == kVersions / 2 + 1);
  CHECK(Read(table, "hot", kVersions / 2) == "=v");
  table.Reclaim(kVersions);
  CHECK(table.records() == 1);
  // In proportion to the square it takes minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("random overwrites, undos, pins and reclaims show every pinned point as it was") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    MemTable table;
    Model model;
    std::multiset<SequenceNumber> pins;
    SequenceNumber visible = 0;
    for (int unit = 0; unit < 400; ++unit) {
      const SequenceNumber sequence = visible + 1;
      std::set<std::string> keys;
      const uint64_t writes = 1 + random.Uniform(4);
      for (uint64_t i = 0; i < writes; ++i) {
        const std::string key = "k" + std::to_string(random.Uniform(12));
        const bool remove = random.OneIn(4);
        const std::string value(remove ? 0 : random.Uniform(60),
                                static_cast<char>('a' + unit % 26));
        const RecordType type = remove ? RecordType::kTombstone : RecordType::kValue;
        table.Add(sequence, type, key, value);
        model.Set(key, sequence, Show(type, value));
        keys.insert(key);
      }
      if (random.OneIn(5)) {
        for (const std::string& key : keys) {
          table.Undo(sequence, key);
          model.Undo(key, sequence);
        }
      } else {
        visible = sequence;
      }
      if (random.OneIn(6)) pins.insert(visible);
      if (!pins.empty() && random.OneIn(8)) {
        pins.erase(std::next(pins.begin(), static_cast<long>(random.Uniform(pins.size()))));
      }
      table.Reclaim(pins.empty() ? visible : *pins.begin());
      if (unit % 7 != 0) continue;
      for (const SequenceNumber at : pins) REQUIRE(Forward(table, at) == model.At(at));
      REQUIRE(Forward(table, visible) == model.At(visible));
      REQUIRE(Backward(table, visible) == model.At(visible));
      for (const auto& [key, shown] : model.At(visible)) {
        REQUIRE(Read(table, key, visible) == shown);
      }
    }
    table.Reclaim(visible);
    CHECK(table.records() == model.At(visible).size());
  }
}

// Every unit overwrites all keys with its number, so that a reader knows what its point must show.
TEST_CASE("readers beside a writer that reclaims see the point that they pinned, whole") {
  constexpr SequenceNumber kUnits = 20'000;
  constexpr uint64_t kKeys = 8;
  MemTable table;
  std::atomic<SequenceNumber> visible{0};
  PinRegistry pins(&visible);
  std::atomic<uint64_t> faults{0};
  std::atomic<uint64_t> checks{0};
  const auto read = [&] {
    for (SequenceNumber now = 0; now < kUnits;) {
      now = pins.Pin();
      const std::string expected = "=" + std::to_string(now);
      for (int again = 0; now > 0 && again < 3; ++again) {
        for (uint64_t key = 0; key < kKeys; ++key) {
          if (Read(table, "key" + std::to_string(key), now) != expected) ++faults;
        }
        const Seen seen = again == 0 ? Forward(table, now) : Backward(table, now);
        if (seen.size() != kKeys) ++faults;
        for (const auto& [key, shown] : seen) {
          if (shown != expected) ++faults;
        }
        ++checks;
      }
      pins.Unpin(now);
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read);
  for (SequenceNumber unit = 1; unit <= kUnits; ++unit) {
    for (uint64_t key = 0; key < kKeys; ++key) {
      table.Add(unit, RecordType::kValue, "key" + std::to_string(key), std::to_string(unit));
    }
    visible.store(unit, std::memory_order_release);
    table.Reclaim(pins.Floor());
    if (unit % 64 == 0) std::this_thread::yield();
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(faults == 0);
  CHECK(checks > 10);
  table.Reclaim(pins.Floor());
  CHECK(table.records() == kKeys);
}

}  // namespace lsm
