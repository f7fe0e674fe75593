// SPDX-License-Identifier: BSD-3-Clause
// SegmentReader reads groups of one log segment and says, where there is none, why. It knows
// nothing of other segments, nor of what the groups have to chain to.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "lsm/file_system.h"
#include "lsm/format/log_format.h"
#include "lsm/io/file_window.h"
#include "lsm/status.h"

namespace lsm {

// "000007.wal"
std::string SegmentName(uint64_t number);

class SegmentReader {
 public:
  // `number` is also the generation that the groups must have.
  static Result<SegmentReader> Open(FileSystem* fs, const std::string& path, uint64_t number);

  // Reads the file's header. `problem` says why there is none, and is empty if it is right. An
  // error is one of reading, or a version that this release does not know.
  Status ReadHeader(std::string* problem);

  // What stands at an offset at which a group may begin.
  struct Group {
    bool header_valid = false;  // `header` is what was written, whatever became of the payload
    bool valid = false;         // `header` and `payload` are
    bool remains = false;       // not valid, but a group seems to have been written here
    std::string problem;        // why it is not valid
    LogGroupHeader header;
    std::string_view payload;  // good until the next call
    uint64_t size = 0;         // header, payload and padding
  };
  // An error is one of reading.
  Result<Group> Read(uint64_t offset);

  // Calls `found` for each group behind `offset` whose header is valid by itself, wherever it
  // stands: what its payload was meant to be, or says, does not matter. REQUIRES: offset is a
  // multiple of 8
  Status Search(uint64_t offset,
                const std::function<void(uint64_t offset, const LogGroupHeader&)>& found);

  uint64_t number() const { return number_; }
  uint64_t size() const { return window_.size(); }

 private:
  SegmentReader(FileWindow window, uint64_t number) : window_(std::move(window)), number_(number) {}

  FileWindow window_;
  uint64_t number_;
};

}  // namespace lsm
