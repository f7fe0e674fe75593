// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/file_system.h"

namespace lsm {

// Where nothing is known of what is in memory, nothing is.
Result<size_t> RandomAccessFile::ReadCached(uint64_t /*offset*/, size_t /*n*/,
                                            char* /*scratch*/) const {
  return Status::WouldBlock("the bytes are not in memory");
}

Result<std::string> ReadFile(FileSystem* fs, const std::string& path, uint64_t limit) {
  auto file = fs->OpenForRead(path, AccessPattern::kRandom);
  RETURN_IF_ERROR(file.status());
  const Result<uint64_t> size = (*file)->Size();
  RETURN_IF_ERROR(size.status());
  if (*size > limit) {
    return Status::InvalidArgument("read " + path + ": " + std::to_string(*size) +
                                   " bytes are more than the limit of " + std::to_string(limit));
  }
  std::string content(static_cast<size_t>(*size), '\0');
  const Result<size_t> got = (*file)->ReadAt(0, content.size(), content.data());
  RETURN_IF_ERROR(got.status());
  content.resize(*got);
  return content;
}

}  // namespace lsm
