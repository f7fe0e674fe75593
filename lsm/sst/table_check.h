// SPDX-License-Identifier: BSD-3-Clause
// CheckSst reads every byte of an SST file and says all that is wrong with it, part by part.
//
// Thread safety: free functions on immutable files; safe beside readers.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/format/table_format.h"
#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

// Keys of a tree between two keys, without the first and with the second.
struct SstKeyRange {
  TreeId tree = 0;
  std::optional<std::string> after;    // nothing: from the slice's first key on
  std::optional<std::string> through;  // nothing: to the slice's last key

  // For people: "keys of tree 3 behind "a" up to "b"".
  std::string Text() const;
};

// One part of a file that cannot be read, or says what is not so.
struct SstFault {
  Status status;                    // names the file, the part, its offset, and why
  std::optional<SstKeyRange> keys;  // whose records are in the part; nothing: no record is
};

struct SstCheck {
  std::function<void(const SstFault& fault)> fault;
  std::function<void(uint64_t bytes)> progress;  // bytes of the file so far; may be empty
  bool values = false;                           // it has to be a blob file; else it must be none
  // May be empty: hears of each value of a blob file that is damaged, and of each record that
  // points to a value.
  std::function<void(BlockHandle block)> damaged = {};
  std::function<void(TreeId tree, std::string_view key, std::string_view pointer)> pointer = {};
};

// What a slice was found to hold.
struct CheckedSlice {
  TreeId tree = 0;
  bool whole = true;      // no part of it is at fault
  SstProperties counted;  // of the records that could be read
};

// Checks all that can be checked without the manifest: checksums, key order, filter, properties,
// that the parts fill the file without gaps. What cannot be read is a fault as well; an error is
// one of opening the file.
Result<std::vector<CheckedSlice>> CheckSst(FileSystem* fs, const std::string& path,
                                           uint64_t file_number, const SstCheck& check);

// Where a blob file's values are, in the order of their offsets, as its directory says.
Result<std::vector<BlockHandle>> ListValues(FileSystem* fs, const std::string& path,
                                            uint64_t file_number);

}  // namespace lsm
