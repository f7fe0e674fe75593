// SPDX-License-Identifier: BSD-3-Clause
// ReadAhead is a window of a file that runs before a reader which goes from front to back, so that
// the device is asked for a large piece at a time instead of one block. It waits until the reader
// has shown that it does: reads that do not follow each other fetch what they want and no more.
//
// Thread safety: none.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/file_system.h"
#include "lsm/status.h"

namespace lsm {

class ReadAhead {
 public:
  // For a reader that may stop or jump at any time.
  static ReadAhead Adaptive() { return {/*patience=*/2, size_t{32} << 10, size_t{256} << 10}; }
  // For one that reads everything. A compaction has one for each of up to some forty inputs.
  static ReadAhead Full() { return {/*patience=*/0, size_t{128} << 10, size_t{128} << 10}; }

  // The `n` bytes at `offset`, fewer only if the file is shorter than `end`. The view is good until
  // the next call. Every call is for the same file; a step backwards begins anew.
  // REQUIRES: offset + n <= end
  Result<std::string_view> Read(const RandomAccessFile& file, uint64_t offset, size_t n,
                                uint64_t end);

 private:
  // Runs ahead after `patience` reads that followed another one: by `first` bytes, then by twice
  // as many with each piece, up to `largest`.
  ReadAhead(int patience, size_t first, size_t largest)
      : patience_(patience), first_(first), largest_(largest), next_(first) {}

  // Notes a read, and returns how many bytes of window it deserves.
  size_t Window(uint64_t offset, size_t n);
  // Moves what is kept of the window from `offset` on to its front.
  void KeepFrom(uint64_t offset);
  // Makes room for `n` bytes.
  void Reserve(size_t n);

  const int patience_;
  const size_t first_;
  const size_t largest_;
  int followed_ = 0;       // reads in a row that followed the one before, up to patience_
  uint64_t expected_ = 0;  // where the next of them begins
  size_t next_;            // bytes of the next piece
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  uint64_t begin_ = 0;  // where the window stands in the file
  size_t size_ = 0;     // of the window
};

}  // namespace lsm
