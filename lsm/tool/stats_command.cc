// SPDX-License-Identifier: BSD-3-Clause
// varve-tool stats: what a database consists of, in numbers and a picture.
//
// It reads the manifest and the sizes of files, takes no lock and changes nothing, and so may run
// beside a server: it then shows the state of one moment. What the server keeps in memory is not
// in it.

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "lsm/format/file_names.h"
#include "lsm/tool/command.h"
#include "lsm/tool/database_files.h"
#include "lsm/version/manifest.h"

namespace lsm::tool {

constinit const std::string_view kStatsUsage =
    "varve-tool stats DIR [--all]      levels, sizes and amplification of the largest trees, or "
    "of\n"
    "                                  all; may run beside a server\n";

namespace {

constexpr size_t kShownTrees = 16;
constexpr size_t kBarWidth = 40;

struct LevelSum {
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t entries = 0;
  uint64_t tombstones = 0;

  void Add(const LevelSum& other) {
    files += other.files;
    bytes += other.bytes;
    entries += other.entries;
    tombstones += other.tombstones;
  }
};

struct TreeSum {
  TreeId id = 0;
  std::array<LevelSum, kMaxLevels> levels;
  LevelSum total;
};

TreeSum SumOf(TreeId id, const ManifestState::Tree& tree) {
  TreeSum sum;
  sum.id = id;
  for (size_t level = 0; level < sum.levels.size(); ++level) {
    for (const FileMetadata& file : tree.levels[level]) {
      sum.levels[level].Add({1, file.file_size, file.entries, file.tombstones});
    }
    sum.total.Add(sum.levels[level]);
  }
  return sum;
}

std::string Padded(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

void PrintLine(const std::string& name, const LevelSum& sum, const std::string& bar) {
  Print("  " + name + Padded(std::to_string(sum.files), 12 - name.size()) +
        Padded(Size(sum.bytes), 12) + Padded(std::to_string(sum.entries), 14) +
        Padded(std::to_string(sum.tombstones), 12) + (bar.empty() ? "" : "  " + bar) + "\n");
}

// How much of what is stored may be superseded: all of a tree's bytes over those of its last level,
// which holds each key once. Of a tree with L0 alone nothing is known.
std::string Amplification(const TreeSum& tree) {
  for (size_t level = tree.levels.size() - 1; level > 0; --level) {
    const uint64_t last = tree.levels[level].bytes;
    if (last == 0) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%.2f",
                  static_cast<double>(tree.total.bytes) / static_cast<double>(last));
    return text;
  }
  return "unknown: everything is in L0";
}

void PrintTree(const TreeSum& tree) {
  Print("\ntree " + std::to_string(tree.id) + "\n");
  Print("  level" + Padded("files", 7) + Padded("size", 12) + Padded("records", 14) +
        Padded("tombstones", 12) + "\n");
  uint64_t most = 1;
  for (const LevelSum& level : tree.levels) most = std::max(most, level.bytes);
  for (size_t level = 0; level < tree.levels.size(); ++level) {
    const LevelSum& sum = tree.levels[level];
    if (sum.files == 0) continue;
    const size_t width = std::max<size_t>(1, kBarWidth * sum.bytes / most);
    PrintLine("L" + std::to_string(level), sum, std::string(width, '#'));
  }
  PrintLine("all", tree.total, "");
  // Each file of L0 is a run of its own; of a deeper level all files together are one.
  uint64_t runs = tree.levels[0].files;
  for (size_t level = 1; level < tree.levels.size(); ++level) runs += tree.levels[level].files > 0;
  Print("  sorted runs: " + std::to_string(runs) +
        "; space amplification, at most: " + Amplification(tree) + "\n");
}

// Beside a server the manifest may give way to the next one while it is read.
Result<ManifestRecovery> ReadState(FileSystem* fs, const std::string& directory) {
  constexpr int kTries = 5;
  Result<ManifestRecovery> recovered = RecoverManifest(fs, directory);
  for (int i = 1; i < kTries && !recovered.ok(); ++i) recovered = RecoverManifest(fs, directory);
  return recovered;
}

// Files that several trees, or slices, share count once.
void PrintDisk(FileSystem* fs, const DatabaseFiles& files, const ManifestState& state) {
  std::set<uint64_t> seen;
  LevelSum tables;
  for (const auto& [id, tree] : state.trees) {
    for (const std::vector<FileMetadata>& level : tree.levels) {
      for (const FileMetadata& file : level) {
        if (seen.insert(file.file).second) tables.Add({1, file.file_size, 0, 0});
      }
    }
  }
  const auto sum = [&](const std::vector<uint64_t>& numbers, const auto& name) {
    uint64_t bytes = 0;
    for (const uint64_t number : numbers) {
      const Result<uint64_t> size = fs->FileSize(name(files.directory, number));
      if (size.ok()) bytes += *size;
    }
    return bytes;
  };
  Print("SST files: " + std::to_string(tables.files) + ", " + Size(tables.bytes) + "\n");
  if (!files.blobs.empty()) {
    Print("blob files: " + std::to_string(files.blobs.size()) + ", " +
          Size(sum(files.blobs, BlobFileName)) + "\n");
  }
  Print("log segments: " + std::to_string(state.logs.size()) + " in use, " +
        std::to_string(files.logs.size()) + " there, " + Size(sum(files.logs, WalFileName)) + "\n");
}

int Show(FileSystem* fs, const std::string& directory, bool all) {
  const Result<DatabaseFiles> files = DatabaseFiles::List(fs, directory);
  if (!files.ok()) return Fail(files.status());
  const Result<ManifestRecovery> recovered = ReadState(fs, directory);
  if (!recovered.ok()) return Fail(recovered.status());
  const ManifestState& state = recovered->state;
  std::vector<TreeSum> trees;
  for (const auto& [id, tree] : state.trees) trees.push_back(SumOf(id, tree));
  std::stable_sort(trees.begin(), trees.end(), [](const TreeSum& a, const TreeSum& b) {
    return a.total.bytes > b.total.bytes;
  });
  Print("manifest: " + std::to_string(recovered->number) +
        "; trees: " + std::to_string(trees.size()) + "\n");
  PrintDisk(fs, *files, state);
  const size_t shown = all ? trees.size() : std::min(trees.size(), kShownTrees);
  for (size_t i = 0; i < shown; ++i) PrintTree(trees[i]);
  if (shown < trees.size()) {
    Print("\n" + std::to_string(trees.size() - shown) + " smaller trees: see --all\n");
  }
  return kDone;
}

}  // namespace

int RunStats(FileSystem* fs, Arguments arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") {
    Print(kStatsUsage);
    return kDone;
  }
  const bool all = arguments.size() == 2 && arguments[1] == "--all";
  if (arguments.size() != (all ? 2 : 1)) {
    return Misused("stats: one directory is wanted", kStatsUsage);
  }
  return Show(fs, std::string(arguments[0]), all);
}

}  // namespace lsm::tool
