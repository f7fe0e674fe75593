// SPDX-License-Identifier: BSD-3-Clause
// LogWriter appends groups to one log segment (lsm/format/FORMAT.md, "Log segment"); PayloadCutter
// cuts what is to be logged into groups that fit.
//
// How a caller logs framed units:
//
//     PayloadCutter cutter(payload, first_sequence);
//     while (!cutter.done()) {
//       std::optional<LogWriter::Group> group = cutter.Next(*writer);
//       if (!group) { writer = the next segment; continue; }
//       group->synced_through = ...;
//       Status status = writer->AddGroup(*group, &position);
//     }
//
// If an AddGroup fails after others of the same payload succeeded, go on from the position of the
// last success: fragments of a unit that has no end are passed over by recovery, so a payload of
// one unit is all or nothing, however many groups it takes.
//
// Thread safety: AddGroup under the writer lock; Sync from any one thread at a time beside it.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/file_system.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

// Where the log stands: what the next group has to chain to.
struct LogPosition {
  SequenceNumber last_sequence = 0;
  uint64_t last_checksum = 0;
};

class LogWriter {
 public:
  // Prepares a segment that holds only its header, synced, without touching the one in use: a new
  // file of `segment_size` allocated bytes, or, if `recycled` is not empty, the file of that path
  // renamed. The directory is synced. Runs outside of every lock. REQUIRES: the manifest names
  // neither the segment nor the recycled file; segment_size >= kMinSegmentSize
  static Result<std::unique_ptr<LogWriter>> Prepare(FileSystem* fs, const std::string& directory,
                                                    uint64_t number, size_t segment_size,
                                                    const std::string& recycled);
  static constexpr size_t kMinSegmentSize = 1024;

  // One framed unit appended to `payload` (FORMAT.md: "framed units").
  static void FrameUnit(std::string* payload, uint32_t operations, std::string_view unit);

  struct Group {
    std::string_view payload;
    SequenceNumber first_sequence = 0;
    uint32_t units = 0;  // that end in the payload
    // Either of them: the payload has bytes of this one unit only.
    bool begins_inside_unit = false;
    bool ends_inside_unit = false;
    SequenceNumber synced_through = 0;
  };
  // Appends one group with one write and moves `position` on. After a failure the segment and
  // `position` are as before: the next group overwrites what may have reached the file.
  // REQUIRES: Fits(group.payload.size()); first_sequence is one past position->last_sequence;
  // synced_through is below it
  Status AddGroup(const Group& group, LogPosition* position);

  // Whether a group of this payload ends within the segment's size.
  bool Fits(size_t payload_size) const { return payload_size <= Room(); }
  // The largest payload that still fits; 0 if not even the header does.
  size_t Room() const;
  // The same for a segment of this size that holds no group yet.
  size_t EmptyRoom() const;

  // No group comes any more: what is mapped to be written leaves this process's memory.
  void EndWriting() { file_->EndWriting(); }
  Status Sync();

  uint64_t number() const { return number_; }
  // End of the last group.
  uint64_t offset() const { return offset_; }

 private:
  LogWriter() = default;

  std::unique_ptr<WritableFile> file_;
  uint64_t number_ = 0;
  uint64_t offset_ = 0;
  uint64_t segment_size_ = 0;
  std::string buffer_;
};

// Cuts a payload of framed units into groups. What fits an empty segment and is not above
// kMaxGroupPayload becomes one group; beyond that groups end between units, and a unit that is too
// large by itself becomes fragments, in groups of their own.
class PayloadCutter {
 public:
  // Bounds the memory that writing and reading a log takes for a group.
  static constexpr size_t kMaxGroupPayload = size_t{4} << 20;

  // The first unit of `payload` has the sequence `first_sequence`. `payload` must outlive this.
  // REQUIRES: payload was made by LogWriter::FrameUnit
  PayloadCutter(std::string_view payload, SequenceNumber first_sequence)
      : rest_(payload), sequence_(first_sequence) {}

  bool done() const { return rest_.empty(); }

  // The next group for `writer`, without its synced_through, or nothing if it belongs into the
  // next segment. REQUIRES: !done()
  std::optional<LogWriter::Group> Next(const LogWriter& writer);

 private:
  LogWriter::Group TakeUnits(size_t limit);
  LogWriter::Group TakeFragment(size_t limit);

  std::string_view rest_;
  SequenceNumber sequence_;   // of the first unit that has bytes in rest_
  size_t fragment_left_ = 0;  // bytes of that unit in rest_, if its beginning was taken
};

}  // namespace lsm
