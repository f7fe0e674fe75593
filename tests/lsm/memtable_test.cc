// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/memtable.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/random.h"

namespace lsm {
namespace {

void Put(MemTable* table, SequenceNumber sequence, std::string_view key, std::string_view value) {
  table->Add(sequence, RecordType::kValue, key, value);
}

void Delete(MemTable* table, SequenceNumber sequence, std::string_view key) {
  table->Add(sequence, RecordType::kTombstone, key, "");
}

// "value", "-" for a tombstone, "absent".
std::string Read(const MemTable& table, std::string_view key,
                 SequenceNumber sequence = kMaxSequence) {
  std::string_view value;
  const TableLookup found = table.Get(key, sequence, &value);
  if (!found.found) return "absent";
  return found.type == RecordType::kTombstone ? "-" : std::string(value);
}

std::string Show(const InternalIterator& it) {
  std::string text(it.user_key());
  text += '@' + std::to_string(it.sequence());
  if (it.type() == RecordType::kTombstone) return text + '-';
  return (text += '=') += it.value();
}

std::vector<std::string> Forward(const MemTable& table) {
  std::vector<std::string> records;
  const auto it = table.NewIterator();
  for (it->SeekToFirst(); it->Valid(); it->Next()) records.push_back(Show(*it));
  return records;
}

std::vector<std::string> Backward(const MemTable& table) {
  std::vector<std::string> records;
  const auto it = table.NewIterator();
  for (it->SeekToLast(); it->Valid(); it->Prev()) records.insert(records.begin(), Show(*it));
  return records;
}

using Records = std::vector<std::string>;

}  // namespace

TEST_CASE("a new memtable is empty and takes no memory for records") {
  MemTable table;
  CHECK(table.empty());
  CHECK(table.keys() == 0);
  CHECK(table.smallest_sequence() == 0);
  CHECK(table.largest_sequence() == 0);
  CHECK(table.ApproximateMemoryUsage() == 0);
  CHECK(sizeof(MemTable) <= 512);
  CHECK(Read(table, "") == "absent");
  CHECK(Forward(table).empty());
  CHECK(Backward(table).empty());
  std::string_view smallest;
  std::string_view largest;
  CHECK_FALSE(table.KeyRange(&smallest, &largest));
  Put(&table, 1, "k", "v");
  CHECK(table.ApproximateMemoryUsage() <= 5 * 1024 + 512);
}

TEST_CASE("an empty value is a value and no tombstone") {
  MemTable table;
  Put(&table, 1, "empty", "");
  Delete(&table, 2, "gone");
  CHECK(Read(table, "empty") == "");
  CHECK(Read(table, "gone") == "-");
  CHECK(Read(table, "never") == "absent");
  CHECK(Forward(table) == Records{"empty@1=", "gone@2-"});
}

TEST_CASE("deleting an absent key, or a key twice, adds a tombstone and changes no answer") {
  MemTable table;
  Delete(&table, 1, "absent");
  CHECK(Read(table, "absent") == "-");
  Put(&table, 2, "key", "value");
  Delete(&table, 3, "key");
  Delete(&table, 4, "key");
  CHECK(Read(table, "key") == "-");
  CHECK(Read(table, "key", 3) == "-");
  CHECK(Read(table, "key", 2) == "value");
  CHECK(table.records() == 4);
  CHECK(table.keys() == 2);
  CHECK(Forward(table) == Records{"absent@1-", "key@4-", "key@3-", "key@2=value"});
}

TEST_CASE("a read sees the newest record at or below its sequence") {
  MemTable table;
  Put(&table, 10, "k", "ten");
  Put(&table, 20, "k", "twenty");
  Delete(&table, 30, "k");
  CHECK(Read(table, "k", 9) == "absent");
  CHECK(Read(table, "k", 10) == "ten");
  CHECK(Read(table, "k", 19) == "ten");
  CHECK(Read(table, "k", 20) == "twenty");
  CHECK(Read(table, "k", 29) == "twenty");
  CHECK(Read(table, "k", 30) == "-");
  std::string_view value;
  CHECK(table.Get("k", 25, &value).sequence == 20);
}

TEST_CASE("a record of the same sequence replaces the one before it") {
  MemTable table;
  Put(&table, 1, "k", "old");
  Put(&table, 2, "k", "first try");
  Put(&table, 2, "k", "second try");
  CHECK(Forward(table) == Records{"k@2=second try", "k@1=old"});
  CHECK(table.records() == 2);
  Delete(&table, 2, "k");
  CHECK(Forward(table) == Records{"k@2-", "k@1=old"});
}

TEST_CASE("undoing a record brings back the one it replaced") {
  MemTable table;
  Put(&table, 1, "k", "old");
  Put(&table, 2, "k", "new");
  Put(&table, 2, "k", "newer");
  table.Undo(2, "k");
  CHECK(Read(table, "k") == "old");
  CHECK(table.records() == 1);
  CHECK(table.largest_sequence() == 1);
  table.Undo(2, "k");  // not there any more
  table.Undo(7, "other");
  CHECK(Read(table, "k") == "old");
  CHECK(table.records() == 1);
}

TEST_CASE("a key whose only record was undone is absent and skipped by iterators") {
  MemTable table;
  Put(&table, 1, "b", "1");
  for (const char* key : {"a", "a2", "c", "d"}) Put(&table, 2, key, "x");
  for (const char* key : {"d", "c", "a2", "a"}) table.Undo(2, key);
  CHECK(Read(table, "a") == "absent");
  CHECK(table.keys() == 1);
  CHECK(Forward(table) == Records{"b@1=1"});
  CHECK(Backward(table) == Records{"b@1=1"});
  const auto it = table.NewIterator();
  it->Seek("a", kMaxSequence);
  CHECK(Show(*it) == "b@1=1");
  it->Seek("c", kMaxSequence);
  CHECK_FALSE(it->Valid());
  it->SeekBefore("z");
  CHECK(Show(*it) == "b@1=1");
  it->SeekBefore("b");
  CHECK_FALSE(it->Valid());
  std::string_view smallest;
  std::string_view largest;
  REQUIRE(table.KeyRange(&smallest, &largest));
  CHECK(smallest == "b");
  CHECK(largest == "b");

  table.Undo(1, "b");
  CHECK(table.empty());
  CHECK(table.smallest_sequence() == 0);
  CHECK(table.largest_sequence() == 0);
  CHECK_FALSE(table.KeyRange(&smallest, &largest));
  Put(&table, 2, "c", "again");
  CHECK(Forward(table) == Records{"c@2=again"});
  CHECK(table.smallest_sequence() == 2);
}

TEST_CASE("the range of keys may be asked for while the only key comes and goes") {
  MemTable table;
  // Nodes without keys on both sides: there is time between the first look at "k" and the last.
  for (int i = 0; i < 1000; ++i) {
    for (const std::string& key : {"a" + std::to_string(i), "z" + std::to_string(i)}) {
      Put(&table, 1, key, "v");
      table.Undo(1, key);
    }
  }
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop.load()) {
      Put(&table, 1, "k", "v");
      table.Undo(1, "k");
    }
  });
  for (int i = 0; i < 5000; ++i) {
    std::string_view smallest;
    std::string_view largest;
    if (!table.KeyRange(&smallest, &largest)) continue;
    REQUIRE(smallest == "k");
    REQUIRE(largest == "k");
  }
  stop.store(true);
  writer.join();
}

TEST_CASE("iteration is in bytewise key order, newest record first") {
  MemTable table;
  const std::string nul("a\0b", 3);
  Put(&table, 1, "\xff", "last");
  Put(&table, 2, "", "empty key");
  Put(&table, 3, "ab", "3");
  Put(&table, 4, nul, "4");
  Put(&table, 5, "a", "5");
  Put(&table, 6, "\x80", "6");
  Put(&table, 7, "a", "7");
  const Records expected = {"@2=empty key", "a@7=7",    "a@5=5",      nul + "@4=4",
                            "ab@3=3",       "\x80@6=6", "\xff@1=last"};
  CHECK(Forward(table) == expected);
  CHECK(Backward(table) == expected);
  std::string_view smallest;
  std::string_view largest;
  REQUIRE(table.KeyRange(&smallest, &largest));
  CHECK(smallest.empty());
  CHECK(largest == "\xff");
  CHECK(table.smallest_sequence() == 1);
  CHECK(table.largest_sequence() == 7);
}

TEST_CASE("an iterator stays valid while the table is written, and shows the keys it began with") {
  MemTable table;
  Put(&table, 1, "b", "1");
  Put(&table, 2, "d", "2");
  const auto it = table.NewIterator();
  it->SeekToFirst();
  const std::string_view key = it->user_key();
  const std::string_view value = it->value();
  for (SequenceNumber sequence = 3; sequence < 3000; ++sequence) {
    Put(&table, sequence, "x" + std::to_string(sequence), std::string(100, 'v'));
  }
  Put(&table, 3000, "b", "new");
  Put(&table, 3000, "a", "new");
  Put(&table, 3000, "c", "new");
  CHECK(key == "b");
  CHECK(value == "1");
  CHECK(Show(*it) == "b@1=1");
  it->Next();
  CHECK(Show(*it) == "d@2=2");
  it->Next();
  CHECK_FALSE(it->Valid());
  it->SeekToLast();
  CHECK(Show(*it) == "d@2=2");
  it->Prev();
  CHECK(Show(*it) == "b@1=1");
  it->Prev();
  CHECK(Show(*it) == "b@3000=new");
  it->Prev();
  CHECK_FALSE(it->Valid());
  const auto later = table.NewIterator();
  later->SeekToFirst();
  CHECK(Show(*later) == "a@3000=new");
}

TEST_CASE("the approximate size never under-counts keys and values") {
  MemTable table;
  size_t payload = 0;
  size_t before = 0;
  for (SequenceNumber sequence = 1; sequence <= 5000; ++sequence) {
    const std::string key = "key" + std::to_string(sequence % 1000);
    const std::string value(sequence % 300, 'v');
    Put(&table, sequence, key, value);
    payload += key.size() + value.size();
    REQUIRE(table.ApproximateMemoryUsage() >= payload);
    REQUIRE(table.ApproximateMemoryUsage() >= before);
    before = table.ApproximateMemoryUsage();
  }
  // Chunks double while they are small, so at most as much again is reserved.
  CHECK(before <= 2 * payload + 1000 * 60 + 5000 * 32);
}

TEST_CASE("a value of 512 MiB and keys of 1 MiB are kept whole") {
  MemTable table;
  {
    // Untouched zeros take no memory.
    const std::unique_ptr<char, decltype(&std::free)> zeros(
        static_cast<char*>(std::calloc(1, kMaxValueSize)), &std::free);
    zeros.get()[0] = 'v';
    zeros.get()[kMaxValueSize - 1] = '!';
    Put(&table, 1, "large", {zeros.get(), kMaxValueSize});
  }
  const std::string key(size_t{1} << 20, 'k');
  Put(&table, 2, key, "1");
  Put(&table, 3, key + "+", "2");
  std::string_view value;
  REQUIRE(table.Get("large", kMaxSequence, &value).found);
  CHECK(value.size() == kMaxValueSize);
  CHECK(value.front() == 'v');
  CHECK(value[size_t{300} << 20] == '\0');
  CHECK(value.back() == '!');
  CHECK(Read(table, key) == "1");
  CHECK(Read(table, key + "+") == "2");
  CHECK(Read(table, std::string_view(key).substr(1)) == "absent");
  CHECK(table.ApproximateMemoryUsage() > kMaxValueSize);
}

namespace {

// The obvious memtable: every record in the order of an InternalIterator.
struct Model {
  struct Newest {
    bool operator()(const std::pair<std::string, SequenceNumber>& a,
                    const std::pair<std::string, SequenceNumber>& b) const {
      return CompareInternal(a.first, a.second, b.first, b.second) < 0;
    }
  };
  std::map<std::pair<std::string, SequenceNumber>, std::string, Newest> records;  // "=v" or "-"

  static std::string Show(const decltype(records)::value_type& record) {
    return record.first.first + '@' + std::to_string(record.first.second) + record.second;
  }
};

std::string RandomKey(Random* random) {
  std::string key;
  for (uint64_t n = random->Uniform(4); n > 0; --n) {
    key += static_cast<char>('a' + random->Uniform(4));
  }
  return key;
}

std::string ShowOrEnd(const InternalIterator& it) { return it.Valid() ? Show(it) : "end"; }

// Goes to random places in random steps and expects to stand where the model stands.
void CompareWalk(const MemTable& table, const Model& model, Random* random) {
  const auto& records = model.records;
  const auto it = table.NewIterator();
  auto place = records.end();
  for (int step = 0; step < 60; ++step) {
    const std::string key = RandomKey(random);
    const SequenceNumber sequence = random->Uniform(700);
    switch (random->Uniform(place == records.end() ? 4 : 12)) {
      case 0:
        it->SeekToFirst();
        place = records.begin();
        break;
      case 1:
        it->SeekToLast();
        place = records.empty() ? records.end() : std::prev(records.end());
        break;
      case 2:
        it->Seek(key, sequence);
        place = records.lower_bound({key, sequence});
        break;
      case 3:
        it->SeekBefore(key);
        place = records.lower_bound({key, kMaxSequence});
        place = place == records.begin() ? records.end() : std::prev(place);
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        it->Next();
        ++place;
        break;
      default:
        it->Prev();
        place = place == records.begin() ? records.end() : std::prev(place);
    }
    REQUIRE(ShowOrEnd(*it) == (place == records.end() ? "end" : Model::Show(*place)));
  }
}

void CompareGet(const MemTable& table, const Model& model, Random* random) {
  const std::string key = RandomKey(random);
  const SequenceNumber sequence = random->Uniform(700);
  const auto found = model.records.lower_bound({key, sequence});
  std::string expected = "absent";
  if (found != model.records.end() && found->first.first == key) {
    expected = found->second == "-" ? "-" : found->second.substr(1);
  }
  REQUIRE(Read(table, key, sequence) == expected);
}

TEST_CASE("walking backwards over a key takes time in proportion to its versions") {
  MemTable table;
  constexpr SequenceNumber kVersions = 200'000;
  table.Add(1, RecordType::kValue, "a", "v");
  for (SequenceNumber s = 2; s <= kVersions; ++s) table.Add(s, RecordType::kValue, "b", "v");
  const auto start = std::chrono::steady_clock::now();
  const auto it = table.NewIterator();
  SequenceNumber expected = 2;
  for (it->SeekToLast(); it->Valid() && it->user_key() == "b"; it->Prev()) {
    REQUIRE(it->sequence() == expected++);
    if (expected != 1000) continue;
    it->Next();  // turns around and back
    REQUIRE(it->sequence() == 998);
    it->Prev();
  }
  CHECK(expected == kVersions + 1);
  REQUIRE(it->Valid());
  CHECK(it->user_key() == "a");
  // In proportion to the square it takes minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

}  // namespace

TEST_CASE("random writes, overwrites, deletes and undos agree with a sorted map") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    MemTable table;
    Model model;
    SequenceNumber sequence = 1;
    std::vector<std::string> unit;  // keys written with `sequence`
    for (int i = 0; i < 800; ++i) {
      if (!unit.empty() && random.OneIn(2)) {
        if (random.OneIn(4)) {
          for (const std::string& key : unit) {
            table.Undo(sequence, key);
            model.records.erase({key, sequence});
          }
        } else {
          ++sequence;
        }
        unit.clear();
      }
      const std::string key = RandomKey(&random);
      const bool remove = random.OneIn(3);
      const std::string value = remove ? "" : std::string(random.Uniform(20), 'v');
      table.Add(sequence, remove ? RecordType::kTombstone : RecordType::kValue, key, value);
      model.records[{key, sequence}] = remove ? "-" : "=" + value;
      unit.push_back(key);
      CompareGet(table, model, &random);
      if (i % 100 == 0) CompareWalk(table, model, &random);
    }
    CHECK(table.records() == model.records.size());
    CompareWalk(table, model, &random);
    Records expected;
    for (const auto& record : model.records) expected.push_back(Model::Show(record));
    REQUIRE(Forward(table) == expected);
    REQUIRE(Backward(table) == expected);
  }
}

TEST_CASE("a million keys of 16 bytes with values of 64 cost about 40 bytes a key besides") {
  constexpr uint64_t kKeys = 1'000'000;
  MemTable table;
  const std::string value(64, 'v');
  Random random(7);
  for (uint64_t i = 0; i < kKeys; ++i) {
    char key[16];
    EncodeFixed64(key, random.Next64());
    EncodeFixed64(key + 8, i);
    table.Add(i + 1, RecordType::kValue, {key, sizeof key}, value);
  }
  const double overhead =
      static_cast<double>(table.ApproximateMemoryUsage()) / static_cast<double>(kKeys) - 80;
  MESSAGE("memory beside keys and values, bytes a key: ", overhead);
  CHECK(overhead <= 46);
  CHECK(table.keys() == kKeys);
}

}  // namespace lsm
