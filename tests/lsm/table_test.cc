// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <tuple>

#include "lsm/memtable/memtable.h"
#include "lsm/random.h"
#include "lsm/sst/block_cache.h"
#include "lsm/sst/table_file.h"
#include "lsm/sst/table_iterator.h"
#include "lsm/sst/table_reader.h"
#include "tests/support/golden.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 7;
const std::string kPath = "000007.sst";
constexpr TreeId kTree = 3;

bool Before(const SstRecord& a, const SstRecord& b) {
  return CompareInternal(a.key, a.sequence, b.key, b.sequence) < 0;
}

std::string RandomKey(Random* random) {
  // Few letters and lengths, so that keys meet, share prefixes and are prefixes of each other.
  constexpr std::string_view kLetters("\0ab\xff", 4);
  std::string key;
  for (uint64_t n = random->Uniform(7); n > 0; --n) key += kLetters[random->Uniform(4)];
  if (random->OneIn(50)) key += std::string(random->Uniform(1000), 'k');
  return key;
}

SstRecords RandomRecords(Random* random, size_t count) {
  SstRecords records;
  for (size_t i = 0; i < count; ++i) {
    SstRecord record{RandomKey(random), 1 + random->Uniform(1000), RecordType::kValue, ""};
    if (random->OneIn(5)) {
      record.type = RecordType::kTombstone;
    } else {
      record.value = std::string(random->Uniform(random->OneIn(20) ? 3000 : 30), 'v') +
                     std::to_string(random->Next32() % 100);
      if (random->OneIn(10)) record.value.clear();
    }
    records.push_back(std::move(record));
  }
  std::sort(records.begin(), records.end(), Before);
  const auto same = [](const SstRecord& a, const SstRecord& b) {
    return a.key == b.key && a.sequence == b.sequence;
  };
  records.erase(std::unique(records.begin(), records.end(), same), records.end());
  return records;
}

TableBuilderOptions RandomOptions(Random* random) {
  TableBuilderOptions options;
  options.block_size = size_t{1} << random->Uniform(14);
  options.block_restart_interval = static_cast<int>(1 + random->Uniform(20));
  options.filter_bits_per_key = static_cast<int>(random->Uniform(3) * 5);
  options.compression = static_cast<Compression>(random->Uniform(3));
  return options;
}

SstRecords Numbered(size_t count, const std::string& value) {
  SstRecords records;
  for (size_t i = 0; i < count; ++i) {
    std::string digits = std::to_string(i);
    records.push_back({"key" + std::string(6 - digits.size(), '0') + digits, i + 1,
                       RecordType::kValue, value + digits});
  }
  return records;
}

std::unique_ptr<TableReader> MustOpen(FileSystem* fs, BlockCache* cache) {
  auto reader = TableReader::Open(fs, kPath, kNumber, kTree, cache);
  REQUIRE_MESSAGE(reader.ok(), reader.status().ToString());
  return std::move(*reader);
}

void CheckAt(const InternalIterator& it, const SstRecords& records, size_t i) {
  REQUIRE_MESSAGE(it.status().ok(), it.status().ToString());
  REQUIRE(it.Valid() == (i < records.size()));
  if (!it.Valid()) return;
  CHECK(it.user_key() == records[i].key);
  CHECK(it.sequence() == records[i].sequence);
  CHECK(it.type() == records[i].type);
  CHECK(it.value() == records[i].value);
}

size_t LowerBound(const SstRecords& records, const std::string& key, SequenceNumber sequence) {
  const SstRecord target{key, sequence, RecordType::kValue, ""};
  return static_cast<size_t>(std::lower_bound(records.begin(), records.end(), target, Before) -
                             records.begin());
}

void CheckGet(const TableReader& reader, const SstRecords& records, const std::string& key,
              SequenceNumber sequence) {
  const size_t i = LowerBound(records, key, sequence);
  PinnedValue value;
  const auto lookup = reader.Get(key, sequence, &value, nullptr);
  REQUIRE_MESSAGE(lookup.ok(), lookup.status().ToString());
  REQUIRE(lookup->found == (i < records.size() && records[i].key == key));
  if (!lookup->found) return;
  CHECK(lookup->sequence == records[i].sequence);
  CHECK(lookup->type == records[i].type);
  if (lookup->type == RecordType::kValue) CHECK(value.view() == records[i].value);
}

// A walk of random steps beside the sorted records.
void CheckWalk(const TableReader& reader, const SstRecords& records, Random* random) {
  const auto it = reader.NewIterator(random->OneIn(2));
  size_t at = records.size();
  for (int step = 0; step < 60; ++step) {
    const std::string key =
        random->OneIn(2) ? records[random->Uniform(records.size())].key : RandomKey(random);
    const SequenceNumber sequence = random->OneIn(3) ? kMaxSequence : random->Uniform(1002);
    switch (random->Uniform(at < records.size() ? 12 : 5)) {
      case 0:
        it->SeekToFirst();
        at = 0;
        break;
      case 1:
        it->SeekToLast();
        at = records.size() - 1;
        break;
      case 2:
        it->SeekBefore(key);
        at = LowerBound(records, key, kMaxSequence);
        at = at == 0 ? records.size() : at - 1;
        break;
      case 3:
      case 4:
        it->Seek(key, sequence);
        at = LowerBound(records, key, sequence);
        break;
      case 5:
      case 6:
      case 7:
        it->Prev();
        at = at == 0 ? records.size() : at - 1;
        break;
      default:
        it->Next();
        ++at;
    }
    CheckAt(*it, records, at);
  }
}

}  // namespace

TEST_CASE("an SST file answers like a sorted list, whatever its blocks are like") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const SstRecords records = RandomRecords(&random, 1 + random.Uniform(400));
    MemFileSystem fs;
    REQUIRE(WriteSst(&fs, kPath, kNumber, RandomOptions(&random), {{kTree, records}}).ok());
    const Status verified = VerifySst(&fs, kPath, kNumber);
    REQUIRE_MESSAGE(verified.ok(), verified.ToString());
    BlockCache cache(random.Uniform(3) * 5000);
    const auto reader = MustOpen(&fs, random.OneIn(3) ? nullptr : &cache);

    auto it = reader->NewIterator(true);
    CHECK_FALSE(it->Valid());
    it->SeekToFirst();
    for (size_t i = 0; i <= records.size(); ++i) {
      CheckAt(*it, records, i);
      if (it->Valid()) it->Next();
    }
    it->SeekToLast();
    for (size_t i = records.size(); i-- > 0;) {
      CheckAt(*it, records, i);
      it->Prev();
    }
    CHECK_FALSE(it->Valid());
    for (int i = 0; i < 10; ++i) CheckWalk(*reader, records, &random);
    for (int i = 0; i < 100; ++i) {
      const SequenceNumber sequence = random.OneIn(3) ? kMaxSequence : random.Uniform(1002);
      CheckGet(*reader, records, RandomKey(&random), sequence);
    }
    for (const SstRecord& record : records) {
      CheckGet(*reader, records, record.key, record.sequence);
      CheckGet(*reader, records, record.key, record.sequence - 1);
    }
  }
}

TEST_CASE("many versions of one key that fill many blocks are each found by their sequence") {
  SstRecords records;
  for (SequenceNumber sequence = 500; sequence >= 1; --sequence) {
    records.push_back({"key", sequence * 10, RecordType::kValue, std::to_string(sequence)});
  }
  records.push_back({"key ", 7, RecordType::kValue, "next"});
  for (const size_t block_size : {size_t{1}, size_t{64}, size_t{256}}) {
    CAPTURE(block_size);
    MemFileSystem fs;
    TableBuilderOptions options;
    options.block_size = block_size;
    REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, records}}).ok());
    CHECK(VerifySst(&fs, kPath, kNumber).ok());
    const auto reader = MustOpen(&fs, nullptr);
    for (SequenceNumber sequence = 1; sequence < 5020; ++sequence) {
      CheckGet(*reader, records, "key", sequence);
    }
    CheckGet(*reader, records, "key", kMaxSequence);
    CheckGet(*reader, records, "key ", kMaxSequence);
    CheckGet(*reader, records, "ke", kMaxSequence);
  }
}

TEST_CASE("the same records give the same bytes, whatever the order of their insertion") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const SstRecords records = RandomRecords(&random, 300);
    const TableBuilderOptions options = RandomOptions(&random);
    std::string first;
    for (int round = 0; round < 3; ++round) {
      // A memtable takes units in order of sequence; within a unit the order is free.
      std::vector<std::pair<uint64_t, const SstRecord*>> order;
      for (const SstRecord& record : records) order.emplace_back(random.Next64(), &record);
      std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return std::tuple(a.second->sequence, a.first) < std::tuple(b.second->sequence, b.first);
      });
      MemTable table;
      for (const auto& [place, r] : order) table.Add(r->sequence, r->type, r->key, r->value);
      SstRecords sorted;
      const auto it = table.NewIterator();
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        sorted.push_back(
            {std::string(it->user_key()), it->sequence(), it->type(), std::string(it->value())});
      }
      MemFileSystem fs;
      REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, sorted}}).ok());
      if (round == 0) first = fs.Contents(kPath);
      CHECK(fs.Contents(kPath) == first);
    }
  }
}

TEST_CASE("the bytes of a small SST file are those of its golden file") {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 90;
  options.filter_bits_per_key = 10;
  options.compression = Compression::kNone;
  const SstRecords records = {{"apple", 5, RecordType::kValue, "red"},
                              {"apple", 2, RecordType::kTombstone, ""},
                              {"banana", 3, RecordType::kValue, ""}};
  REQUIRE(WriteSst(&fs, kPath, kNumber, options,
                   {{1, records}, {9, {{"", 4, RecordType::kValue, "v"}}}})
              .ok());
  support::CheckGolden("sst.hex", fs.Contents(kPath),
                       {{3, "tree 1, data block at 0: shares 0, adds 13, value of 3"},
                        {13, "apple, type value, sequence 5"},
                        {3, "red"},
                        {3, "shares 5, adds 8, value of 0"},
                        {8, "(apple), type tombstone, sequence 2"},
                        {8, "restart points: at 0; 1 of them"},
                        {2, "tags"},
                        {8, "2 entries, restart interval 4"},
                        {9, "compression none, checksum"},
                        {3, "data block at 57: shares 0, adds 14, value of 0"},
                        {14, "banana, type value, sequence 3"},
                        {8, "restart points"},
                        {9, "tag, 1 entry, restart interval 4"},
                        {9, "compression, checksum"},
                        {64, "filter block at 100: one line"},
                        {1, "6 probes"},
                        {9, "compression, checksum"},
                        {14, "properties block at 174: data_blocks"},
                        {10, "entries"},
                        {19, "largest_key"},
                        {19, "largest_sequence"},
                        {16, "raw_key_bytes"},
                        {18, "raw_value_bytes"},
                        {19, "smallest_key"},
                        {20, "smallest_sequence"},
                        {13, "tombstones"},
                        {9, "compression, checksum"},
                        {3, "index block at 331: shares 0, adds 9, value of 2"},
                        {9, "b, type value, greatest sequence: parts apple from banana"},
                        {2, "data block at 0, 48 bytes"},
                        {3, "shares 0, adds 14, value of 2"},
                        {14, "banana, type value, sequence 3"},
                        {2, "data block at 57, 34 bytes"},
                        {12, "restart points: at 0, at 14; 2 of them"},
                        {9, "compression, checksum"},
                        {3, "tree 9, data block at 385: shares 0, adds 8, value of 1"},
                        {8, "empty key, type value, sequence 4"},
                        {1, "v"},
                        {8, "restart points"},
                        {9, "tag, 1 entry, restart interval 4"},
                        {9, "compression, checksum"},
                        {74, "filter block at 423"},
                        {146, "properties block at 497"},
                        {31, "index block at 643"},
                        {10, "slice directory at 674: tree 1, handles"},
                        {11, "tree 9, handles"},
                        {9, "compression, checksum"},
                        {8, "footer: slice directory offset"},
                        {8, "slice directory size"},
                        {8, "file number"},
                        {4, "slices"},
                        {4, "format version"},
                        {8, "VARVESST"},
                        {8, "checksum"}});
}

TEST_CASE("what was written is summed up for the manifest and in the properties") {
  MemFileSystem fs;
  std::vector<SliceSummary> slices;
  TableBuilderOptions options;
  options.block_size = 1;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options,
                   {{1, {}},
                    {kTree,
                     {{"a", 9, RecordType::kValue, "12345"},
                      {"a", 4, RecordType::kTombstone, ""},
                      {"mmm", 6, RecordType::kValue, ""}}},
                    {5, {{"x", 1, RecordType::kTombstone, ""}}}},
                   &slices)
              .ok());
  REQUIRE(slices.size() == 2);
  CHECK(slices[0].tree == kTree);
  CHECK(slices[0].entries == 3);
  CHECK(slices[0].tombstones == 1);
  CHECK(slices[0].smallest_sequence == 4);
  CHECK(slices[0].largest_sequence == 9);
  CHECK(slices[0].smallest_key == "a");
  CHECK(slices[0].largest_key == "mmm");
  CHECK(slices[1].tree == 5);
  CHECK(slices[1].entries == 1);

  const auto properties = MustOpen(&fs, nullptr)->ReadProperties();
  REQUIRE(properties.ok());
  const SstProperties expected{3, 1, 3, 5, 5, 4, 9, "a", "mmm"};
  CHECK(*properties == expected);
}

TEST_CASE("slices of several trees in one file do not see each other") {
  MemFileSystem fs;
  std::map<TreeId, SstRecords> trees;
  for (TreeId tree = 0; tree < 30; tree += 3) {
    trees[tree] = Numbered(50, "of tree " + std::to_string(tree) + " ");
  }
  TableBuilderOptions options;
  options.block_size = 200;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, trees).ok());
  CHECK(VerifySst(&fs, kPath, kNumber).ok());
  for (const auto& [tree, records] : trees) {
    const auto read = ReadSst(&fs, kPath, kNumber, tree);
    REQUIRE(read.ok());
    CHECK(*read == records);
    const auto absent = TableReader::Open(&fs, kPath, kNumber, tree + 1, nullptr);
    CHECK(absent.status().IsNotFound());
  }
}

TEST_CASE("a file without records is a file without slices, which is no SST file") {
  MemFileSystem fs;
  REQUIRE(WriteSst(&fs, kPath, kNumber, {}, {{kTree, {}}}).ok());
  CHECK(VerifySst(&fs, kPath, kNumber).IsCorruption());
  CHECK(TableReader::Open(&fs, kPath, kNumber, kTree, nullptr).status().IsNotFound());
}

TEST_CASE("a point read reads one data block, and none where the filter says no") {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 512;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, Numbered(2000, "value")}}).ok());
  const auto reader = MustOpen(&fs, nullptr);
  CHECK(reader->blocks_read() == 0);
  for (const char* key : {"key000000", "key000777", "key001999"}) {
    const uint64_t before = reader->blocks_read();
    PinnedValue value;
    bool filtered = true;
    REQUIRE(reader->Get(key, kMaxSequence, &value, &filtered).ok());
    CHECK_FALSE(filtered);
    CHECK(reader->blocks_read() == before + 1);
  }
  int passed = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t before = reader->blocks_read();
    PinnedValue value;
    bool filtered = false;
    const auto lookup =
        reader->Get("key000777x" + std::to_string(i), kMaxSequence, &value, &filtered);
    REQUIRE(lookup.ok());
    CHECK_FALSE(lookup->found);
    CHECK(reader->blocks_read() == before + (filtered ? 0 : 1));
    passed += filtered ? 0 : 1;
  }
  CHECK(passed < 40);
}

TEST_CASE("an iterator holds no data block before it is positioned, and at most one ever") {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 100;
  const SstRecords records = Numbered(300, "value");
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, records}}).ok());
  BlockCache cache(1 << 20);
  const auto reader = MustOpen(&fs, &cache);

  // Where the data blocks are, to ask the cache who holds them: the cache itself, the pointer that
  // asks, and nobody else unless the iterator does.
  const auto file = TableFile::Open(&fs, kPath, kNumber);
  REQUIRE(file.ok());
  const auto index = BlockIndex::Read(**file, (*file)->slices()[0].index);
  REQUIRE(index.ok());
  std::vector<uint64_t> offsets;
  for (size_t i = 0; i < index->size(); ++i) offsets.push_back(index->handle(i).offset);
  REQUIRE(offsets.size() > 50);
  const auto held = [&] {
    int blocks = 0;
    for (const uint64_t offset : offsets) {
      const auto block = cache.Lookup(kNumber, offset);
      blocks += block != nullptr && block.use_count() > 2;
    }
    return blocks;
  };

  const auto it = reader->NewIterator(true);
  CHECK(reader->blocks_read() == 0);
  it->Seek(records[150].key, kMaxSequence);
  CHECK(reader->blocks_read() == 1);
  CHECK(held() == 1);
  it->SeekBefore(records[150].key);
  CHECK(held() == 1);
  for (it->SeekToFirst(); it->Valid(); it->Next()) REQUIRE(held() == 1);
  CHECK(held() == 0);
  for (it->SeekToLast(); it->Valid(); it->Prev()) REQUIRE(held() == 1);
  CHECK(held() == 0);
  CHECK(reader->blocks_read() == offsets.size());
}

TEST_CASE("a walk that should not fill the cache leaves it as it was") {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 100;
  const SstRecords records = Numbered(300, "value");
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, records}}).ok());
  BlockCache cache(1 << 20);
  const auto reader = MustOpen(&fs, &cache);
  const auto it = reader->NewIterator(/*fill_cache=*/false);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  CHECK(cache.usage_bytes() == 0);
  const uint64_t blocks = reader->blocks_read();

  // What is cached already is used.
  const auto filling = reader->NewIterator(/*fill_cache=*/true);
  for (filling->SeekToFirst(); filling->Valid(); filling->Next()) {
  }
  CHECK(cache.usage_bytes() > 0);
  CHECK(reader->blocks_read() == 2 * blocks);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  CHECK(reader->blocks_read() == 2 * blocks);
}

TEST_CASE("a pinned value outlives the cache's interest in its block") {
  MemFileSystem fs;
  REQUIRE(WriteSst(&fs, kPath, kNumber, {}, {{kTree, Numbered(10, "value")}}).ok());
  BlockCache cache(1 << 20);
  const auto reader = MustOpen(&fs, &cache);
  PinnedValue value;
  REQUIRE(reader->Get("key000004", kMaxSequence, &value, nullptr).ok());
  cache.SetCapacity(0);
  CHECK_FALSE(cache.Shrink(10));
  CHECK(cache.usage_bytes() == 0);
  CHECK(value.view() == "value4");
}

TEST_CASE("a block is compressed if that saves an eighth, and only then") {
  Random random(1);
  std::string noise;
  for (int i = 0; i < 4000; ++i) noise += static_cast<char>(random.Next32());
  const auto size_of = [](Compression compression, const std::string& value) {
    MemFileSystem fs;
    TableBuilderOptions options;
    options.compression = compression;
    const SstRecords records = {{"k", 1, RecordType::kValue, value}};
    REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, records}}).ok());
    const auto read = ReadSst(&fs, kPath, kNumber, kTree);
    REQUIRE(read.ok());
    CHECK(*read == records);
    return fs.Contents(kPath).size();
  };
  const size_t plain = size_of(Compression::kNone, noise);
  CHECK(size_of(Compression::kLz4, noise) == plain);
  CHECK(size_of(Compression::kZstd, noise) == plain);
  // A twentieth of zeros saves too little, a half enough.
  const std::string nearly = noise.substr(0, 3800) + std::string(200, '\0');
  CHECK(size_of(Compression::kLz4, nearly) == plain);
  const std::string half = noise.substr(0, 2000) + std::string(2000, '\0');
  CHECK(size_of(Compression::kLz4, half) < plain - 1800);
  CHECK(size_of(Compression::kZstd, half) < plain - 1800);
}

TEST_CASE("a record larger than a block gets a block of its own") {
  for (const Compression compression :
       {Compression::kNone, Compression::kLz4, Compression::kZstd}) {
    MemFileSystem fs;
    TableBuilderOptions options;
    options.compression = compression;
    SstRecords records = Numbered(3, "small");
    records[1].value = std::string(size_t{20} << 20, 'x');
    REQUIRE(WriteSst(&fs, kPath, kNumber, options, {{kTree, records}}).ok());
    CHECK(VerifySst(&fs, kPath, kNumber).ok());
    BlockCache cache(1 << 20);
    const auto reader = MustOpen(&fs, &cache);
    CHECK(reader->ReadProperties()->data_blocks == 3);
    for (const SstRecord& record : records) CheckGet(*reader, records, record.key, kMaxSequence);
    CHECK(cache.usage_bytes() < 2000);
  }
}

TEST_CASE("records beyond the limits are refused, and the refusal stays") {
  MemFileSystem fs;
  auto file = fs.Create(kPath, true);
  REQUIRE(file.ok());
  TableBuilder builder({}, std::move(*file), kNumber);
  builder.BeginSlice(kTree);
  // Never read, so never touched: only its length counts.
  const std::unique_ptr<char[]> huge(new char[kMaxValueSize + 1]);
  CHECK(
      builder.Add("k", 1, RecordType::kValue, {huge.get(), kMaxValueSize + 1}).IsInvalidArgument());
  CHECK(builder.Add("l", 1, RecordType::kValue, "v").IsInvalidArgument());
  CHECK(builder.EndSlice().IsInvalidArgument());
  CHECK(builder.Finish().IsInvalidArgument());
}

TEST_CASE("records out of order, as a damaged input may have them, are corruption") {
  for (const auto& [key, sequence] :
       {std::pair<std::string, SequenceNumber>{"a", 9}, {"k", 5}, {"k", 6}}) {
    MemFileSystem fs;
    auto file = fs.Create(kPath, true);
    REQUIRE(file.ok());
    TableBuilder builder({}, std::move(*file), kNumber);
    builder.BeginSlice(kTree);
    REQUIRE(builder.Add("k", 5, RecordType::kValue, "v").ok());
    CHECK(builder.Add(key, sequence, RecordType::kValue, "v").IsCorruption());
    CHECK(builder.Add("z", 1, RecordType::kValue, "v").IsCorruption());
    CHECK(builder.EndSlice().IsCorruption());
    CHECK(builder.Finish().IsCorruption());
  }
}

}  // namespace lsm
