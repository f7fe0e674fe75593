// SPDX-License-Identifier: BSD-3-Clause
// What becomes of SST files that were damaged, of readers and builders whose file system fails,
// and of files that are wrong although their checksums are right.

#include <doctest/doctest.h>

#include <algorithm>

#include "lsm/format/table_format.h"
#include "lsm/random.h"
#include "lsm/sst/table_reader.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/sst_files.h"

namespace lsm {
namespace {

constexpr uint64_t kNumber = 7;
const std::string kPath = "000007.sst";
constexpr TreeId kTree = 3;

const std::map<TreeId, SstRecords>& SmallTrees() {
  static const std::map<TreeId, SstRecords> trees = {
      {kTree,
       {{"", 12, RecordType::kValue, "empty key"},
        {"apple", 9, RecordType::kValue, std::string(60, 'r')},
        {"apple", 5, RecordType::kTombstone, ""},
        {"apple", 4, RecordType::kValue, "green"},
        {"banana", 7, RecordType::kValue, ""},
        {"cherry", 2, RecordType::kValue, "dark"}}},
      {4, {{"other", 3, RecordType::kValue, "tree"}}}};
  return trees;
}

std::string SmallFile(Compression compression) {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 100;
  options.compression = compression;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, SmallTrees()).ok());
  REQUIRE(VerifySst(&fs, kPath, kNumber).ok());
  return fs.Contents(kPath);
}

bool NamesFileAndOffset(const Status& status) {
  return status.IsCorruption() && status.message().starts_with(kPath + ": ") &&
         status.message().find(" at offset ") != std::string_view::npos;
}

// Empty if every answer of the file is right or says that the file is damaged.
std::string WrongAnswer(FileSystem* fs) {
  for (const auto& [tree, records] : SmallTrees()) {
    const auto reader = TableReader::Open(fs, kPath, kNumber, tree, nullptr);
    if (!reader.ok()) {
      if (!NamesFileAndOffset(reader.status())) return "open: " + reader.status().ToString();
      continue;
    }
    for (const SstRecord& record : records) {
      PinnedValue value;
      const auto got = (*reader)->Get(record.key, record.sequence, &value, nullptr);
      if (got.ok() && (!got->found || got->sequence != record.sequence ||
                       got->type != record.type || value.view() != record.value)) {
        return "a wrong answer for " + record.key;
      }
      if (!got.ok() && !NamesFileAndOffset(got.status())) return got.status().ToString();
    }
    const auto it = (*reader)->NewIterator(false);
    size_t i = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++i) {
      if (i == records.size() || it->user_key() != records[i].key ||
          it->value() != records[i].value) {
        return "a wrong walk";
      }
    }
    if (it->status().ok() && i != records.size()) return "a walk that ends early";
    if (!it->status().ok() && !NamesFileAndOffset(it->status())) return it->status().ToString();
  }
  return "";
}

// Fails the nth call of a kind and all that follow.
class FailFrom : public FileInterceptor {
 public:
  FailFrom(FileCall call, int n) : call_(call), left_(n) {}
  FileVerdict Before(const FileCallInfo& info) override {
    if (info.call != call_ || left_-- > 0) return FileVerdict::Proceed();
    return FileVerdict::Fail(Status::IoError("refused by the test"));
  }

 private:
  const FileCall call_;
  int left_;
};

void PutLast64(std::string* bytes, size_t from_end, uint64_t value) {
  EncodeFixed64(bytes->data() + bytes->size() - from_end, value);
}

SstSlice FirstSlice(const std::string& bytes) {
  SstFooter footer;
  const uint64_t offset = bytes.size() - kSstFooterSize;
  REQUIRE(DecodeSstFooter(std::string_view(bytes).substr(offset), kNumber, offset, &footer) ==
          nullptr);
  std::vector<SstSlice> slices;
  const std::string_view directory =
      std::string_view(bytes).substr(footer.directory.offset, footer.directory.size);
  REQUIRE(DecodeSstDirectory(directory, footer.slices, footer.directory.offset, &slices) ==
          nullptr);
  return slices[0];
}

}  // namespace

TEST_CASE("every flipped byte of an SST file is found, and no answer is wrong meanwhile") {
  for (const Compression compression : {Compression::kNone, Compression::kLz4}) {
    const std::string good = SmallFile(compression);
    for (size_t at = 0; at < good.size(); ++at) {
      for (const int mask : {0x01, 0x80, 0xff}) {
        CAPTURE(at);
        CAPTURE(mask);
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ mask);
        MemFileSystem fs;
        fs.SetContents(kPath, bad);
        const Status verified = VerifySst(&fs, kPath, kNumber);
        CHECK_MESSAGE(NamesFileAndOffset(verified), verified.ToString());
        const std::string wrong = WrongAnswer(&fs);
        CHECK_MESSAGE(wrong.empty(), wrong);
      }
    }
  }
}

TEST_CASE("an SST file cut at any length, or grown, does not open") {
  const std::string good = SmallFile(Compression::kLz4);
  for (size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    MemFileSystem fs;
    fs.SetContents(kPath, good.substr(0, length));
    const auto reader = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr);
    REQUIRE_FALSE(reader.ok());
    CHECK_MESSAGE(NamesFileAndOffset(reader.status()), reader.status().ToString());
  }
  MemFileSystem fs;
  fs.SetContents(kPath, good + "x");
  CHECK(NamesFileAndOffset(TableReader::Open(&fs, kPath, kNumber, kTree, nullptr).status()));
  fs.SetContents(kPath, "x" + good);
  CHECK(NamesFileAndOffset(TableReader::Open(&fs, kPath, kNumber, kTree, nullptr).status()));
}

TEST_CASE("a file under the number of another, and a missing one, are refused") {
  MemFileSystem fs;
  fs.SetContents(kPath, SmallFile(Compression::kNone));
  const auto other = TableReader::Open(&fs, kPath, kNumber + 1, kTree, nullptr);
  CHECK(NamesFileAndOffset(other.status()));
  const auto missing = TableReader::Open(&fs, "000008.sst", 8, kTree, nullptr);
  CHECK_FALSE(missing.ok());
  CHECK_FALSE(missing.status().IsCorruption());
}

TEST_CASE("blocks that stand in each other's place are found") {
  // Values of one size, so that both files have the same shape.
  const auto make = [](uint64_t number, char value) {
    MemFileSystem fs;
    TableBuilderOptions options;
    options.block_size = 1;
    const SstRecords records = {{"a", 2, RecordType::kValue, std::string(30, value)},
                                {"b", 1, RecordType::kValue, std::string(30, value)}};
    REQUIRE(WriteSst(&fs, kPath, number, options, {{kTree, records}}).ok());
    return fs.Contents(kPath);
  };
  const std::string good = make(kNumber, 'x');
  const std::string stale = make(kNumber - 1, 'y');
  const size_t block = FirstSlice(good).filter.offset / 2;
  PinnedValue value;
  for (const std::string& first : {good.substr(block, block), stale.substr(0, block)}) {
    MemFileSystem fs;
    fs.SetContents(kPath, first + good.substr(block));
    const auto reader = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr);
    REQUIRE(reader.ok());
    const auto got = (*reader)->Get("a", kMaxSequence, &value, nullptr);
    CHECK(NamesFileAndOffset(got.status()));
    CHECK((*reader)->Get("b", kMaxSequence, &value, nullptr)->found);
  }
}

TEST_CASE("an iterator that met an error stays invalid and keeps telling it") {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 64;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, SmallTrees()).ok());
  const auto reader = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr);
  REQUIRE(reader.ok());
  fs.Damage(kPath, 3, 0xff);  // in the first data block
  const auto it = (*reader)->NewIterator(true);
  it->SeekToLast();
  CHECK(it->Valid());
  while (it->Valid()) it->Prev();
  CHECK(NamesFileAndOffset(it->status()));
  it->SeekToLast();
  CHECK_FALSE(it->Valid());
  it->Seek("cherry", kMaxSequence);
  CHECK_FALSE(it->Valid());
  it->SeekBefore("cherry");
  CHECK_FALSE(it->Valid());
  it->SeekToFirst();
  CHECK_FALSE(it->Valid());
  CHECK(NamesFileAndOffset(it->status()));
}

TEST_CASE("a failing file system fails the build, whichever call it refuses") {
  TableBuilderOptions options;
  options.compression = Compression::kNone;
  SstRecords records;
  for (int i = 100; i < 200; ++i) {
    records.push_back({"key" + std::to_string(i), 1, RecordType::kValue, std::string(20000, 'v')});
  }
  for (const FileCall call :
       {FileCall::kCreate, FileCall::kWrite, FileCall::kSync, FileCall::kClose}) {
    for (int n = 0; n < (call == FileCall::kWrite ? 8 : 1); ++n) {
      CAPTURE(n);
      MemFileSystem fs;
      FailFrom fail(call, n);
      fs.SetInterceptor(&fail);
      const Status status = WriteSst(&fs, kPath, kNumber, options, {{kTree, records}});
      CHECK_MESSAGE(status.IsIoError(), ToString(call));
    }
  }
}

TEST_CASE("a failing read is the file system's error, not corruption, and passes with it") {
  MemFileSystem fs;
  TableBuilderOptions options;
  options.block_size = 64;
  REQUIRE(WriteSst(&fs, kPath, kNumber, options, SmallTrees()).ok());
  for (int n = 0; n < 4; ++n) {
    FailFrom fail(FileCall::kRead, n);
    fs.SetInterceptor(&fail);
    const auto reader = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr);
    CHECK(reader.status().IsIoError());
  }
  fs.SetInterceptor(nullptr);
  const auto reader = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr);
  REQUIRE(reader.ok());
  FailFrom fail(FileCall::kRead, 0);
  fs.SetInterceptor(&fail);
  PinnedValue value;
  CHECK((*reader)->Get("apple", kMaxSequence, &value, nullptr).status().IsIoError());
  const auto it = (*reader)->NewIterator(true);
  it->SeekToFirst();
  CHECK(it->status().IsIoError());
  fs.SetInterceptor(nullptr);
  CHECK((*reader)->Get("apple", kMaxSequence, &value, nullptr)->found);
}

TEST_CASE("a file of an unknown version or with a foreign magic is refused as such") {
  const std::string good = SmallFile(Compression::kNone);
  MemFileSystem fs;
  std::string bad = good;
  bad[bad.size() - kSstFooterSize + 28] = static_cast<char>(kSstFormatVersion + 1);
  ResealSst(kNumber, &bad);
  fs.SetContents(kPath, bad);
  const auto versioned = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr);
  CHECK(versioned.status().message() == kPath + ": footer at offset " +
                                            std::to_string(good.size() - kSstFooterSize) +
                                            ": unknown format version");
  bad = good;
  bad[bad.size() - kSstFooterSize + 32] = 'W';
  ResealSst(kNumber, &bad);
  fs.SetContents(kPath, bad);
  CHECK(NamesFileAndOffset(TableReader::Open(&fs, kPath, kNumber, kTree, nullptr).status()));
}

TEST_CASE("a footer that points out of the file is refused although its checksum is right") {
  const std::string good = SmallFile(Compression::kNone);
  for (const uint64_t wrong : {uint64_t{0}, uint64_t{good.size()}, UINT64_MAX, UINT64_MAX - 56}) {
    for (const size_t field : {size_t{48}, size_t{40}}) {  // offset and size of the directory
      CAPTURE(wrong);
      std::string bad = good;
      PutLast64(&bad, field, wrong);
      ResealSst(kNumber, &bad);
      MemFileSystem fs;
      fs.SetContents(kPath, bad);
      const Status status = TableReader::Open(&fs, kPath, kNumber, kTree, nullptr).status();
      CHECK_MESSAGE(NamesFileAndOffset(status), status.ToString());
    }
  }
}

TEST_CASE("files that are wrong behind right checksums fail verification") {
  const std::string good = SmallFile(Compression::kNone);
  const SstSlice slice = FirstSlice(good);
  const auto fails_with = [&](size_t at, char byte, std::string_view why) {
    CAPTURE(at);
    std::string bad = good;
    REQUIRE(bad[at] != byte);
    bad[at] = byte;
    ResealSst(kNumber, &bad);
    MemFileSystem fs;
    fs.SetContents(kPath, bad);
    const Status status = VerifySst(&fs, kPath, kNumber);
    CHECK_MESSAGE(NamesFileAndOffset(status), status.ToString());
    CHECK_MESSAGE(status.message().find(why) != std::string_view::npos, status.ToString());
    const std::string fault = ExerciseSst(&fs, kPath, kNumber);
    CHECK_MESSAGE(fault.empty(), fault);
  };
  // A filter without a bit denies at least the keys that set it.
  for (size_t at = slice.filter.offset; at < slice.filter.offset + 64; ++at) {
    if (good[at] != 0) fails_with(at, 0, "filter");
  }
  fails_with(slice.filter.offset + 64, 0, "number of probes");
  // The first record is the empty key's: three lengths, then sequence 12 and type.
  fails_with(3, 1, "differ from the records");  // a tombstone in place of a value
  fails_with(3, 2, "malformed internal key");
  fails_with(4, 13, "differ from the records");
  // Its 20 bytes are followed by one restart point, the number of them, a tag, the number of
  // entries and the restart interval.
  fails_with(28, static_cast<char>(good[28] + 1), "a tag is not that of its key");
  fails_with(29, 2, "impossible number");
  // The first block's index key is its only record's: three lengths, then type and sequence.
  fails_with(slice.index.offset + 4, 13, "does not part its data block");
  // The index ends with the restart points, all of its entries, and the number of them.
  const size_t count_at = slice.index.offset + slice.index.size - 4;
  const size_t second = count_at - 4 * DecodeFixed32(good.data() + count_at) + 4;
  fails_with(second, static_cast<char>(good[second] + 1), "an entry is no restart point");
  // The first property is data_blocks.
  const size_t count = good.find("data_blocks", slice.properties.offset) + 12;
  fails_with(count, 9, "differ from the records");
  fails_with(count, -1, "malformed value");
}

TEST_CASE("an index whose entries share bytes or are out of order is refused when it is opened") {
  const std::string good = SmallFile(Compression::kNone);
  const SstSlice slice = FirstSlice(good);
  const size_t count_at = slice.index.offset + slice.index.size - 4;
  const uint32_t entries = DecodeFixed32(good.data() + count_at);
  REQUIRE(entries > 2);
  for (uint32_t i = 1; i < entries; ++i) {
    CAPTURE(i);
    const uint32_t entry = DecodeFixed32(good.data() + count_at - 4 * (entries - i));
    std::string bad = good;
    char& shared = bad[slice.index.offset + entry];
    REQUIRE(shared == 0);
    shared = 1;
    ResealSst(kNumber, &bad);
    MemFileSystem fs;
    fs.SetContents(kPath, bad);
    const Status status = TableReader::Open(&fs, kPath, kNumber, slice.tree, nullptr).status();
    CHECK(status.IsCorruption());
    CHECK_MESSAGE(NamesFileAndOffset(status), status.ToString());
  }
}

TEST_CASE("no damage behind right checksums makes a reader crash, hang or contradict itself") {
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    static const std::string files[] = {SmallFile(Compression::kNone), SmallFile(Compression::kLz4),
                                        SmallFile(Compression::kZstd)};
    std::string bytes = files[random.Uniform(3)];
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      bytes[random.Uniform(bytes.size())] = static_cast<char>(random.Next32());
    }
    ResealSst(kNumber, &bytes);
    MemFileSystem fs;
    fs.SetContents(kPath, bytes);
    const std::string fault = ExerciseSst(&fs, kPath, kNumber);
    CHECK_MESSAGE(fault.empty(), fault);
  }
}

TEST_CASE("a dump shows every record of every slice") {
  MemFileSystem fs;
  fs.SetContents(kPath, SmallFile(Compression::kNone));
  std::string text;
  const Status dumped = DumpSst(&fs, kPath, kNumber, [&](std::string_view line) {
    text += line;
    text += '\n';
  });
  REQUIRE(dumped.ok());
  for (const char* part :
       {"sst file=7 ", "slices=2", "slice tree=3 ", "slice tree=4 ",
        "\"\" @12 value \"empty key\"\n", "\"apple\" @5 tombstone\n",
        "\"apple\" @4 value \"green\"\n", "\"banana\" @7 value \"\"\n",
        "\"other\" @3 value \"tree\"\n", "entries=6 tombstones=1", "sequences=2..12"}) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, part);
  }
}

}  // namespace lsm
