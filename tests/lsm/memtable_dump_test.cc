// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/memtable_dump.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/random.h"
#include "tests/support/golden.h"

namespace lsm {
namespace {

std::string Dump(const MemTable& table) {
  std::string bytes;
  const Status status = DumpMemTable(table, &bytes);
  REQUIRE_MESSAGE(status.ok(), status.ToString());
  const MemTableDumpSize size = MeasureMemTableDump(table);
  REQUIRE(size.bytes == bytes.size());
  REQUIRE(size.entries == DecodeFixed32(bytes.data() + 4));
  return bytes;
}

// A key, how it was written last, and its value.
using Entry = std::pair<std::string, std::pair<RecordType, std::string>>;

std::string Encode(const std::vector<Entry>& entries) {
  std::string bytes = "MMT1";
  PutFixed32(&bytes, static_cast<uint32_t>(entries.size()));
  for (const auto& [key, written] : entries) {
    PutFixed32(&bytes, static_cast<uint32_t>(key.size()));
    PutFixed32(&bytes, static_cast<uint32_t>(written.second.size()));
    bytes += static_cast<char>(written.first);
    bytes += key + written.second;
  }
  return bytes;
}

Entry Value(std::string key, std::string value) {
  return {std::move(key), {RecordType::kValue, std::move(value)}};
}
Entry Tombstone(std::string key) { return {std::move(key), {RecordType::kTombstone, ""}}; }

// What the loader says of bytes that it must refuse.
std::string Refusal(std::string_view bytes) {
  const auto table = LoadMemTableDump(bytes);
  REQUIRE_FALSE(table.ok());
  CHECK(table.status().IsCorruption());
  return std::string(table.status().message());
}

// Loads `bytes` and dumps them again; they must come back as they are, or be refused.
void CheckRefusedOrEqual(const std::string& bytes) {
  const auto table = LoadMemTableDump(bytes);
  if (!table.ok()) {
    REQUIRE(table.status().IsCorruption());
    REQUIRE(table.status().message().starts_with("offset "));
    return;
  }
  REQUIRE(Dump(**table) == bytes);
}

const std::vector<Entry> kSample = {Value("", "the empty key"), Value("alpha", "first"),
                                    Tombstone("beta"), Value("empty", ""),
                                    Value(std::string("nul\0key", 7), std::string("\0\xff", 2))};

}  // namespace

TEST_CASE("the specification's example gives its forty bytes") {
  MemTable table;
  table.Add(1, RecordType::kValue, "alpha", "first");
  table.Add(2, RecordType::kValue, "beta", "second");
  table.Add(3, RecordType::kTombstone, "beta", "");
  const std::string bytes = Dump(table);
  CHECK(bytes.size() == 40);
  support::CheckGolden("memtable_dump.hex", bytes,
                       {{4, "magic \"MMT1\""},
                        {4, "entries"},
                        {4, "key length"},
                        {4, "value length"},
                        {1, "type: value"},
                        {5, "key \"alpha\""},
                        {5, "value \"first\""},
                        {4, "key length"},
                        {4, "value length"},
                        {1, "type: tombstone"},
                        {4, "key \"beta\""}});
}

TEST_CASE("an empty table is eight bytes") {
  CHECK(Dump(MemTable()) == std::string("MMT1\0\0\0\0", 8));
  const auto table = LoadMemTableDump(std::string_view("MMT1\0\0\0\0", 8));
  REQUIRE(table.ok());
  CHECK((*table)->empty());
}

TEST_CASE("the same records give the same dump in any order of insertion") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::map<std::string, std::pair<RecordType, std::string>> model;
    while (model.size() < 50) {
      std::string key(random.Uniform(6), '\0');
      for (char& c : key) c = static_cast<char>(random.Next32());
      model[key] = random.OneIn(4) ? Tombstone(key).second
                                   : Value(key, std::string(random.Uniform(9), 'v')).second;
    }
    std::vector<Entry> entries(model.begin(), model.end());
    const std::string expected = Encode(entries);
    for (int round = 0; round < 5; ++round) {
      for (size_t i = entries.size(); i > 1; --i) {
        std::swap(entries[i - 1], entries[random.Uniform(i)]);
      }
      MemTable table;
      SequenceNumber sequence = 0;
      for (const auto& [key, written] : entries) {
        // Earlier versions leave no trace.
        if (random.OneIn(2)) table.Add(++sequence, RecordType::kValue, key, "overwritten");
        if (random.OneIn(3)) table.Add(++sequence, RecordType::kTombstone, key, "");
        table.Add(++sequence, written.first, key, written.second);
      }
      table.Add(++sequence, RecordType::kValue, "undone", "");
      table.Undo(sequence, "undone");
      REQUIRE(Dump(table) == expected);
    }
  }
}

TEST_CASE("a dump loads into a table that answers as the dumped one did") {
  const std::string bytes = Encode(kSample);
  const auto loaded = LoadMemTableDump(bytes);
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().ToString());
  const MemTable& table = **loaded;
  CHECK(table.keys() == kSample.size());
  CHECK(table.largest_sequence() == kSample.size());
  for (const auto& [key, written] : kSample) {
    std::string_view value;
    const TableLookup found = table.Get(key, kMaxSequence, &value);
    CHECK(found.found);
    CHECK(found.type == written.first);
    CHECK(value == written.second);
  }
  CHECK(Dump(table) == bytes);
}

TEST_CASE("a dump that is cut at any byte is refused") {
  const std::string bytes = Encode(kSample);
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const std::string refusal = Refusal(std::string_view(bytes).substr(0, size));
    CHECK(refusal.starts_with("offset "));
  }
}

TEST_CASE("bytes after the last entry are refused") {
  const std::string bytes = Encode(kSample);
  CHECK(Refusal(bytes + '\0') ==
        "offset " + std::to_string(bytes.size()) + ": 1 bytes after the last entry");
  CHECK(Refusal(bytes + bytes).ends_with("bytes after the last entry"));
  CHECK(Refusal(std::string("MMT1\0\0\0\0MMT1", 12)) == "offset 8: 4 bytes after the last entry");
}

TEST_CASE("every flipped bit and every changed byte is refused or read as what it now says") {
  const std::string bytes = Encode(kSample);
  for (size_t i = 0; i < bytes.size(); ++i) {
    CAPTURE(i);
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(value);
      CheckRefusedOrEqual(changed);
    }
  }
}

TEST_CASE("what is wrong with a dump is named, and where") {
  const std::string key_a = Encode({Value("a", "1")});
  CHECK(Refusal("") == "offset 0: cut within the header");
  CHECK(Refusal("MMT") == "offset 3: cut within the header");
  CHECK(Refusal("MMT2....") == "offset 0: bad magic, this is no memtable dump");
  CHECK(Refusal("x") == "offset 0: bad magic, this is no memtable dump");
  CHECK(Refusal(Encode({Value("b", "1"), Value("a", "2")})) ==
        "offset 28, entry 1: keys out of order: smaller than the entry before");
  CHECK(Refusal(Encode({Value("a", "1"), Value("a", "2")})) ==
        "offset 28, entry 1: the same key as the entry before");
  CHECK(Refusal(Encode({Value("", "1"), Value("", "2")})) ==
        "offset 27, entry 1: the same key as the entry before");
  CHECK(Refusal(Encode({{"a", {static_cast<RecordType>(2), ""}}})) ==
        "offset 16, entry 0: unknown type 2");
  CHECK(Refusal(Encode({{"a", {RecordType::kTombstone, "xyz"}}})) ==
        "offset 12, entry 0: a tombstone with a value of 3 bytes");

  std::string more_entries = key_a;
  more_entries[4] = 2;
  CHECK(Refusal(more_entries) == "offset 19, entry 1: the file ends, cut before the entry's key");
  std::string long_key = key_a;
  long_key[8] = 3;
  CHECK(Refusal(long_key) ==
        "offset 8, entry 0: a key of 3 bytes, but only 2 are left in the file");
  std::string long_value = key_a;
  long_value[12] = 2;
  CHECK(Refusal(long_value) ==
        "offset 12, entry 0: a value of 2 bytes, but only 1 are left in the file");
  // Lengths whose sum wraps around in 32 bits.
  std::string wrapping = key_a;
  EncodeFixed32(wrapping.data() + 8, 3);
  EncodeFixed32(wrapping.data() + 12, 0xffffffffu);
  CHECK(Refusal(wrapping) ==
        "offset 8, entry 0: a key of 3 bytes, but only 2 are left in the file");
  EncodeFixed32(wrapping.data() + 8, 0xffffffffu);
  CHECK(Refusal(wrapping) ==
        "offset 8, entry 0: a key of 4294967295 bytes, above the limit of 536870976");
  // A count that is believed would take 4 billion entries of memory.
  std::string many = key_a;
  EncodeFixed32(many.data() + 4, 0xffffffffu);
  CHECK(Refusal(many).starts_with("offset 19, entry 1: "));
}

TEST_CASE("random damage to random dumps is refused or read as what it now says") {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::string bytes = Encode(kSample);
    for (uint64_t n = 1 + random.Uniform(4); n > 0; --n) {
      const size_t at = random.Uniform(bytes.size());
      switch (random.Uniform(3)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next32());
          break;
        case 1:
          bytes.erase(at, 1 + random.Uniform(9));
          break;
        default:
          bytes.insert(at, bytes.substr(random.Uniform(bytes.size()), random.Uniform(20)));
      }
      if (bytes.empty()) bytes = "M";
    }
    CheckRefusedOrEqual(bytes);
  }
}

namespace {

// Keeps what is written, or refuses everything after `room` bytes.
class StringFile final : public WritableFile {
 public:
  explicit StringFile(uint64_t room) : room_(room) {}

  Status WriteAt(uint64_t offset, std::string_view data) override {
    ++writes_;
    if (offset + data.size() > room_) return Status::NoSpace("write string: no room");
    bytes_.resize(std::max(bytes_.size(), offset + data.size()));
    bytes_.replace(offset, data.size(), data);
    return Status::Ok();
  }
  Status Allocate(uint64_t) override { return Status::Ok(); }
  Status Truncate(uint64_t) override { return Status::Ok(); }
  Status Sync() override { return Status::Ok(); }
  Status Close() override { return Status::Ok(); }

  const std::string& bytes() const { return bytes_; }
  int writes() const { return writes_; }

 private:
  const uint64_t room_;
  std::string bytes_;
  int writes_ = 0;
};

}  // namespace

TEST_CASE("a dump written to a file in pieces has the bytes of one made in memory") {
  MemTable table;
  Random random(3);
  for (SequenceNumber i = 1; i <= 20000; ++i) {
    const std::string key = "key" + std::to_string(random.Uniform(15000));
    table.Add(i, RecordType::kValue, key, std::string(random.Uniform(300), 'v'));
  }
  table.Add(20001, RecordType::kValue, "large", std::string(size_t{3} << 20, 'L'));
  table.Add(20002, RecordType::kValue, "m", std::string((size_t{1} << 20) + 1, 'M'));
  StringFile file(uint64_t{1} << 30);
  const Status status = DumpMemTable(table, &file);
  REQUIRE_MESSAGE(status.ok(), status.ToString());
  const std::string expected = Dump(table);
  CHECK(file.bytes().size() == expected.size());
  CHECK((file.bytes() == expected));
  CHECK(file.writes() < 20);
}

TEST_CASE("a write error ends the dump and is reported") {
  MemTable table;
  for (SequenceNumber i = 1; i <= 100; ++i) {
    table.Add(i, RecordType::kValue, std::to_string(i), std::string(100000, 'v'));
  }
  for (const uint64_t room : {uint64_t{0}, uint64_t{1} << 20, uint64_t{9} << 20}) {
    CAPTURE(room);
    StringFile file(room);
    CHECK(DumpMemTable(table, &file).IsNoSpace());
  }
}

}  // namespace lsm
