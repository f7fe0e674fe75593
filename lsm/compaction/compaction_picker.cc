// SPDX-License-Identifier: BSD-3-Clause
// Picking, in order:
//   1. The level with the highest score, if that is 1 or more. L0: its files against the trigger,
//      or the space its tombstones give back against what is below. Others: weight against target;
//      a file that is half tombstones makes a score of 1.
//   2. From L0: files that are in nobody's way move down; otherwise all of L0 goes down.
//   3. From another level: the file that has least beneath it for its weight; of several the
//      oldest, so that every file has its turn.
//   4. From the last level: a file of many tombstones that hide nothing any more is written anew.
//   5. While idle and with nothing due: the same from top to bottom, for whatever is worth it; and
//      files whose records point to blob files that are mostly garbage.

#include "lsm/compaction/compaction_picker.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "lsm/util/check.h"

namespace lsm {
namespace {

constexpr int kLast = CompactionPicker::kLastLevel;
constexpr double kMoveEverything = 100;  // the score of a level whose target is nothing

uint64_t BytesOf(std::span<const FileRef> files) {
  uint64_t bytes = 0;
  for (const FileRef& file : files) bytes += file->slice_size;
  return bytes;
}

// The average record of the deepest level that has any: what a tombstone removes.
double AverageRecord(const Version& version) {
  for (int level = kLast; level >= 0; --level) {
    const Version::Sums& sums = version.sums(level);
    if (sums.entries > 0) {
      return static_cast<double>(sums.bytes) / static_cast<double>(sums.entries);
    }
  }
  return 0;
}

double Weight(const FileMetadata& file, double average) {
  return static_cast<double>(file.slice_size) + static_cast<double>(file.tombstones) * average;
}

double LevelWeight(const Version& version, int level) {
  const Version::Sums& sums = version.sums(level);
  return static_cast<double>(sums.bytes) +
         static_cast<double>(sums.tombstones) * AverageRecord(version);
}

uint64_t BytesBelow(const Version& version, int level) {
  uint64_t bytes = 0;
  for (int below = level + 1; below <= kLast; ++below) bytes += version.sums(below).bytes;
  return bytes;
}

// The first level below `level` that has files; kMaxLevels if there is none.
int NextUsed(const Version& version, int level) {
  int next = level + 1;
  while (next <= kLast && version.files(next).empty()) ++next;
  return next;
}

bool Overlap(const FileMetadata& a, const FileMetadata& b) {
  return a.smallest_key <= b.largest_key && b.smallest_key <= a.largest_key;
}

bool InRange(const FileMetadata& file, const CompactionRange& range) {
  return (!range.begin || file.largest_key >= *range.begin) &&
         (!range.end || file.smallest_key < *range.end);
}

// Whether tombstones of the file that hide nothing are certain to go when it is written anew.
bool Settled(const FileMetadata& file, const CompactionSituation& situation) {
  return file.largest_sequence <= situation.oldest_pin;
}

bool HasTombstones(const FileMetadata& file, double least_share) {
  return file.tombstones > 0 &&
         static_cast<double>(file.tombstones) >= least_share * static_cast<double>(file.entries);
}

}  // namespace

std::string_view ToString(CompactionKind kind) {
  switch (kind) {
    case CompactionKind::kMerge:
      return "merge";
    case CompactionKind::kMove:
      return "move";
    case CompactionKind::kDrop:
      return "drop";
  }
  return "unknown";
}

std::string_view ToString(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kL0:
      return "l0";
    case CompactionReason::kLevelSize:
      return "size";
    case CompactionReason::kTombstones:
      return "tombstones";
    case CompactionReason::kIdle:
      return "idle";
    case CompactionReason::kManual:
      return "manual";
    case CompactionReason::kSharedFile:
      return "shared-file";
  }
  return "unknown";
}

CompactionLimits CompactionLimits::From(const Options& options) {
  CompactionLimits limits;
  // Writes never stop for files that no compaction would come for.
  limits.l0_trigger = std::max(1, std::min(options.l0_merge_trigger, options.l0_slowdown_trigger));
  limits.target_file_size = options.target_file_size;
  limits.max_bytes = 25 * uint64_t{options.target_file_size};
  return limits;
}

double CompactionPicker::SizeScore(const Version& version, int level) const {
  if (version.files(level).empty()) return 0;
  if (level == 0) {
    const double runs =
        static_cast<double>(version.files(0).size()) / static_cast<double>(limits_.l0_trigger);
    const double below = static_cast<double>(BytesBelow(version, 0));
    const double dead = static_cast<double>(version.sums(0).tombstones) * AverageRecord(version);
    return below > 0 ? std::max(runs, 2 * dead / below) : runs;
  }
  double target = static_cast<double>(version.sums(kLast).bytes);
  for (int i = level; i < kLast; ++i) target /= limits_.fan_out;
  const double weight = LevelWeight(version, level);
  return weight < kMoveEverything * target ? weight / target : kMoveEverything;
}

double CompactionPicker::LevelScore(const Version& version, int level) const {
  const double score = SizeScore(version, level);
  return level > 0 && version.sums(level).heavy_files > 0 ? std::max(score, 1.0) : score;
}

int CompactionPicker::WorstLevel(const Version& version, double* score) const {
  int worst = 0;
  *score = 0;
  for (int level = 0; level < kLast; ++level) {
    const double own = LevelScore(version, level);
    if (own > *score) {
      worst = level;
      *score = own;
    }
  }
  return worst;
}

double CompactionPicker::Score(const Version& version, const CompactionSituation& situation) const {
  double score = 0;
  WorstLevel(version, &score);
  if (score < 1 && version.sums(kLast).heavy_files > 0 &&
      PickLastLevel(version, situation, Version::kHeavyShare).has_value()) {
    score = 1;
  }
  return score;
}

std::optional<Compaction> CompactionPicker::Pick(const Version& version,
                                                 const CompactionSituation& situation) const {
  double score = 0;
  const int level = WorstLevel(version, &score);
  if (situation.pressure && !version.files(0).empty()) {
    return PickL0(version, situation, limits_.fan_out);
  }
  if (score >= 1) {
    return level == 0 ? PickL0(version, situation, limits_.fan_out)
                      : PickLevel(version, level, situation, limits_.fan_out, false);
  }
  if (version.sums(kLast).heavy_files > 0) {
    if (auto picked = PickLastLevel(version, situation, Version::kHeavyShare)) return picked;
  }
  return situation.idle ? PickIdle(version, situation) : std::nullopt;
}

// 1. Begin with the files and the range of their keys.
// 2. Level by level: what overlaps the range would have to be rewritten. Stop before that is too
//    heavy for what goes down; the first step is taken if a level right below is in the way.
// 3. What was taken in widens the range for the levels further down.
Compaction CompactionPicker::Descend(const Version& version, int level, std::vector<FileRef> files,
                                     double fan_out) const {
  const double average = AverageRecord(version);
  Compaction result;
  result.output_level = level;
  double weight = 0;
  uint64_t bytes = 0;
  std::string_view smallest = files.front()->smallest_key;
  std::string_view largest = files.front()->largest_key;
  const auto take = [&](int from, const FileRef& file) {
    smallest = std::min(smallest, std::string_view(file->smallest_key));
    largest = std::max(largest, std::string_view(file->largest_key));
    bytes += file->slice_size;
    result.inputs.push_back({from, file});
  };
  for (const FileRef& file : files) {
    weight += Weight(*file, average);
    take(level, file);
  }
  double rewritten = 0;
  for (int next = level + 1; next <= kLast; ++next) {
    const std::span<const FileRef> overlapping = version.Overlapping(next, smallest, largest);
    const uint64_t more = BytesOf(overlapping);
    const bool too_heavy = rewritten + static_cast<double>(more) > fan_out * weight ||
                           (level > 0 && bytes + more > limits_.max_bytes);
    if (!overlapping.empty() && too_heavy && next > level + 1) break;
    result.output_level = next;
    rewritten += static_cast<double>(more);
    for (const FileRef& file : overlapping) take(next, file);
  }
  return result;
}

void CompactionPicker::SetKind(const Version& version, const CompactionSituation& situation,
                               Compaction* compaction) const {
  compaction->kind = CompactionKind::kMerge;
  std::string_view smallest = compaction->inputs.front().file->smallest_key;
  std::string_view largest = compaction->inputs.front().file->largest_key;
  bool in_the_way = false;
  bool settled = true;
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  for (size_t i = 0; i < compaction->inputs.size(); ++i) {
    const FileMetadata& file = *compaction->inputs[i].file;
    smallest = std::min(smallest, std::string_view(file.smallest_key));
    largest = std::max(largest, std::string_view(file.largest_key));
    entries += file.entries;
    tombstones += file.tombstones;
    settled = settled && Settled(file, situation);
    for (size_t j = 0; j < i && !in_the_way; ++j) {
      in_the_way = Overlap(file, *compaction->inputs[j].file);
    }
  }
  bool anything_beneath = false;
  uint64_t grandparents = 0;  // bytes of the first level beneath that overlaps
  for (int level = compaction->output_level + 1; level <= kLast && grandparents == 0; ++level) {
    const auto overlapping = version.Overlapping(level, smallest, largest);
    anything_beneath = anything_beneath || !overlapping.empty();
    grandparents = BytesOf(overlapping);
  }
  if (tombstones == entries && settled && !anything_beneath) {
    compaction->kind = CompactionKind::kDrop;
    return;
  }
  const bool useless_tombstones = tombstones > 0 && !anything_beneath;
  const int source = compaction->inputs.front().level;
  const bool one_level = compaction->inputs.back().level == source;
  const double bearable =
      2 * limits_.fan_out *
      static_cast<double>(std::max(compaction->InputBytes(), limits_.target_file_size));
  if (one_level && source != compaction->output_level && !in_the_way && !useless_tombstones &&
      static_cast<double>(grandparents) <= bearable) {
    compaction->kind = CompactionKind::kMove;
  }
}

std::optional<Compaction> CompactionPicker::PickMoves(const Version& version,
                                                      const CompactionSituation& situation) const {
  const std::vector<FileRef>& l0 = version.files(0);
  Compaction moves;
  for (size_t i = 0; i < l0.size(); ++i) {
    const FileMetadata& file = *l0[i];
    bool alone = file.tombstones == 0;
    for (size_t j = 0; j < l0.size() && alone; ++j) alone = i == j || !Overlap(file, *l0[j]);
    if (!alone) continue;
    int level = 0;
    while (level < kLast &&
           version.Overlapping(level + 1, file.smallest_key, file.largest_key).empty()) {
      ++level;
    }
    if (level == 0 || level < moves.output_level) continue;
    if (level > moves.output_level) moves.inputs.clear();
    moves.output_level = level;
    moves.inputs.push_back({0, l0[i]});
  }
  if (moves.inputs.empty()) return std::nullopt;
  SetKind(version, situation, &moves);
  if (moves.kind != CompactionKind::kMove) return std::nullopt;
  return moves;
}

std::optional<Compaction> CompactionPicker::PickL0(const Version& version,
                                                   const CompactionSituation& situation,
                                                   double fan_out) const {
  const std::vector<FileRef>& l0 = version.files(0);
  if (l0.empty()) return std::nullopt;
  if (l0.size() > 1) {
    if (auto moves = PickMoves(version, situation)) return moves;
  }
  Compaction down = Descend(version, 0, l0, fan_out);
  if (situation.pressure && down.InputBytes() > 2 * BytesOf(l0)) {
    Compaction run = Descend(version, 0, l0, /*fan_out=*/0);
    const bool is_run = run.inputs.back().level == 0;
    if (is_run && run.output_level >= kLast - kMaxExtraRuns) down = std::move(run);
  }
  const bool few = l0.size() < static_cast<size_t>(limits_.l0_trigger);
  down.reason = few ? CompactionReason::kTombstones : CompactionReason::kL0;
  SetKind(version, situation, &down);
  return down;
}

std::optional<Compaction> CompactionPicker::PickLevel(const Version& version, int level,
                                                      const CompactionSituation& situation,
                                                      double fan_out, bool if_worth) const {
  const double average = AverageRecord(version);
  const int next = NextUsed(version, level);
  // Otherwise only files that are half tombstones make the level due.
  const bool heavy_only =
      !if_worth && SizeScore(version, level) < 1 && version.sums(level).heavy_files > 0;
  const FileRef* best = nullptr;
  double best_ratio = std::numeric_limits<double>::infinity();
  for (const FileRef& file : version.files(level)) {
    if (heavy_only && !HasTombstones(*file, Version::kHeavyShare)) continue;
    double beneath = 0;
    if (next <= kLast) {
      beneath = static_cast<double>(
          BytesOf(version.Overlapping(next, file->smallest_key, file->largest_key)));
    }
    const double ratio = beneath / std::max(Weight(*file, average), 1.0);
    if (best == nullptr || ratio < best_ratio ||
        (ratio == best_ratio && file->file < (*best)->file)) {
      best = &file;
      best_ratio = ratio;
    }
  }
  if (best == nullptr) return std::nullopt;
  if (if_worth && best_ratio > fan_out) return std::nullopt;
  Compaction down = Descend(version, level, {*best}, fan_out);
  down.reason = heavy_only ? CompactionReason::kTombstones : CompactionReason::kLevelSize;
  SetKind(version, situation, &down);
  return down;
}

std::optional<Compaction> CompactionPicker::PickLastLevel(const Version& version,
                                                          const CompactionSituation& situation,
                                                          double least_share) const {
  if (version.sums(kLast).tombstones == 0) return std::nullopt;
  for (const FileRef& file : version.files(kLast)) {
    if (!HasTombstones(*file, least_share) || !Settled(*file, situation)) continue;
    Compaction anew;
    anew.reason = CompactionReason::kTombstones;
    anew.inputs.push_back({kLast, file});
    anew.output_level = kLast;
    SetKind(version, situation, &anew);
    return anew;
  }
  return std::nullopt;
}

std::optional<Compaction> CompactionPicker::PickIdle(const Version& version,
                                                     const CompactionSituation& situation) const {
  const auto idle = [](std::optional<Compaction> picked) {
    if (picked) picked->reason = CompactionReason::kIdle;
    return picked;
  };
  if (!version.files(0).empty()) {
    auto picked = PickL0(version, situation, limits_.idle_fan_out);
    // A lone run that only becomes one elsewhere is no gain.
    const bool fewer_runs = version.files(0).size() > 1 || picked->output_level == kLast ||
                            !version.files(picked->output_level).empty() ||
                            picked->kind == CompactionKind::kDrop;
    if (fewer_runs) return idle(std::move(picked));
  }
  for (int level = 1; level < kLast; ++level) {
    if (version.files(level).empty()) continue;
    if (auto picked = PickLevel(version, level, situation, limits_.idle_fan_out, true)) {
      return idle(std::move(picked));
    }
  }
  if (auto picked = PickLastLevel(version, situation, 1 / limits_.idle_fan_out)) {
    return idle(std::move(picked));
  }
  return idle(PickWasteful(version, situation));
}

std::optional<Compaction> CompactionPicker::PickWasteful(
    const Version& version, const CompactionSituation& situation) const {
  if (situation.wasteful_blobs == nullptr || situation.wasteful_blobs->empty()) return std::nullopt;
  for (int level = 1; level <= kLast; ++level) {
    for (const FileRef& file : version.files(level)) {
      uint64_t bytes = 0;  // to be written anew; at least as much becomes free
      for (const BlobReference& blob : file->blobs) {
        if (situation.wasteful_blobs->contains(blob.file)) bytes += blob.bytes;
      }
      if (static_cast<double>(bytes) * limits_.idle_fan_out <
          static_cast<double>(std::max<uint64_t>(file->slice_size, 1))) {
        continue;
      }
      return PickSlice(version, level, file, situation);
    }
  }
  return std::nullopt;
}

std::optional<Compaction> CompactionPicker::PickRange(const Version& version,
                                                      const CompactionRange& range,
                                                      uint64_t first_new_file,
                                                      const CompactionSituation& situation) const {
  const auto manual = [](std::optional<Compaction> picked) {
    if (picked) picked->reason = CompactionReason::kManual;
    return picked;
  };
  CompactionSituation calm = situation;
  calm.pressure = false;
  for (int level = 0; level <= kLast; ++level) {
    std::vector<FileRef> files;
    uint64_t bytes = 0;
    for (const FileRef& file : version.files(level)) {
      if (!InRange(*file, range)) continue;
      // What was flushed since is not asked for: or else there would be no end while writers write.
      if (level == 0 && file->file >= first_new_file) continue;
      if (level == 0) return manual(PickL0(version, calm, limits_.fan_out));
      if (level == kLast && file->file >= first_new_file) {
        if (files.empty()) continue;
        break;  // what is written together lies together
      }
      if (!files.empty() && bytes + file->slice_size > limits_.max_bytes / 4) break;
      bytes += file->slice_size;
      files.push_back(file);
    }
    if (files.empty()) continue;
    if (level < kLast) {
      Compaction down =
          Descend(version, level, std::move(files), std::numeric_limits<double>::infinity());
      SetKind(version, calm, &down);
      return manual(std::move(down));
    }
    Compaction anew;
    anew.output_level = kLast;
    for (FileRef& file : files) anew.inputs.push_back({kLast, std::move(file)});
    return manual(std::move(anew));
  }
  return std::nullopt;
}

Compaction CompactionPicker::PickSlice(const Version& version, int level, const FileRef& file,
                                       const CompactionSituation& situation) const {
  Compaction anew;
  if (level == 0) {
    anew = Descend(version, 0, version.files(0), limits_.fan_out);
  } else {
    anew.inputs.push_back({level, file});
    anew.output_level = level;
  }
  SetKind(version, situation, &anew);
  if (anew.kind == CompactionKind::kMove) anew.kind = CompactionKind::kMerge;
  anew.reason = CompactionReason::kSharedFile;
  return anew;
}

uint64_t CompactionPicker::PendingBytes(const Version& version) const {
  double pending = 0;
  if (LevelScore(version, 0) >= 1) {
    pending += static_cast<double>(version.sums(0).bytes) +
               std::min(static_cast<double>(BytesBelow(version, 0)),
                        limits_.fan_out * LevelWeight(version, 0));
  }
  for (int level = 1; level < kLast; ++level) {
    const double score = LevelScore(version, level);
    if (score <= 1) continue;
    const double excess = LevelWeight(version, level) * (1 - 1 / score);
    pending += std::min(excess * (1 + limits_.fan_out),
                        excess + static_cast<double>(BytesBelow(version, level)));
  }
  return static_cast<uint64_t>(pending);
}

}  // namespace lsm
