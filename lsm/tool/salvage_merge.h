// SPDX-License-Identifier: BSD-3-Clause
// SalvageMerge shows the whole records of a tree, wherever in its SST files they are, in internal
// order: key by key, newest first. What is not whole is reported and passed over.
//
// Files are arranged into runs of files that follow one another; of each run one file is open, and
// one block of it in memory.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/sst/table_salvage.h"
#include "lsm/types.h"
#include "lsm/version/version_edit.h"

namespace lsm::tool {

struct SalvageSource {
  FileMetadata file;  // as far as it is known
  std::optional<size_t>
      slice;            // which of the file's slices; nothing: the one that `file` describes
  bool bounded = true;  // the file's range of keys is known
};

class SalvageMerge {
 public:
  struct Input {
    FileSystem* fs = nullptr;
    std::string directory;
    TreeId tree = 0;
    std::vector<SalvageSource> sources;
    FaultSink fault;
    std::function<void(uint64_t bytes)> opened;  // hears the size of each file that is opened
  };
  explicit SalvageMerge(Input input);
  ~SalvageMerge();

  bool Valid() const { return !heap_.empty(); }
  // REQUIRES: Valid()
  void Next();
  const SalvageCursor& record() const;

 private:
  class Run;
  static bool After(const Run* a, const Run* b);

  const Input input_;
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<Run*> heap_;  // runs that stand on a record, the one to show first in front
};

}  // namespace lsm::tool
