// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"
#include "tests/lsm/log_test_util.h"
#include "tests/support/golden.h"
#include "tests/support/mem_file_system.h"

namespace lsm {

TEST_CASE("what was logged is replayed in order") {
  MemFileSystem fs;
  LogMaker log(&fs, 64 << 10);
  std::vector<std::string> units;
  for (int i = 0; i < 300; ++i) {
    units.push_back("unit " + std::string(static_cast<size_t>(i), 'x') + std::to_string(i));
    log.Append({units.back()});
  }
  log.Append({"", "two", "three"});
  const Replayed replayed = Replay(&fs, log.Input());
  REQUIRE(replayed.status.ok());
  REQUIRE(replayed.units.size() == 303);
  for (size_t i = 0; i < 300; ++i) CHECK(replayed.units[i] == units[i]);
  CHECK(replayed.units[300].empty());
  CHECK(replayed.units[302] == "three");
  CHECK(replayed.recovery.units == 303);
  CHECK(replayed.recovery.end.last_sequence == 303);
  CHECK(replayed.recovery.end.last_checksum == log.position().last_checksum);
  CHECK_FALSE(replayed.recovery.tail_cut);
}

TEST_CASE("a new segment is allocated whole, synced, and its name is durable") {
  MemFileSystem fs;
  REQUIRE(fs.CreateDirectory("db").ok());
  REQUIRE(fs.SyncDirectory("").ok());
  REQUIRE(LogWriter::Prepare(&fs, "db", 3, 8192, "").ok());
  const auto image = fs.AfterPowerCut(nullptr, PowerLoss::kKeepNothing);
  const Result<uint64_t> size = image->FileSize(WalFileName("db", 3));
  REQUIRE(size.ok());
  CHECK(*size == 8192);
  const Replayed replayed = Replay(image.get(), {nullptr, "db", {3}, {}, {}, 0});
  CHECK(replayed.status.ok());
  CHECK(replayed.units.empty());
  CHECK(replayed.recovery.dead_segments == std::vector<uint64_t>{3});
}

TEST_CASE("the groups of a recycled segment's earlier life are not replayed") {
  MemFileSystem fs;
  LogMaker log(&fs, 4096);
  for (int i = 0; i < 20; ++i) log.Append({"old " + std::to_string(i)});
  const LogPosition start = log.position();
  log.Switch(WalFileName(kLogDirectory, 1));
  CHECK_FALSE(*fs.Exists(WalFileName(kLogDirectory, 1)));
  LogRecoveryInput input = log.Input();
  input.segments = {2};
  input.start = start;
  SUBCASE("when nothing was written over them") { CHECK(Replay(&fs, input).units.empty()); }
  SUBCASE("when they stand right behind a new group") {
    // The new group is exactly as long as the old one was.
    log.Append({"new 0"});
    const Replayed replayed = Replay(&fs, input);
    CHECK(replayed.units == std::vector<std::string>{"new 0"});
    CHECK_FALSE(replayed.recovery.tail_cut);
  }
}

TEST_CASE("a recycled segment grows to the size that is asked for") {
  MemFileSystem fs;
  LogMaker log(&fs, 2048);
  const Result<std::unique_ptr<LogWriter>> writer =
      LogWriter::Prepare(&fs, kLogDirectory, 2, 8192, WalFileName(kLogDirectory, 1));
  REQUIRE(writer.ok());
  CHECK(*fs.FileSize(WalFileName(kLogDirectory, 2)) == 8192);
}

TEST_CASE("a group that failed to be written is overwritten by the next and never replayed") {
  // The call fails after everything, a part, or nothing has reached the file.
  for (const int kept : {0, 1, 2}) {
    CAPTURE(kept);
    class FailOneWrite : public FileInterceptor {
     public:
      explicit FailOneWrite(int how) : how_(how) {}
      FileVerdict Before(const FileCallInfo& info) override {
        if (info.call != FileCall::kWrite || done_) return FileVerdict::Proceed();
        done_ = true;
        FileVerdict verdict = FileVerdict::Fail(Status::IoError("write: as the test demands"));
        verdict.perform = how_ == 2;
        verdict.torn_at = how_ == 1 ? info.size / 2 : 0;
        return verdict;
      }

     private:
      const int how_;
      bool done_ = false;
    } interceptor(kept);

    MemFileSystem fs;
    LogMaker log(&fs, 64 << 10);
    log.Append({"one"});
    const LogPosition before = log.position();
    const uint64_t offset = log.writer()->offset();
    fs.SetInterceptor(&interceptor);
    CHECK(log.TryAppend({std::string(3000, 'f')}).IsIoError());
    CHECK(log.position().last_sequence == before.last_sequence);
    CHECK(log.position().last_checksum == before.last_checksum);
    CHECK(log.writer()->offset() == offset);
    CHECK(Replay(&fs, log.Input()).units == std::vector<std::string>{"one"});
    log.Append({"two"});
    log.Append({"three"});
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == std::vector<std::string>{"one", "two", "three"});
  }
}

TEST_CASE("a fragmented unit is replayed whole across segments") {
  MemFileSystem fs;
  LogMaker log(&fs, 2048);
  std::string big;
  for (int i = 0; big.size() < 9000; ++i) big += std::to_string(i) + ",";
  log.Append({"before"});
  log.Append({big});
  log.Append({"after"});
  CHECK(log.segments().size() >= 5);
  const Replayed replayed = Replay(&fs, log.Input());
  REQUIRE(replayed.status.ok());
  CHECK(replayed.units == std::vector<std::string>{"before", big, "after"});
}

TEST_CASE("a unit whose end was never written is not replayed, and the log goes on after it") {
  MemFileSystem fs;
  LogMaker log(&fs, 2048);
  log.Append({"before"});
  log.AppendFirstFragments(std::string(5000, 'b'), 2);
  SUBCASE("as the tail of the log") {
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == std::vector<std::string>{"before"});
    CHECK(replayed.recovery.tail_cut);
    CHECK(replayed.recovery.end.last_sequence == 1);
    CHECK(replayed.recovery.end.last_checksum == log.position().last_checksum);
  }
  SUBCASE("with other units behind it") {
    log.Append({"after"});
    log.Append({std::string(3000, 'c')});
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == std::vector<std::string>{"before", "after", std::string(3000, 'c')});
    CHECK_FALSE(replayed.recovery.tail_cut);
  }
  SUBCASE("with another fragmented unit behind it") {
    log.Append({std::string(6000, 'd')});
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE(replayed.status.ok());
    CHECK(replayed.units == std::vector<std::string>{"before", std::string(6000, 'd')});
  }
}

TEST_CASE("a log whose oldest segment begins inside a unit passes over the rest of that unit") {
  MemFileSystem fs;
  LogMaker log(&fs, 2048);
  log.Append({std::string(5000, 'b')});
  log.Append({"after"});
  REQUIRE(log.segments().size() >= 3);
  LogRecoveryInput input = log.Input();
  input.start = log.position_at_begin_of(2);
  input.segments.erase(input.segments.begin());
  const Replayed replayed = Replay(&fs, input);
  REQUIRE(replayed.status.ok());
  CHECK(replayed.units == std::vector<std::string>{"after"});
  CHECK(replayed.recovery.end.last_sequence == 2);
}

TEST_CASE("units of any size come back whole from segments of any size") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    MemFileSystem fs;
    LogMaker log(&fs, 1024 + random.Uniform(2000));
    std::vector<std::string> units;
    for (int i = 0; i < 40; ++i) {
      std::vector<std::string> group;
      for (uint64_t n = random.Uniform(6) + 1; n > 0; --n) {
        const uint64_t size = random.Uniform(random.OneIn(5) ? 5000 : 60);
        group.emplace_back(size, static_cast<char>('a' + random.Uniform(26)));
      }
      units.insert(units.end(), group.begin(), group.end());
      log.Append(group);
    }
    const Replayed replayed = Replay(&fs, log.Input());
    REQUIRE_MESSAGE(replayed.status.ok(), replayed.status.ToString());
    CHECK(replayed.units == units);
    CHECK(replayed.recovery.end.last_checksum == log.position().last_checksum);
  }
}

TEST_CASE("a payload that an empty segment can hold is not cut") {
  MemFileSystem fs;
  LogMaker log(&fs, 2048);
  log.Append({std::string(1200, 'a')});
  std::string payload;
  LogWriter::FrameUnit(&payload, 1, std::string(500, 'b'));
  LogWriter::FrameUnit(&payload, 1, std::string(500, 'c'));
  PayloadCutter cutter(payload, 2);
  CHECK_FALSE(cutter.Next(*log.writer()).has_value());
  log.Switch("");
  const std::optional<LogWriter::Group> group = cutter.Next(*log.writer());
  REQUIRE(group.has_value());
  CHECK(group->payload == payload);
  CHECK(group->units == 2);
  CHECK(cutter.done());
}

TEST_CASE("room is what fits") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  CHECK(log.writer()->Room() == 1024 - 32 - 64);
  CHECK(log.writer()->Fits(928));
  CHECK_FALSE(log.writer()->Fits(929));
  LogPosition position;
  std::string payload;
  LogWriter::FrameUnit(&payload, 1, std::string(925, 'x'));
  REQUIRE(payload.size() == 928);
  REQUIRE(log.writer()->AddGroup({payload, 1, 1, false, false, 0}, &position).ok());
  CHECK(log.writer()->offset() == 1024);
  CHECK(log.writer()->Room() == 0);
}

TEST_CASE("the bytes of a log segment are those of its golden file") {
  MemFileSystem fs;
  LogMaker log(&fs, 1024);
  log.Append({"one", "twenty-one bytes long"});
  log.SetSyncedThrough(2);
  log.Append({"x"});
  std::string bytes = fs.Contents(WalFileName(kLogDirectory, 1));
  bytes.resize(log.writer()->offset());
  support::CheckGolden("wal_segment.hex", bytes,
                       {{8, "magic"},
                        {4, "format version"},
                        {4, "zero"},
                        {8, "generation 1"},
                        {8, "checksum"},
                        {4, "group: magic"},
                        {4, "payload of 28 bytes"},
                        {8, "generation 1"},
                        {8, "first sequence 1"},
                        {4, "2 units end here"},
                        {4, "flags"},
                        {8, "previous checksum: the very first"},
                        {8, "synced through 0"},
                        {8, "payload's checksum"},
                        {8, "header's checksum"},
                        {2, "3 bytes, 1 operation"},
                        {3, "the unit, here \"one\""},
                        {2, "21 bytes, 1 operation"},
                        {21, "the unit"},
                        {4, "zeros up to a multiple of 8"},
                        {4, "group: magic"},
                        {4, "payload of 3 bytes"},
                        {8, "generation 1"},
                        {8, "first sequence 3"},
                        {4, "1 unit ends here"},
                        {4, "flags"},
                        {8, "previous checksum"},
                        {8, "synced through 2"},
                        {8, "payload's checksum"},
                        {8, "header's checksum"},
                        {3, "1 byte, 1 operation, \"x\""},
                        {5, "zeros up to a multiple of 8"}});
}

TEST_CASE("a segment's dump names each group and says where and why they end") {
  MemFileSystem fs;
  LogMaker log(&fs, 4096);
  log.Append({"one", "two"});
  log.Append({"three"});
  std::vector<LogGroupInfo> groups;
  const auto note = [&groups](const LogGroupInfo& info) { groups.push_back(info); };
  const std::string path = WalFileName(kLogDirectory, 1);
  Result<LogDumpEnd> end = DumpLogSegment(&fs, path, note);
  REQUIRE(end.ok());
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].offset == 32);
  CHECK(groups[0].units == 2);
  CHECK(groups[1].first_sequence == 3);
  CHECK(groups[1].previous_checksum == groups[0].checksum);
  CHECK(end->offset == log.writer()->offset());
  CHECK(end->reason == "there is no group");

  fs.Damage(path, groups[1].offset + 70, 1);
  groups.clear();
  end = DumpLogSegment(&fs, path, note);
  REQUIRE(end.ok());
  CHECK(groups.size() == 1);
  CHECK(end->offset == groups[0].offset + groups[0].size);
  CHECK(end->reason == "there is a group whose checksum is wrong");

  fs.Damage(path, 3, 1);
  end = DumpLogSegment(&fs, path, note);
  REQUIRE(end.ok());
  CHECK(end->offset == 0);
  CHECK(DumpLogSegment(&fs, "absent", note).status().IsNotFound());
}

}  // namespace lsm
