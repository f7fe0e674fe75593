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

#include "lsm/format/file_names.h"
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

  // Units, which say that they have one operation each, in one group if it can be.
  Status TryAppend(const std::vector<std::string>& units) { return Append(units, SIZE_MAX); }
  void Append(const std::vector<std::string>& units) { REQUIRE(TryAppend(units).ok()); }

  // Only the first `fragments` groups of a unit that takes more.
  void AppendFirstFragments(const std::string& unit, size_t fragments) {
    const SequenceNumber before = position_.last_sequence;
    REQUIRE(Append({unit}, fragments).ok());
    REQUIRE(position_.last_sequence == before);
  }

  // Goes on in the next segment.
  void Switch(const std::string& recycled) {
    const uint64_t number = segments_.empty() ? 1 : segments_.back() + 1;
    Result<std::unique_ptr<LogWriter>> writer =
        LogWriter::Prepare(fs_, kLogDirectory, number, segment_size_, recycled);
    REQUIRE(writer.ok());
    if (writer_ != nullptr) full_.push_back(std::move(writer_));
    writer_ = std::move(*writer);
    segments_.push_back(number);
    begins_[number] = position_;
  }

  // Goes on in a new segment and forgets the others, which are recycled as it fills.
  void Retire() {
    Sync();
    std::vector<uint64_t> old = std::move(segments_);
    segments_ = {old.back()};
    Switch("");
    segments_.erase(segments_.begin());
    for (const uint64_t segment : old) spare_.push_back(WalFileName(kLogDirectory, segment));
  }

  // Makes everything appended so far durable, as a database does: the older segments first.
  void Sync() {
    for (const std::unique_ptr<LogWriter>& writer : full_) REQUIRE(writer->Sync().ok());
    full_.clear();
    REQUIRE(writer_->Sync().ok());
    synced_through_ = position_.last_sequence;
  }
  // What the next groups say of themselves.
  void SetSyncedThrough(SequenceNumber sequence) { synced_through_ = sequence; }

  LogRecoveryInput Input() const {
    LogRecoveryInput input;
    input.directory = kLogDirectory;
    input.segments = segments_;
    input.start = begins_.at(segments_.front());
    return input;
  }
  LogWriter* writer() { return writer_.get(); }
  LogPosition position() const { return position_; }
  LogPosition position_at_begin_of(uint64_t segment) const { return begins_.at(segment); }
  const std::vector<uint64_t>& segments() const { return segments_; }

  // Every group that was appended.
  struct Place {
    uint64_t segment = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
    SequenceNumber synced_through = 0;
  };
  const std::vector<Place>& groups() const { return groups_; }

 private:
  // No more than `limit` groups of what the units take.
  Status Append(const std::vector<std::string>& units, size_t limit) {
    std::string payload;
    for (const std::string& unit : units) LogWriter::FrameUnit(&payload, 1, unit);
    PayloadCutter cutter(payload, position_.last_sequence + 1);
    while (!cutter.done() && limit > 0) {
      std::optional<LogWriter::Group> group = cutter.Next(*writer_);
      if (!group) {
        const std::string recycled = spare_.empty() ? "" : spare_.back();
        if (!spare_.empty()) spare_.pop_back();
        Switch(recycled);
        continue;
      }
      group->synced_through = synced_through_;
      const uint64_t begin = writer_->offset();
      RETURN_IF_ERROR(writer_->AddGroup(*group, &position_));
      groups_.push_back({writer_->number(), begin, writer_->offset(), synced_through_});
      --limit;
    }
    return Status::Ok();
  }

  FileSystem* const fs_;
  const size_t segment_size_;
  std::unique_ptr<LogWriter> writer_;
  std::vector<std::unique_ptr<LogWriter>> full_;  // not yet synced
  LogPosition position_;
  SequenceNumber synced_through_ = 0;
  std::vector<uint64_t> segments_;
  std::vector<std::string> spare_;
  std::map<uint64_t, LogPosition> begins_;
  std::vector<Place> groups_;
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
  Result<LogRecovery> recovery = ReplayLog(input, note, nullptr, nullptr);
  if (recovery.ok()) {
    replayed.recovery = *std::move(recovery);
  } else {
    replayed.status = recovery.status();
  }
  return replayed;
}

}  // namespace lsm
