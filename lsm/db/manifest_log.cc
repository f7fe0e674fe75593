// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/db/manifest_log.h"

#include <algorithm>
#include <vector>

#include "lsm/format/file_names.h"

namespace lsm {
namespace {

// Beyond this a new manifest is cheaper to read than the old one with its history.
constexpr uint64_t kMaxManifestSize = uint64_t{16} << 20;

}  // namespace

Status ManifestLog::Start(uint64_t number, ManifestState state) {
  Result<std::unique_ptr<ManifestWriter>> writer =
      ManifestWriter::Create(fs_, directory_, number, state);
  RETURN_IF_ERROR(writer.status());
  if (writer_ != nullptr) {
    const Status removed = fs_->Remove(ManifestFileName(directory_, writer_->number()));
    static_cast<void>(removed.ok());  // what stays behind is an orphan that the next open removes
  }
  writer_ = std::move(writer).value();
  state_ = std::move(state);
  uncertain_ = false;
  return {};
}

Status ManifestLog::Record(const VersionEdit& edit, const std::function<uint64_t()>& new_number) {
  ManifestState next = state_;
  RETURN_IF_ERROR(next.Apply(edit));
  if (!uncertain_ && writer_->size() < kMaxManifestSize) {
    if (writer_->Append(edit).ok()) {
      state_ = std::move(next);
      return {};
    }
  }
  uncertain_ = true;
  const uint64_t number = new_number();
  next.next_file_number = std::max(next.next_file_number, number + 1);
  return Start(number, std::move(next));
}

std::set<uint64_t> ManifestLog::LiveFiles() const { return LiveFilesOf(state_); }

std::set<uint64_t> LiveFilesOf(const ManifestState& state) {
  std::set<uint64_t> files;
  for (const auto& [id, tree] : state.trees) {
    for (const std::vector<FileMetadata>& level : tree.levels) {
      for (const FileMetadata& file : level) files.insert(file.file);
    }
  }
  return files;
}

}  // namespace lsm
