// SPDX-License-Identifier: BSD-3-Clause
// A crash's tail and corruption, told apart (FORMAT.md, "Recovery").
#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "lsm/wal/log_salvage.h"
#include "tests/lsm/log_test_util.h"

namespace lsm {
namespace {

std::string Path(uint64_t segment) { return WalFileName(kLogDirectory, segment); }

// Units "0", "1", ...
std::vector<std::string> Numbered(size_t count) {
  std::vector<std::string> units;
  for (size_t i = 0; i < count; ++i) units.push_back(std::to_string(i));
  return units;
}

void AppendNumbered(LogMaker* log, size_t count) {
  for (const std::string& unit : Numbered(count)) log->Append({unit});
}

void Overwrite(MemFileSystem* fs, uint64_t segment, uint64_t begin, uint64_t end, char with) {
  std::string bytes = fs->Contents(Path(segment));
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin),
            bytes.begin() + static_cast<ptrdiff_t>(end), with);
  fs->SetContents(Path(segment), bytes);
}

bool IsPrefix(const std::vector<std::string>& prefix, const std::vector<std::string>& of) {
  return prefix.size() <= of.size() && std::equal(prefix.begin(), prefix.end(), of.begin());
}

// Whether the status is a corruption that names this file and an offset.
bool NamesFile(const Status& status, uint64_t segment) {
  const std::string name = WalFileName("", segment).substr(1) + ": offset ";
  return status.IsCorruption() && status.ToString().find(name) != std::string::npos;
}

}  // namespace

TEST_CASE("a torn tail is cut, and what is before it is replayed") {
  MemFileSystem fs;
  LogMaker log(&fs, 8192);
  AppendNumbered(&log, 10);
  const LogMaker::Place last = log.groups().back();
  for (uint64_t at = last.begin; at < last.end; ++at) {
    CAPTURE(at);
    fs.Damage(Path(1), at, 0x10);
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == Numbered(9));
    CHECK(replayed.recovery.end.last_sequence == 9);
    fs.Damage(Path(1), at, 0x10);
  }
  Overwrite(&fs, 1, last.end - 16, last.end, 0);
  const Replayed replayed = Replay(&fs, log.Input());
  REQUIRE(replayed.status.ok());
  CHECK(replayed.recovery.tail_cut);
  CHECK(replayed.recovery.tail_description.find("000001.wal: offset " +
                                                std::to_string(last.begin)) == 0);
  CHECK(replayed.recovery.dead_segments.empty());
}

TEST_CASE("a lost record in the middle of the log is corruption") {
  MemFileSystem fs;
  LogMaker log(&fs, 8192);
  AppendNumbered(&log, 5);
  log.Sync();
  AppendNumbered(&log, 5);
  const LogMaker::Place lost = log.groups()[2];
  Overwrite(&fs, 1, lost.begin, lost.end, 0);
  const Replayed replayed = Replay(&fs, log.Input());
  CHECK(NamesFile(replayed.status, 1));
  CHECK(replayed.status.ToString().find("offset " + std::to_string(lost.begin)) !=
        std::string::npos);
  CHECK(replayed.units == Numbered(2));
}

TEST_CASE("a hole above what was synced is a crash's tail, also with whole groups behind it") {
  // The disk wrote the later groups and not the earlier one before the power went.
  MemFileSystem fs;
  LogMaker log(&fs, 8192);
  AppendNumbered(&log, 5);
  log.Sync();
  AppendNumbered(&log, 5);
  const LogMaker::Place lost = log.groups()[6];
  Overwrite(&fs, 1, lost.begin, lost.end, 0);
  const Replayed replayed = Replay(&fs, log.Input());
  REQUIRE(replayed.status.ok());
  CHECK(replayed.units.size() == 6);
  CHECK(replayed.recovery.tail_cut);
  CHECK(replayed.recovery.largest_synced_through == 5);
  CHECK(replayed.recovery.tail_description.find("; 3 groups behind it") != std::string::npos);
}

TEST_CASE("a mark of the manifest above the log's end is corruption") {
  MemFileSystem fs;
  LogMaker log(&fs, 8192);
  AppendNumbered(&log, 5);
  LogRecoveryInput input = log.Input();
  input.mark = 5;
  CHECK(Replay(&fs, input).status.ok());
  Overwrite(&fs, 1, log.groups()[4].begin, log.groups()[4].end, 0);
  const Replayed replayed = Replay(&fs, input);
  CHECK(NamesFile(replayed.status, 1));
  CHECK(replayed.status.ToString().find("the manifest proves") != std::string::npos);
}

TEST_CASE("an older segment cut between two groups is found") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  AppendNumbered(&log, 30);
  REQUIRE(log.segments().size() >= 3);
  const LogMaker::Place cut = log.groups()[4];
  REQUIRE(cut.segment == 1);
  fs.SetContents(Path(1), fs.Contents(Path(1)).substr(0, cut.begin));
  SUBCASE("as corruption, when a later group knows that it was on disk") {
    log.SetSyncedThrough(20);
    log.Append({"30"});
    const Replayed replayed = Replay(&fs, log.Input());
    CHECK(NamesFile(replayed.status, 1));
    CHECK(replayed.units == Numbered(4));
  }
  SUBCASE("as a tail, when nothing says that it was on disk") {
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == Numbered(4));
    CHECK(replayed.recovery.tail_cut);
    std::vector<uint64_t> behind = log.segments();
    behind.erase(behind.begin());
    CHECK(replayed.recovery.dead_segments == behind);
  }
}

TEST_CASE("a missing segment is corruption") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  AppendNumbered(&log, 30);
  REQUIRE(log.segments().size() >= 3);
  for (const uint64_t segment : log.segments()) {
    CAPTURE(segment);
    const std::string bytes = fs.Contents(Path(segment));
    fs.Delete(Path(segment));
    CHECK(NamesFile(Replay(&fs, log.Input()).status, segment));
    fs.SetContents(Path(segment), bytes);
  }
  CHECK(Replay(&fs, log.Input()).status.ok());
}

TEST_CASE("a segment that the manifest does not name and that goes on with the log is corruption") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  AppendNumbered(&log, 30);
  LogRecoveryInput input = log.Input();
  const uint64_t newest = input.segments.back();
  input.segments.pop_back();
  input.unnamed = {newest};
  CHECK(NamesFile(Replay(&fs, input).status, newest));
  // One that was prepared and never written to is nothing; nor is one that is older.
  log.Switch("");
  input = log.Input();
  input.unnamed = {input.segments.back(), input.segments.front()};
  input.start = log.position_at_begin_of(2);
  input.segments.erase(input.segments.begin());
  input.segments.pop_back();
  CHECK(Replay(&fs, input).status.ok());
}

TEST_CASE("a newest segment whose header never reached the disk is a tail") {
  for (const std::string& bytes :
       {std::string(), std::string(20, '\0'), std::string(4096, '\0'), std::string(4096, 'g')}) {
    CAPTURE(bytes.size());
    MemFileSystem fs;
    LogMaker log(&fs, 4096);
    AppendNumbered(&log, 5);
    log.Switch("");
    fs.SetContents(Path(2), bytes);
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == Numbered(5));
    CHECK(replayed.recovery.dead_segments == std::vector<uint64_t>{2});
  }
}

TEST_CASE("a damaged header is corruption once a group was written behind it") {
  for (const uint64_t segment : {1u, 2u, 3u}) {
    CAPTURE(segment);
    MemFileSystem fs;
    LogMaker log(&fs, 4096);
    for (int i = 0; i < 3; ++i) {
      if (i > 0) log.Switch("");
      log.Append({std::to_string(i)});
    }
    for (uint64_t at = 0; at < 32; ++at) {
      fs.Damage(Path(segment), at, 0x04);
      CHECK(NamesFile(Replay(&fs, log.Input()).status, segment));
      fs.Damage(Path(segment), at, 0x04);
    }
  }
}

TEST_CASE("a damaged header of a segment without groups is corruption if a later one has some") {
  MemFileSystem fs;
  LogMaker log(&fs, 4096);
  log.Append({"0"});
  log.Switch("");
  log.Switch("");
  log.Append({"1"});
  CHECK(Replay(&fs, log.Input()).units == Numbered(2));
  fs.Damage(Path(2), 9, 1);
  CHECK(NamesFile(Replay(&fs, log.Input()).status, 2));
}

TEST_CASE("a segment of a later format version is refused by that name") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  log.Append({"0"});
  std::string bytes = fs.Contents(Path(1));
  EncodeFixed32(bytes.data() + 8, 2);
  EncodeFixed64(bytes.data() + 24, Checksum(std::string_view(bytes).substr(0, 24), 0, 0));
  fs.SetContents(Path(1), bytes);
  const Status status = Replay(&fs, log.Input()).status;
  CHECK(status.IsInvalidArgument());
  CHECK(status.ToString().find("000001.wal: offset 0: format version 2") != std::string::npos);
}

TEST_CASE("a segment under the name of another is corruption") {
  MemFileSystem fs;
  LogMaker log(&fs, 4096);
  log.Append({"0"});
  log.Switch("");
  log.Append({"1"});
  fs.SetContents(Path(2), fs.Contents(Path(1)));
  log.SetSyncedThrough(2);
  LogRecoveryInput input = log.Input();
  input.mark = 2;
  CHECK(NamesFile(Replay(&fs, input).status, 2));
}

TEST_CASE("writing goes on behind a cut tail, which stays cut") {
  MemFileSystem fs;
  LogMaker log(&fs, 4096);
  AppendNumbered(&log, 10);
  fs.Damage(Path(1), log.groups()[6].begin + 70, 1);
  const Replayed cut = Replay(&fs, log.Input());
  REQUIRE(cut.status.ok());
  REQUIRE(cut.units == Numbered(6));
  // Groups 7 to 9 still stand behind the damaged one.
  LogPosition position = cut.recovery.end;
  auto writer = LogWriter::Prepare(&fs, kLogDirectory, 2, 4096, "");
  REQUIRE(writer.ok());
  std::string payload;
  LogWriter::FrameUnit(&payload, 1, "new");
  REQUIRE((*writer)->AddGroup({payload, 7, 1, false, false, 6}, &position).ok());
  LogRecoveryInput input = log.Input();
  input.segments = {1, 2};
  std::vector<std::string> expected = Numbered(6);
  expected.push_back("new");
  const Replayed replayed = Replay(&fs, input);
  REQUIRE(replayed.status.ok());
  CHECK(replayed.units == expected);
  CHECK_FALSE(replayed.recovery.tail_cut);
  // The new group is lost as well: the log ends where it was cut before.
  fs.Damage(Path(2), 40, 1);
  const Replayed again = Replay(&fs, input);
  REQUIRE(again.status.ok());
  CHECK(again.units == Numbered(6));
  CHECK(again.recovery.dead_segments == std::vector<uint64_t>{2});
}

TEST_CASE("what many gaps cost to be passed over does not grow with their number") {
  class CountBytes : public FileInterceptor {
   public:
    FileVerdict Before(const FileCallInfo& info) override {
      if (info.call == FileCall::kRead) bytes += info.size;
      return FileVerdict::Proceed();
    }
    uint64_t bytes = 0;
  } count;
  constexpr size_t kSegment = size_t{4} << 20;
  constexpr int kGroups = 400;
  MemFileSystem fs;
  LogMaker log(&fs, kSegment);
  for (int i = 0; i < kGroups; ++i) log.Append({std::to_string(i) + std::string(8000, 'u')});
  REQUIRE(log.segments().size() == 1);
  for (size_t i = 1; i < kGroups; i += 2) fs.Damage(Path(1), log.groups()[i].begin + 100, 1);
  fs.SetInterceptor(&count);
  LogSalvageInput input;
  input.fs = &fs;
  input.directory = kLogDirectory;
  input.segments = log.segments();
  input.mark = kGroups;
  int units = 0;
  int gaps = 0;
  const auto salvaged = SalvageLog(
      input,
      [&](SequenceNumber, uint32_t, std::string_view) {
        ++units;
        return Status();
      },
      [&](std::string_view) { ++gaps; });
  fs.SetInterceptor(nullptr);
  REQUIRE(salvaged.ok());
  CHECK(units == kGroups / 2);
  CHECK(gaps == kGroups / 2);
  CHECK(count.bytes < 10 * kSegment);
}

TEST_CASE("the unit handler's error ends the replay; a corruption gets file and offset") {
  MemFileSystem fs;
  LogMaker log(&fs, 4096);
  AppendNumbered(&log, 3);
  LogRecoveryInput input = log.Input();
  input.fs = &fs;
  const auto replay = [&input](const Status& status) {
    int calls = 0;
    const ReplayUnit unit = [&calls, &status](SequenceNumber, uint32_t, std::string_view) {
      return ++calls == 2 ? status : Status::Ok();
    };
    const Status result = ReplayLog(input, unit, nullptr, nullptr).status();
    CHECK(calls == 2);
    return result;
  };
  CHECK(replay(Status::Busy("later")).ToString() == "Busy: later");
  CHECK(replay(Status::Corruption("bad unit")).ToString() ==
        "Corruption: 000001.wal: offset " + std::to_string(log.groups()[1].begin) + ": bad unit");
}

TEST_CASE("an error of reading is neither a tail nor corruption") {
  class FailReads : public FileInterceptor {
   public:
    FileVerdict Before(const FileCallInfo& info) override {
      const bool fails = info.call == FileCall::kRead && skip-- == 0;
      return fails ? FileVerdict::Fail(Status::IoError("read")) : FileVerdict::Proceed();
    }
    int skip = 0;
  } interceptor;
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  AppendNumbered(&log, 30);
  fs.SetInterceptor(&interceptor);
  for (int n = 0;; ++n) {
    CAPTURE(n);
    interceptor.skip = n;
    const Replayed replayed = Replay(&fs, log.Input());
    if (replayed.status.ok()) {
      CHECK(n >= 3);
      CHECK(replayed.units == Numbered(30));
      break;
    }
    CHECK(replayed.status.IsIoError());
  }
}

TEST_CASE("progress rises to the bytes of all segments") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  AppendNumbered(&log, 30);
  LogRecoveryInput input = log.Input();
  input.fs = &fs;
  std::vector<uint64_t> heard;
  const ReplayUnit unit = [](SequenceNumber, uint32_t, std::string_view) { return Status::Ok(); };
  REQUIRE(ReplayLog(input, unit, nullptr, [&heard](uint64_t done, uint64_t total) {
            CHECK(done <= total);
            heard.push_back(done);
          }).ok());
  CHECK(std::is_sorted(heard.begin(), heard.end()));
  CHECK(heard.back() == 1024 * log.segments().size());
}

namespace {

// A log of three segments with groups of several units, a fragmented unit and syncs in between.
std::vector<std::string> MakeMixedLog(LogMaker* log) {
  std::vector<std::string> units;
  const auto append = [log, &units](const std::vector<std::string>& group) {
    units.insert(units.end(), group.begin(), group.end());
    log->Append(group);
  };
  append({"one", "two"});
  append({std::string(300, 'x')});
  log->Sync();
  append({std::string(1500, 'y')});
  append({"five", "six", ""});
  log->Sync();
  append({"eight"});
  append({"nine", "ten"});
  return units;
}

}  // namespace

TEST_CASE("every byte flipped in a log is found and named, harmless, or above every mark") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  const std::vector<std::string> units = MakeMixedLog(&log);
  REQUIRE(log.segments().size() >= 3);
  const SequenceNumber mark = 7;  // what the last groups say
  uint64_t found = 0;
  uint64_t harmless = 0;
  uint64_t cut = 0;
  for (const uint64_t segment : log.segments()) {
    for (uint64_t at = 0; at < 1024; ++at) {
      for (const uint8_t mask : std::initializer_list<uint8_t>{0x01, 0x80, 0xff}) {
        CAPTURE(segment);
        CAPTURE(at);
        fs.Damage(Path(segment), at, mask);
        const Replayed replayed = Replay(&fs, log.Input());
        fs.Damage(Path(segment), at, mask);
        CHECK(IsPrefix(replayed.units, units));
        if (!replayed.status.ok()) {
          CHECK(NamesFile(replayed.status, segment));
          ++found;
        } else if (replayed.units.size() == units.size()) {
          // Only where nothing is written.
          for (const LogMaker::Place& group : log.groups()) {
            CHECK((segment != group.segment || at < group.begin || at >= group.end));
          }
          CHECK(at >= 32);
          ++harmless;
        } else {
          CHECK(replayed.units.size() >= mark);
          // Without its magic a group looks like what a recycled file held before.
          const uint64_t last = log.groups().back().begin;
          CHECK((replayed.recovery.tail_cut || (at >= last && at < last + 4)));
          ++cut;
        }
      }
    }
  }
  CHECK(found > 3000);
  CHECK(harmless > 0);
  CHECK(cut > 0);
}

TEST_CASE("a log with any segment cut at any length is found, or above every mark") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  const std::vector<std::string> units = MakeMixedLog(&log);
  for (const uint64_t segment : log.segments()) {
    const std::string whole = fs.Contents(Path(segment));
    uint64_t written = 32;
    for (const LogMaker::Place& group : log.groups()) {
      if (group.segment == segment) written = std::max(written, group.end);
    }
    // What the groups say whose headers are left.
    const auto mark = [&log, segment](size_t length) {
      SequenceNumber highest = 0;
      for (const LogMaker::Place& group : log.groups()) {
        const bool left = group.segment != segment || group.begin + 64 <= length;
        if (left) highest = std::max(highest, group.synced_through);
      }
      return highest;
    };
    for (size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(segment);
      CAPTURE(n);
      fs.SetContents(Path(segment), whole.substr(0, n));
      const Replayed replayed = Replay(&fs, log.Input());
      CHECK(IsPrefix(replayed.units, units));
      if (n >= written) {
        REQUIRE(replayed.status.ok());
        CHECK(replayed.units == units);
      } else if (!replayed.status.ok()) {
        CHECK(NamesFile(replayed.status, segment));
      } else {
        CHECK(replayed.units.size() < units.size());
        CHECK(replayed.units.size() >= mark(n));
      }
    }
    fs.SetContents(Path(segment), whole);
  }
}

TEST_CASE("after any power cut the log holds a prefix with everything synced") {
  uint64_t cut = 0;
  uint64_t whole = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    MemFileSystem fs;
    LogMaker log(&fs, 1024 + 512 * random.Uniform(6));
    if (random.OneIn(2)) {
      for (uint64_t n = random.Uniform(40); n > 0; --n) log.Append({std::string(150, 'o')});
      log.Retire();
    }
    std::vector<std::string> units;
    const SequenceNumber base = log.position().last_sequence;
    uint64_t synced = 0;
    for (uint64_t n = 5 + random.Uniform(20); n > 0; --n) {
      std::vector<std::string> group;
      for (uint64_t k = 1 + random.Uniform(3); k > 0; --k) {
        group.emplace_back(random.Uniform(200), static_cast<char>('a' + random.Uniform(26)));
      }
      if (random.OneIn(10)) group = {std::string(random.Uniform(5000), 'b')};
      units.insert(units.end(), group.begin(), group.end());
      log.Append(group);
      if (random.OneIn(6)) {
        log.Sync();
        synced = units.size();
      }
    }
    const auto image = fs.AfterPowerCut(&random, PowerLoss::kRandom);
    LogRecoveryInput input = log.Input();
    input.mark = random.OneIn(2) ? base + synced : 0;
    const Replayed replayed = Replay(image.get(), input);
    REQUIRE_MESSAGE(replayed.status.ok(), replayed.status.ToString());
    CHECK(IsPrefix(replayed.units, units));
    CHECK(replayed.units.size() >= synced);
    ++(replayed.units.size() < units.size() ? cut : whole);
  }
  CHECK(cut > 100);
  CHECK(whole > 100);
}

}  // namespace lsm
