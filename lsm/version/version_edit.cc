// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/version/version_edit.h"

#include "lsm/format/coding.h"
#include "lsm/format/file_names.h"
#include "lsm/util/quote.h"

namespace lsm {
namespace {

// Persisted: never renumber.
enum class Tag : uint64_t {
  kNone = 0,
  kNextFileNumber = 1,
  kNextTreeId = 2,
  kWalSyncedThrough = 3,
  kCleanStop = 4,
  kLogStart = 5,
  kAddLog = 6,
  kRemoveLog = 7,
  kStructuralThrough = 8,
  kCreateTree = 9,
  kDropTree = 10,
  kTreeFlushed = 11,
  kRemoveFile = 12,
  kAddFile = 13,
};

bool IsList(Tag tag) {
  return tag == Tag::kAddLog || tag == Tag::kRemoveLog || tag >= Tag::kCreateTree;
}

void PutTag(std::string* to, Tag tag) { PutVarint64(to, static_cast<uint64_t>(tag)); }

void PutNumber(std::string* to, Tag tag, uint64_t number) {
  PutTag(to, tag);
  PutVarint64(to, number);
}

void PutFile(std::string* to, const FileMetadata& file) {
  PutVarint64(to, file.file);
  PutVarint32(to, file.slice_tree);
  PutVarint64(to, file.file_size);
  PutVarint64(to, file.slice_size);
  PutVarint64(to, file.entries);
  PutVarint64(to, file.tombstones);
  PutVarint64(to, file.smallest_sequence);
  PutVarint64(to, file.largest_sequence);
  PutLengthPrefixed(to, file.smallest_key);
  PutLengthPrefixed(to, file.largest_key);
  PutVarint64(to, file.blobs.size());
  for (const BlobReference& blob : file.blobs) {
    PutVarint64(to, blob.file);
    PutVarint64(to, blob.file_size);
    PutVarint64(to, blob.values);
    PutVarint64(to, blob.bytes);
  }
}

bool GetSequence(std::string_view* input, SequenceNumber* sequence) {
  return GetVarint64(input, sequence) && *sequence <= kMaxSequence;
}

// A number in a file's name.
bool GetFileNumber(std::string_view* input, uint64_t* number) {
  return GetVarint64(input, number) && *number > 0 && *number <= kMaxFileNumber;
}

bool GetTree(std::string_view* input, TreeId* tree) {
  return GetVarint32(input, tree) && *tree <= kMaxTreeId;
}

bool GetLevel(std::string_view* input, int* level) {
  uint64_t number;
  if (!GetVarint64(input, &number) || number >= uint64_t{kMaxLevels}) return false;
  *level = static_cast<int>(number);
  return true;
}

bool GetKey(std::string_view* input, std::string* key) {
  std::string_view bytes;
  if (!GetLengthPrefixed(input, &bytes) || bytes.size() > kMaxKeySize) return false;
  key->assign(bytes);
  return true;
}

bool GetBlobs(std::string_view* input, std::vector<BlobReference>* blobs) {
  uint64_t count;
  if (!GetVarint64(input, &count)) return false;
  uint64_t last = 0;
  for (; count > 0; --count) {
    BlobReference blob;
    if (!GetFileNumber(input, &blob.file) || blob.file <= last ||
        !GetVarint64(input, &blob.file_size) || !GetVarint64(input, &blob.values) ||
        blob.values == 0 || !GetVarint64(input, &blob.bytes) || blob.bytes > blob.file_size) {
      return false;
    }
    last = blob.file;
    blobs->push_back(blob);
  }
  return true;
}

bool GetFile(std::string_view* input, FileMetadata* file) {
  return GetFileNumber(input, &file->file) && GetTree(input, &file->slice_tree) &&
         GetVarint64(input, &file->file_size) && GetVarint64(input, &file->slice_size) &&
         file->slice_size <= file->file_size && GetVarint64(input, &file->entries) &&
         GetVarint64(input, &file->tombstones) && file->tombstones <= file->entries &&
         GetSequence(input, &file->smallest_sequence) &&
         GetSequence(input, &file->largest_sequence) &&
         file->smallest_sequence <= file->largest_sequence && GetKey(input, &file->smallest_key) &&
         GetKey(input, &file->largest_key) && file->smallest_key <= file->largest_key &&
         GetBlobs(input, &file->blobs);
}

// These take the value by reference: it is read by the call that yields `good`, which may be
// evaluated after the other arguments.
template <typename T>
bool Keep(bool good, std::optional<T>* field, const T& value) {
  if (good) *field = value;
  return good;
}

template <typename T>
bool Append(bool good, std::vector<T>* list, const T& value) {
  if (good) list->push_back(value);
  return good;
}

bool GetTreeFlushed(std::string_view* input, VersionEdit::TreeFlushed* flushed) {
  if (!GetTree(input, &flushed->tree) || !GetSequence(input, &flushed->through)) return false;
  for (int64_t& counter : flushed->counters) {
    if (!GetVarintSigned64(input, &counter)) return false;
  }
  return true;
}

// Tags 8 and above: what is about trees.
bool GetTreeField(std::string_view* input, Tag tag, VersionEdit* edit) {
  TreeId tree = 0;
  switch (tag) {
    case Tag::kCreateTree:
      return Append(GetTree(input, &tree), &edit->created_trees, tree);
    case Tag::kDropTree:
      return Append(GetTree(input, &tree), &edit->dropped_trees, tree);
    case Tag::kTreeFlushed: {
      VersionEdit::TreeFlushed flushed;
      const bool good = GetTreeFlushed(input, &flushed);
      return Append(good, &edit->flushed, flushed);
    }
    case Tag::kRemoveFile: {
      VersionEdit::RemovedFile file;
      const bool good = GetTree(input, &file.tree) && GetLevel(input, &file.level) &&
                        GetFileNumber(input, &file.file);
      return Append(good, &edit->removed_files, file);
    }
    case Tag::kAddFile: {
      VersionEdit::AddedFile file;
      const bool good =
          GetTree(input, &file.tree) && GetLevel(input, &file.level) && GetFile(input, &file.file);
      return Append(good, &edit->added_files, file);
    }
    default:
      return false;
  }
}

bool GetField(std::string_view* input, Tag tag, VersionEdit* edit) {
  uint64_t number = 0;
  switch (tag) {
    case Tag::kNextFileNumber:
      return Keep(GetFileNumber(input, &number), &edit->next_file_number, number);
    case Tag::kNextTreeId: {
      TreeId tree = 0;
      return Keep(GetTree(input, &tree), &edit->next_tree_id, tree);
    }
    case Tag::kWalSyncedThrough:
      return Keep(GetSequence(input, &number), &edit->wal_synced_through, number);
    case Tag::kCleanStop:
      return Keep(GetSequence(input, &number), &edit->clean_stop, number);
    case Tag::kLogStart: {
      LogPosition start;
      const bool good =
          GetSequence(input, &start.last_sequence) && GetFixed64(input, &start.last_checksum);
      return Keep(good, &edit->log_start, start);
    }
    case Tag::kAddLog:
      return Append(GetFileNumber(input, &number), &edit->added_logs, number);
    case Tag::kRemoveLog:
      return Append(GetFileNumber(input, &number), &edit->removed_logs, number);
    case Tag::kStructuralThrough:
      return Keep(GetSequence(input, &number), &edit->structural_through, number);
    default:
      return GetTreeField(input, tag, edit);
  }
}

std::string Text(uint64_t number) { return std::to_string(number); }

std::string DebugFile(const FileMetadata& file) {
  std::string text = "file " + Text(file.file) + " slice " + Text(file.slice_tree) + " size " +
                     Text(file.file_size) + " slice size " + Text(file.slice_size) + " entries " +
                     Text(file.entries) + " tombstones " + Text(file.tombstones) + " sequences " +
                     Text(file.smallest_sequence) + ".." + Text(file.largest_sequence) + " keys " +
                     Quoted(file.smallest_key) + ".." + Quoted(file.largest_key);
  for (const BlobReference& blob : file.blobs) {
    text += " blob " + Text(blob.file) + " of " + Text(blob.file_size) +
            " bytes: " + Text(blob.values) + " values, " + Text(blob.bytes) + " bytes";
  }
  return text;
}

}  // namespace

void VersionEdit::EncodeTo(std::string* to) const {
  if (next_file_number) PutNumber(to, Tag::kNextFileNumber, *next_file_number);
  if (next_tree_id) PutNumber(to, Tag::kNextTreeId, *next_tree_id);
  if (wal_synced_through) PutNumber(to, Tag::kWalSyncedThrough, *wal_synced_through);
  if (clean_stop) PutNumber(to, Tag::kCleanStop, *clean_stop);
  if (log_start) {
    PutNumber(to, Tag::kLogStart, log_start->last_sequence);
    PutFixed64(to, log_start->last_checksum);
  }
  for (const uint64_t log : added_logs) PutNumber(to, Tag::kAddLog, log);
  for (const uint64_t log : removed_logs) PutNumber(to, Tag::kRemoveLog, log);
  if (structural_through) PutNumber(to, Tag::kStructuralThrough, *structural_through);
  for (const TreeId tree : created_trees) PutNumber(to, Tag::kCreateTree, tree);
  for (const TreeId tree : dropped_trees) PutNumber(to, Tag::kDropTree, tree);
  for (const TreeFlushed& tree : flushed) {
    PutNumber(to, Tag::kTreeFlushed, tree.tree);
    PutVarint64(to, tree.through);
    for (const int64_t counter : tree.counters) PutVarintSigned64(to, counter);
  }
  for (const RemovedFile& file : removed_files) {
    PutNumber(to, Tag::kRemoveFile, file.tree);
    PutVarint64(to, static_cast<uint64_t>(file.level));
    PutVarint64(to, file.file);
  }
  for (const AddedFile& file : added_files) {
    PutNumber(to, Tag::kAddFile, file.tree);
    PutVarint64(to, static_cast<uint64_t>(file.level));
    PutFile(to, file.file);
  }
}

Result<VersionEdit> VersionEdit::Decode(std::string_view bytes) {
  VersionEdit edit;
  Tag last = Tag::kNone;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::string at = std::to_string(bytes.size() - rest.size());
    uint64_t number;
    if (!GetVarint64(&rest, &number)) return Status::Corruption("edit: byte " + at + ": no tag");
    const Tag tag = static_cast<Tag>(number);
    if (tag < last || (tag == last && !IsList(tag))) {
      return Status::Corruption("edit: byte " + at + ": tag " + Text(number) + " out of order");
    }
    if (!GetField(&rest, tag, &edit)) {
      return Status::Corruption("edit: byte " + at + ": bad field of tag " + Text(number));
    }
    last = tag;
  }
  return edit;
}

std::string VersionEdit::DebugString() const {
  std::string text;
  const auto line = [&text](const std::string& what) { text += what + "\n"; };
  if (next_file_number) line("next file number " + Text(*next_file_number));
  if (next_tree_id) line("next tree id " + Text(*next_tree_id));
  if (wal_synced_through) line("wal synced through " + Text(*wal_synced_through));
  if (clean_stop) line("clean stop " + Text(*clean_stop));
  if (log_start) {
    line("log start " + Text(log_start->last_sequence) + " checksum " +
         Text(log_start->last_checksum));
  }
  for (const uint64_t log : added_logs) line("add log " + Text(log));
  for (const uint64_t log : removed_logs) line("remove log " + Text(log));
  if (structural_through) line("structural through " + Text(*structural_through));
  for (const TreeId tree : created_trees) line("create tree " + Text(tree));
  for (const TreeId tree : dropped_trees) line("drop tree " + Text(tree));
  for (const TreeFlushed& tree : flushed) {
    std::string counters;
    for (const int64_t counter : tree.counters) counters += " " + std::to_string(counter);
    line("tree " + Text(tree.tree) + " flushed through " + Text(tree.through) + " counters" +
         counters);
  }
  for (const RemovedFile& file : removed_files) {
    line("remove from tree " + Text(file.tree) + " level " + std::to_string(file.level) + " file " +
         Text(file.file));
  }
  for (const AddedFile& file : added_files) {
    line("add to tree " + Text(file.tree) + " level " + std::to_string(file.level) + " " +
         DebugFile(file.file));
  }
  return text;
}

}  // namespace lsm
