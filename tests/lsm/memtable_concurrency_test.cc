// SPDX-License-Identifier: BSD-3-Clause
// One writer and readers without locks. Unit s puts a key of its own and one of a few that are
// overwritten again and again, both with s as their value, so a reader at any sequence knows every
// answer.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "lsm/memtable/memtable.h"
#include "lsm/random.h"

namespace lsm {
namespace {

constexpr SequenceNumber kUnits = 60'000;
constexpr uint64_t kHotKeys = 16;

std::string OwnKey(SequenceNumber unit) {
  char key[32];
  std::snprintf(key, sizeof key, "%016llx",
                static_cast<unsigned long long>(unit * 0x9e3779b97f4a7c15u));
  return key;
}

std::string HotKey(uint64_t i) { return "hot" + std::to_string(i); }

// The last unit up to `visible` that wrote hot key `i`; 0 if there is none.
SequenceNumber LastHot(uint64_t i, SequenceNumber visible) {
  const uint64_t back = (visible + kHotKeys - i) % kHotKeys;
  return back < visible ? visible - back : 0;
}

class Reader {
 public:
  Reader(const MemTable& table, const std::atomic<SequenceNumber>& visible, uint64_t seed)
      : table_(table), visible_(visible), random_(seed) {}

  void Run() {
    SequenceNumber now = 0;
    do {
      now = visible_.load(std::memory_order_acquire);
      if (now == 0) continue;
      for (int i = 0; i < 20; ++i) Get(now);
      if (random_.OneIn(8)) Walk(now);
    } while (now < kUnits);
  }

  uint64_t checks() const { return checks_; }
  uint64_t faults() const { return faults_; }

 private:
  void Expect(bool right) {
    ++checks_;
    if (!right) ++faults_;
  }

  void ExpectSequence(const std::string& key, SequenceNumber now, SequenceNumber expected) {
    std::string_view value;
    const TableLookup found = table_.Get(key, now, &value);
    if (expected == 0) return Expect(!found.found);
    Expect(found.found && found.sequence == expected && value == std::to_string(expected));
  }

  void Get(SequenceNumber now) {
    const SequenceNumber unit = 1 + random_.Uniform(now);
    ExpectSequence(OwnKey(unit), now, unit);
    ExpectSequence(OwnKey(now + 1 + random_.Uniform(100)), now, 0);
    const uint64_t hot = random_.Uniform(kHotKeys);
    ExpectSequence(HotKey(hot), now, LastHot(hot, now));
  }

  // Every step goes in order, and nothing that was visible at the start is missing in between.
  void Walk(SequenceNumber now) {
    const auto it = table_.NewIterator();
    const std::string from = OwnKey(1 + random_.Uniform(now));
    it->Seek(from, now);
    Expect(it->Valid() && it->user_key() == from);
    std::string key(it->user_key());
    SequenceNumber sequence = it->sequence();
    const bool forward = random_.OneIn(2);
    for (int step = 0; step < 50; ++step) {
      forward ? it->Next() : it->Prev();
      if (!it->Valid()) break;
      const int order = CompareInternal(key, sequence, it->user_key(), it->sequence());
      Expect(forward ? order < 0 : order > 0);
      // Later records may be of a unit that is still being written, or is taken back.
      if (it->sequence() <= now) Expect(it->value() == std::to_string(it->sequence()));
      key = it->user_key();
      sequence = it->sequence();
    }
  }

  const MemTable& table_;
  const std::atomic<SequenceNumber>& visible_;
  Random random_;
  uint64_t checks_ = 0;
  uint64_t faults_ = 0;
};

}  // namespace

TEST_CASE("readers beside a writer see every visible record and no other, in order") {
  MemTable table;
  std::atomic<SequenceNumber> visible{0};
  std::vector<Reader> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) readers.emplace_back(table, visible, seed);
  std::vector<std::thread> threads;
  for (Reader& reader : readers) threads.emplace_back([&reader] { reader.Run(); });

  Random random(99);
  for (SequenceNumber unit = 1; unit <= kUnits; ++unit) {
    const std::string value = std::to_string(unit);
    if (random.OneIn(20)) {  // a unit that fails and is taken back
      table.Add(unit, RecordType::kTombstone, OwnKey(unit + 1), "");
      table.Add(unit, RecordType::kTombstone, HotKey(3), "");
      table.Undo(unit, HotKey(3));
      table.Undo(unit, OwnKey(unit + 1));
    }
    table.Add(unit, RecordType::kValue, OwnKey(unit), "replaced");
    table.Add(unit, RecordType::kValue, OwnKey(unit), value);
    table.Add(unit, RecordType::kValue, HotKey(unit % kHotKeys), value);
    visible.store(unit, std::memory_order_release);
    if (unit % 512 == 0) std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  for (const Reader& reader : readers) {
    CHECK(reader.faults() == 0);
    CHECK(reader.checks() > 1000);
  }
  CHECK(table.records() == 2 * kUnits);
}

}  // namespace lsm
