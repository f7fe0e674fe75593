// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "lsm/version/manifest.h"

namespace lsm {
namespace {

using Tree = ManifestState::Tree;
using Files = std::vector<FileMetadata>;

Status Misfit(const std::string& what, uint64_t number) {
  return Status::Corruption("edit does not fit: " + what + " " + std::to_string(number));
}

// Sets a number that never goes back.
Status Raise(const std::optional<uint64_t>& to, uint64_t* number, const char* what) {
  if (!to) return Status::Ok();
  if (*to < *number) return Misfit(std::string(what) + " goes back to", *to);
  *number = *to;
  return Status::Ok();
}

Status RemoveFile(Files* files, uint64_t number) {
  const auto at = std::find_if(files->begin(), files->end(),
                               [number](const FileMetadata& file) { return file.file == number; });
  if (at == files->end()) return Misfit("removes a file that is not there,", number);
  files->erase(at);
  return Status::Ok();
}

Status AddFile(Tree* tree, int level, const FileMetadata& file) {
  for (const Files& files : tree->levels) {
    for (const FileMetadata& other : files) {
      if (other.file == file.file) return Misfit("adds a file twice,", file.file);
    }
  }
  Files& files = tree->levels[level];
  if (level == 0) {
    files.push_back(file);
    return Status::Ok();
  }
  // The first file that does not end before this one begins.
  const auto at = std::lower_bound(
      files.begin(), files.end(), file.smallest_key,
      [](const FileMetadata& a, const std::string& key) { return a.largest_key < key; });
  if (at != files.end() && at->smallest_key <= file.largest_key) {
    return Misfit("adds a file that overlaps others of its level,", file.file);
  }
  files.insert(at, file);
  return Status::Ok();
}

Status ApplyLogs(const VersionEdit& edit, ManifestState* state) {
  if (edit.log_start) state->log_start = *edit.log_start;
  for (const uint64_t log : edit.added_logs) {
    if (!state->logs.insert(log).second) return Misfit("adds a log twice,", log);
    state->next_file_number = std::max(state->next_file_number, log + 1);
  }
  for (const uint64_t log : edit.removed_logs) {
    if (state->logs.erase(log) == 0) return Misfit("removes a log that is not there,", log);
  }
  return Status::Ok();
}

Status ApplyTrees(const VersionEdit& edit, ManifestState* state) {
  for (const TreeId tree : edit.created_trees) {
    if (!state->trees.try_emplace(tree).second) return Misfit("creates a tree twice,", tree);
    state->next_tree_id = std::max(state->next_tree_id, tree + 1);
  }
  for (const TreeId tree : edit.dropped_trees) {
    if (state->trees.erase(tree) == 0) return Misfit("drops a tree that is not there,", tree);
  }
  for (const VersionEdit::TreeFlushed& flushed : edit.flushed) {
    const auto tree = state->trees.find(flushed.tree);
    if (tree == state->trees.end())
      return Misfit("flushes a tree that is not there,", flushed.tree);
    if (flushed.through < tree->second.flushed_through) {
      return Misfit("takes back a flush of tree", flushed.tree);
    }
    tree->second.flushed_through = flushed.through;
    tree->second.counters = flushed.counters;
  }
  return Status::Ok();
}

Status ApplyFiles(const VersionEdit& edit, ManifestState* state) {
  for (const VersionEdit::RemovedFile& removed : edit.removed_files) {
    const auto tree = state->trees.find(removed.tree);
    if (tree == state->trees.end()) return Misfit("removes a file of no tree,", removed.file);
    RETURN_IF_ERROR(RemoveFile(&tree->second.levels[removed.level], removed.file));
  }
  for (const VersionEdit::AddedFile& added : edit.added_files) {
    const auto tree = state->trees.find(added.tree);
    if (tree == state->trees.end()) return Misfit("adds a file to no tree,", added.file.file);
    RETURN_IF_ERROR(AddFile(&tree->second, added.level, added.file));
    state->next_file_number = std::max(state->next_file_number, added.file.file + 1);
  }
  return Status::Ok();
}

}  // namespace

Status ManifestState::Apply(const VersionEdit& edit) {
  RETURN_IF_ERROR(Raise(edit.next_file_number, &next_file_number, "next file number"));
  RETURN_IF_ERROR(Raise(edit.wal_synced_through, &wal_synced_through, "wal synced through"));
  RETURN_IF_ERROR(Raise(edit.structural_through, &structural_through, "structural through"));
  if (edit.next_tree_id) {
    if (*edit.next_tree_id < next_tree_id) {
      return Misfit("next tree id goes back to", *edit.next_tree_id);
    }
    next_tree_id = *edit.next_tree_id;
  }
  clean_stop = edit.clean_stop.value_or(0);
  RETURN_IF_ERROR(ApplyLogs(edit, this));
  RETURN_IF_ERROR(ApplyTrees(edit, this));
  return ApplyFiles(edit, this);
}

ManifestState::Saved ManifestState::Save(const VersionEdit& edit) const {
  Saved saved = {next_file_number, next_tree_id, wal_synced_through, clean_stop,
                 log_start,        logs,         structural_through, {}};
  const auto save = [&](TreeId id) {
    const auto [at, is_new] = saved.trees.try_emplace(id);
    if (!is_new) return;
    if (const auto tree = trees.find(id); tree != trees.end()) at->second = tree->second;
  };
  for (const TreeId tree : edit.created_trees) save(tree);
  for (const TreeId tree : edit.dropped_trees) save(tree);
  for (const VersionEdit::TreeFlushed& flushed : edit.flushed) save(flushed.tree);
  for (const VersionEdit::RemovedFile& file : edit.removed_files) save(file.tree);
  for (const VersionEdit::AddedFile& file : edit.added_files) save(file.tree);
  return saved;
}

void ManifestState::Restore(Saved saved) {
  next_file_number = saved.next_file_number;
  next_tree_id = saved.next_tree_id;
  wal_synced_through = saved.wal_synced_through;
  clean_stop = saved.clean_stop;
  log_start = saved.log_start;
  logs = std::move(saved.logs);
  structural_through = saved.structural_through;
  for (auto& [id, tree] : saved.trees) {
    if (tree) {
      trees[id] = std::move(*tree);
    } else {
      trees.erase(id);
    }
  }
}

VersionEdit ManifestState::Snapshot() const {
  VersionEdit edit;
  edit.next_file_number = next_file_number;
  edit.next_tree_id = next_tree_id;
  edit.wal_synced_through = wal_synced_through;
  if (clean_stop != 0) edit.clean_stop = clean_stop;
  edit.log_start = log_start;
  edit.added_logs.assign(logs.begin(), logs.end());
  edit.structural_through = structural_through;
  for (const auto& [id, tree] : trees) {
    edit.created_trees.push_back(id);
    edit.flushed.push_back({id, tree.flushed_through, tree.counters});
    for (int level = 0; level < kMaxLevels; ++level) {
      for (const FileMetadata& file : tree.levels[level]) {
        edit.added_files.push_back({id, level, file});
      }
    }
  }
  return edit;
}

}  // namespace lsm
