// SPDX-License-Identifier: BSD-3-Clause
// VersionEdit is one change to what the manifest knows; the first edit of a manifest is the whole
// state. An edit applies whole or not at all.
//
// Encoding: fields with ascending tags, each absent if it says nothing, repeated where it lists.
//
//     varint tag, then by tag (persisted: never renumber):
//      1  next file number    varint
//      2  next tree id        varint
//      3  wal synced through  varint: the log was on disk through this sequence
//      4  clean stop          varint: the log ended here, whole and synced, at a clean close
//      5  log start           varint sequence, fixed64 checksum: what the oldest segment chains to
//      6  add log             varint segment
//      7  remove log          varint segment
//      8  structural through  varint: structural operations up to here are in the manifest
//      9  create tree         varint tree
//     10  drop tree           varint tree
//     11  tree flushed        varint tree, varint sequence, counters as zigzag varints
//     12  remove file         varint tree, varint level, varint file
//     13  add file            varint tree, varint level, file metadata
//
//     file metadata: varint file, varint slice tree, varint file size, varint slice size,
//       varint entries, varint tombstones, varint smallest sequence, varint largest sequence,
//       varint length, smallest user key, varint length, largest user key,
//       varint number of blob files that its records point to, and for each, ascending:
//         varint blob file, varint file size, varint values, varint bytes
//
// Thread safety: none; plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/wal/log_writer.h"

namespace lsm {

inline constexpr int kMaxLevels = 7;

// What of a blob file a slice's records point to.
struct BlobReference {
  uint64_t file = 0;
  uint64_t file_size = 0;
  uint64_t values = 0;
  uint64_t bytes = 0;  // that these values take in the file

  bool operator==(const BlobReference&) const = default;
};

// One tree's slice of an SST file.
struct FileMetadata {
  uint64_t file = 0;
  TreeId slice_tree = 0;    // under which id the slice stands in the file
  uint64_t file_size = 0;   // of the whole file
  uint64_t slice_size = 0;  // of the slice: its data, filter, properties and index blocks
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  std::string smallest_key;  // user keys
  std::string largest_key;
  std::vector<BlobReference> blobs;  // ascending by file

  bool operator==(const FileMetadata&) const = default;
  // Whether `user_key` is in its range. (compare: clang 14 has no <=> for it within a template.)
  bool Covers(std::string_view user_key) const {
    return smallest_key.compare(user_key) <= 0 && largest_key.compare(user_key) >= 0;
  }
};

struct VersionEdit {
  struct TreeFlushed {
    TreeId tree = 0;
    // Records of the tree up to here are in files, and `counters` counts exactly them.
    SequenceNumber through = 0;
    TreeCounters counters{};
  };
  struct AddedFile {
    TreeId tree = 0;
    int level = 0;
    FileMetadata file;
  };
  struct RemovedFile {
    TreeId tree = 0;
    int level = 0;
    uint64_t file = 0;
  };

  std::optional<uint64_t> next_file_number;
  std::optional<TreeId> next_tree_id;
  std::optional<SequenceNumber> wal_synced_through;
  std::optional<SequenceNumber> clean_stop;
  std::optional<LogPosition> log_start;
  std::vector<uint64_t> added_logs;
  std::vector<uint64_t> removed_logs;
  std::optional<SequenceNumber> structural_through;
  std::vector<TreeId> created_trees;
  std::vector<TreeId> dropped_trees;
  std::vector<TreeFlushed> flushed;
  std::vector<RemovedFile> removed_files;
  std::vector<AddedFile> added_files;

  void EncodeTo(std::string* to) const;
  // `bytes` may be hostile: kCorruption, without a file's name, unless they are what EncodeTo makes
  // of numbers that make sense.
  static Result<VersionEdit> Decode(std::string_view bytes);
  // One line a field, for dumps and golden files.
  std::string DebugString() const;
};

}  // namespace lsm
