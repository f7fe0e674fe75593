// SPDX-License-Identifier: BSD-3-Clause
// Writes logs as a database would, and replays them, for tests of the log.
// Thread safety: none.

#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"
#include "tests/support/mem_file_system.h"

namespace lsm {

inline constexpr char kLogDirectory[] = "log";

// A log in kLogDirectory that begins with segment 1 and goes on in new ones as they fill.
class LogMaker {
 public:
  LogMaker(FileSystem* fs, size_t segment_size) : fs_(fs), segment_size_(segment_size) {
    REQUIRE(fs->CreateDirectory(kLogDirectory).ok());
    REQUIRE(fs->SyncDirectory("").ok());
    Switch("");
  }

  // One group of units, of one operation each as their frames say; cut where it has to be.
  Status TryAppend(const std::vector<std::string>& units) {
    std::string payload;
    for (const std::string& unit : units) LogWriter::FrameUnit(&payload, 1, unit);
    PayloadCutter cutter(payload, position_.last_sequence + 1);
    while (!cutter.done()) {
      std::optional<LogWriter::Group> group = cutter.Next(*writer_);
      if (!group) {
        Switch("");
        continue;
      }
      group->synced_through = synced_through_;
      RETURN_IF_ERROR(writer_->AddGroup(*group, &position_));
      offsets_.push_back({writer_->number(), writer_->offset()});
    }
    return Status::Ok();
  }
  void Append(const std::vector<std::string>& units) { REQUIRE(TryAppend(units).ok()); }

  // Only the first `fragments` groups of a unit that takes more.
  void AppendFirstFragments(const std::string& unit, int fragments) {
    std::string payload;
    LogWriter::FrameUnit(&payload, 1, unit);
    PayloadCutter cutter(payload, position_.last_sequence + 1);
    while (fragments > 0) {
      std::optional<LogWriter::Group> group = cutter.Next(*writer_);
      if (!group) {
        Switch("");
        continue;
      }
      group->synced_through = synced_through_;
      REQUIRE(writer_->AddGroup(*group, &position_).ok());
      --fragments;
    }
    REQUIRE_FALSE(cutter.done());
  }

  // Goes on in the next segment.
  void Switch(const std::string& recycled) {
    const uint64_t number = segments_.empty() ? 1 : segments_.back() + 1;
    Result<std::unique_ptr<LogWriter>> writer =
        LogWriter::Prepare(fs_, kLogDirectory, number, segment_size_, recycled);
    REQUIRE(writer.ok());
    writer_ = std::move(*writer);
    segments_.push_back(number);
    begins_[number] = position_;
  }

  void Sync() {
    REQUIRE(writer_->Sync().ok());
    synced_through_ = position_.last_sequence;
  }
  // What the next groups say of themselves.
  void SetSyncedThrough(SequenceNumber sequence) { synced_through_ = sequence; }

  LogRecoveryInput Input() const {
    LogRecoveryInput input;
    input.directory = kLogDirectory;
    input.segments = segments_;
    return input;
  }
  LogWriter* writer() { return writer_.get(); }
  LogPosition position() const { return position_; }
  LogPosition position_at_begin_of(uint64_t segment) const { return begins_.at(segment); }
  const std::vector<uint64_t>& segments() const { return segments_; }

  // Where each group ended: segment and offset.
  struct End {
    uint64_t segment;
    uint64_t offset;
  };
  const std::vector<End>& group_ends() const { return offsets_; }

 private:
  FileSystem* const fs_;
  const size_t segment_size_;
  std::unique_ptr<LogWriter> writer_;
  LogPosition position_;
  SequenceNumber synced_through_ = 0;
  std::vector<uint64_t> segments_;
  std::map<uint64_t, LogPosition> begins_;
  std::vector<End> offsets_;
};

struct Replayed {
  Status status;
  std::vector<std::string> units;
  LogRecovery recovery;
};

// Checks on the way that sequences come in order.
inline Replayed Replay(FileSystem* fs, LogRecoveryInput input) {
  input.fs = fs;
  Replayed replayed;
  SequenceNumber expected = 0;
  const ReplayUnit note = [&](SequenceNumber sequence, uint32_t operations, std::string_view unit) {
    CHECK((expected == 0 || sequence == expected));
    CHECK(operations == 1);
    expected = sequence + 1;
    replayed.units.emplace_back(unit);
    return Status::Ok();
  };
  Result<LogRecovery> recovery = ReplayLog(input, note, nullptr);
  if (recovery.ok()) {
    replayed.recovery = *std::move(recovery);
  } else {
    replayed.status = recovery.status();
  }
  return replayed;
}

}  // namespace lsm
