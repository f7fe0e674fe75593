// SPDX-License-Identifier: BSD-3-Clause
// LogWriter appends groups to one log segment (lsm/format/FORMAT.md, "Log segment").
//
// Thread safety: AddGroup under the writer lock; Sync from any one thread at a time beside it.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
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
  // file of `segment_size` allocated bytes, or, if `recycled` is not empty, that file renamed.
  // The directory is synced. Runs outside of every lock.
  static Result<std::unique_ptr<LogWriter>> Prepare(FileSystem* fs, const std::string& directory,
                                                    uint64_t number, size_t segment_size,
                                                    const std::string& recycled);

  // One framed unit appended to `payload` (FORMAT.md: "framed units").
  static void FrameUnit(std::string* payload, uint32_t operations, std::string_view unit);

  struct Group {
    std::string_view payload;
    SequenceNumber first_sequence = 0;
    uint32_t units = 0;  // that end in the payload
    bool begins_inside_unit = false;
    bool ends_inside_unit = false;
    SequenceNumber synced_through = 0;
  };
  // Appends one group with one write and moves `position` on. After a failure the segment and
  // `position` are as before: the next group overwrites what may have reached the file.
  // REQUIRES: Fits(group.payload.size())
  Status AddGroup(const Group& group, LogPosition* position);

  // Whether a group of this payload ends within the segment's size.
  bool Fits(size_t payload_size) const;
  // The largest payload that still fits; 0 if not even the header does.
  size_t Room() const;

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

}  // namespace lsm
