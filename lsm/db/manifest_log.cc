// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/db/manifest_log.h"

#include <algorithm>
#include <vector>

#include "lsm/format/file_names.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

// Beyond this a new manifest is cheaper to read than the old one with its history, unless the state
// itself is that large.
constexpr uint64_t kMaxManifestSize = uint64_t{16} << 20;
constexpr uint64_t kMaxGrowth = 4;

template <typename Use>
void ForEachFile(const ManifestState::Tree& tree, Use use) {
  for (const std::vector<FileMetadata>& level : tree.levels) {
    for (const FileMetadata& file : level) use(file);
  }
}

}  // namespace

Status ManifestLog::Start(uint64_t number, ManifestState state) {
  state_ = std::move(state);
  references_.clear();
  for (const auto& [id, tree] : state_.trees) {
    ForEachFile(tree, [this](const FileMetadata& file) { CountFile(file, /*add=*/true); });
  }
  return Rewrite(number);
}

Status ManifestLog::Rewrite(uint64_t number) {
  // No more of them while the directory cannot be synced, or they would fill the disk.
  if (!replaced_.empty()) RETURN_IF_ERROR(fs_->SyncDirectory(directory_));
  Result<std::unique_ptr<ManifestWriter>> writer =
      ManifestWriter::Create(fs_, directory_, number, state_);
  if (!writer.ok()) {
    const Result<bool> left = fs_->Exists(ManifestFileName(directory_, number));
    if (!left.ok() || *left) replaced_.push_back(number);
    return writer.status();
  }
  if (writer_ != nullptr) replaced_.push_back(writer_->number());
  for (const uint64_t old : replaced_) {
    const Status removed = fs_->Remove(ManifestFileName(directory_, old));
    static_cast<void>(removed.ok());  // what stays behind is an orphan that the next open removes
  }
  replaced_.clear();
  writer_ = std::move(writer).value();
  first_size_ = writer_->size();
  uncertain_ = false;
  return {};
}

// 1. Apply the edit to the state, keeping what it touches; if it does not fit, put that back.
// 2. Append it. If that fails, or the manifest is long enough, write a new one with the state.
// 3. If that fails as well, put back what was kept: nobody knows which manifest is in force.
// 4. Otherwise count the files that the edit named.
Status ManifestLog::Record(const VersionEdit& edit, const std::function<uint64_t()>& new_number) {
  ManifestState::Saved saved = state_.Save(edit);
  if (Status applied = state_.Apply(edit); !applied.ok()) {
    state_.Restore(std::move(saved));
    return applied;
  }
  const uint64_t limit = std::max(kMaxManifestSize, kMaxGrowth * first_size_);
  const bool appended = !uncertain_ && writer_->size() < limit && writer_->Append(edit).ok();
  if (!appended) {
    uncertain_ = true;
    const uint64_t number = new_number();
    state_.next_file_number = std::max(state_.next_file_number, number + 1);
    if (Status rewritten = Rewrite(number); !rewritten.ok()) {
      state_.Restore(std::move(saved));
      return rewritten;
    }
  }
  for (const TreeId id : edit.dropped_trees) {
    const std::optional<ManifestState::Tree>& dropped = saved.trees.at(id);
    if (!dropped) continue;  // created by the same edit
    ForEachFile(*dropped, [this](const FileMetadata& file) { CountFile(file, /*add=*/false); });
  }
  for (const auto& removed : edit.removed_files) {
    const std::vector<FileMetadata>& files =
        saved.trees.at(removed.tree)->levels[static_cast<size_t>(removed.level)];
    const auto file = std::find_if(files.begin(), files.end(), [&](const FileMetadata& candidate) {
      return candidate.file == removed.file;
    });
    VARVE_CHECK(file != files.end());
    CountFile(*file, /*add=*/false);
  }
  for (const auto& added : edit.added_files) CountFile(added.file, /*add=*/true);
  return {};
}

void ManifestLog::CountFile(const FileMetadata& file, bool add) {
  Count(file.file, add);
  for (const BlobReference& blob : file.blobs) Count(blob.file, add);
}

void ManifestLog::Count(uint64_t file, bool add) {
  if (add) {
    ++references_[file];
    return;
  }
  const auto found = references_.find(file);
  VARVE_CHECK(found != references_.end());
  if (--found->second == 0) references_.erase(found);
}

std::map<uint64_t, LiveFile> LiveFilesOf(const ManifestState& state) {
  std::map<uint64_t, LiveFile> files;
  for (const auto& [id, tree] : state.trees) {
    ForEachFile(tree, [&files](const FileMetadata& file) {
      files[file.file] = {FileKind::kSst, file.file_size};
      for (const BlobReference& blob : file.blobs) {
        files[blob.file] = {FileKind::kBlob, blob.file_size};
      }
    });
  }
  return files;
}

}  // namespace lsm
