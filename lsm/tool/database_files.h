// SPDX-License-Identifier: BSD-3-Clause
// What the tools find in a database's directory, which they only look at.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/file_system.h"
#include "lsm/status.h"

namespace lsm::tool {

// Who listens to a long look at a database.
class Report {
 public:
  virtual ~Report() = default;
  // Something is wrong: a line that names the file, the place and what hangs on it.
  virtual void Fault(std::string_view line) = 0;
  // Something is worth knowing, and nothing is wrong.
  virtual void Remark(std::string_view line) = 0;
  // Bytes that were read.
  virtual void Progress(uint64_t done, uint64_t total) = 0;
};

struct DatabaseFiles {
  std::string directory;
  // Numbers, ascending.
  std::vector<uint64_t> tables;
  std::vector<uint64_t> blobs;
  std::vector<uint64_t> logs;
  std::vector<uint64_t> manifests;
  std::vector<std::string> temporary;
  std::vector<std::string> foreign;
  bool has_lock = false;

  // kNotFound if the directory holds nothing of a database.
  static Result<DatabaseFiles> List(FileSystem* fs, const std::string& directory);

  // Keeps servers away as long as it lives; kBusy if one is there. Null, and no file is made, for a
  // database that none has ever opened.
  Result<std::unique_ptr<FileLock>> Lock(FileSystem* fs) const;
};

// "12.3 MB"
std::string Size(uint64_t bytes);

}  // namespace lsm::tool
