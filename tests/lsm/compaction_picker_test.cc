// SPDX-License-Identifier: BSD-3-Clause
// What the picker decides, drawn as text. A tree is its levels, one a line, each file written
//
//     NUMBER:SMALLEST-LARGEST:MEGABYTES          and with :P% if P of a hundred records are
//                                                tombstones
//
// (L0 newest first), and a decision is
//
//     KIND INPUTS -> OUTPUT LEVEL (REASON)       inputs of different levels apart by " + "
//
// A record has 100 bytes. L0 is due with 4 files, a file's target is 16 MB.

#include "lsm/compaction/compaction_picker.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace lsm {
namespace {

constexpr uint64_t kMegabyte = 1'000'000;

FileRef ParseFile(const std::string& word) {
  FileMetadata file;
  char* at = nullptr;
  file.file = std::strtoull(word.c_str(), &at, 10);
  const std::string rest(at + 1);
  const size_t dash = rest.find('-');
  const size_t colon = rest.find(':');
  file.smallest_key = rest.substr(0, dash);
  file.largest_key = rest.substr(dash + 1, colon - dash - 1);
  file.slice_size = std::strtoull(rest.c_str() + colon + 1, &at, 10) * kMegabyte;
  file.file_size = file.slice_size;
  file.entries = file.slice_size / 100;
  if (*at == ':') file.tombstones = file.entries * std::strtoull(at + 1, nullptr, 10) / 100;
  file.largest_sequence = file.file * 100;
  return std::make_shared<const FileMetadata>(file);
}

std::shared_ptr<const Version> ParseTree(const std::string& text) {
  Version::Levels levels;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word)) continue;
    auto& files = levels.at(static_cast<size_t>(word.at(1) - '0'));
    while (words >> word) files.push_back(ParseFile(word));
  }
  return std::make_shared<const Version>(std::move(levels));
}

std::string Text(const std::optional<Compaction>& picked) {
  if (!picked) return "nothing";
  std::string text(ToString(picked->kind));
  for (size_t i = 0; i < picked->inputs.size(); ++i) {
    if (i > 0 && picked->inputs[i].level != picked->inputs[i - 1].level) text += " +";
    text += " " + std::to_string(picked->inputs[i].file->file);
  }
  text += " -> L" + std::to_string(picked->output_level);
  return text + " (" + std::string(ToString(picked->reason)) + ")";
}

CompactionPicker Picker() {
  CompactionLimits limits;
  limits.l0_trigger = 4;
  limits.target_file_size = 16 * kMegabyte;
  limits.max_bytes = 400 * kMegabyte;
  return CompactionPicker(limits);
}

struct Scene {
  const char* what;
  const char* levels;
  CompactionSituation situation;
  const char* decision;
};

constexpr CompactionSituation kCalm;
constexpr CompactionSituation kPressure{.pressure = true};
constexpr CompactionSituation kIdle{.idle = true};

constexpr Scene kScenes[] = {
    {"an empty tree needs nothing", "", kIdle, "nothing"},
    {"fewer files in L0 than the trigger wait", "L0 3:a-z:50 2:a-z:50 1:a-z:50", kCalm, "nothing"},
    {"L0 goes straight into the last level while that is small",
     "L0 9:a-z:50 8:a-z:50 7:a-z:50 6:a-z:50\n"
     "L6 1:a-g:400 2:h-z:600",
     kCalm, "merge 9 8 7 6 + 1 2 -> L6 (l0)"},
    {"only what overlaps is rewritten",
     "L0 9:a-c:50 8:a-c:50 7:b-c:50 6:a-b:50\n"
     "L6 1:a-g:400 2:h-z:600",
     kCalm, "merge 9 8 7 6 + 1 -> L6 (l0)"},
    {"what L0 brings is too light for a large last level: a level comes into being above it",
     "L0 9:a-z:10 8:a-z:10 7:a-z:10 6:a-z:10\n"
     "L6 1:a-g:400 2:h-z:600",
     kCalm, "merge 9 8 7 6 -> L5 (l0)"},
    {"L0 is merged with the level above the last one once there is one",
     "L0 9:a-z:10 8:a-z:10 7:a-z:10 6:a-z:10\n"
     "L5 5:a-m:16 4:n-z:16\n"
     "L6 1:a-g:400 2:h-z:600",
     kCalm, "merge 9 8 7 6 + 5 4 -> L5 (l0)"},
    {"a heavy L0 takes the level in between along",
     "L0 9:a-z:50 8:a-z:50 7:a-z:50 6:a-z:50\n"
     "L5 5:a-m:16 4:n-z:16\n"
     "L6 1:a-g:400 2:h-z:600",
     kCalm, "merge 9 8 7 6 + 5 4 + 1 2 -> L6 (l0)"},
    {"under pressure L0 becomes a run above the last level",
     "L0 9:a-z:50 8:a-z:50 7:a-z:50 6:a-z:50\n"
     "L6 1:a-g:400 2:h-z:600",
     kPressure, "merge 9 8 7 6 -> L5 (l0)"},
    {"and a second run above the first",
     "L0 9:a-z:50 8:a-z:50 7:a-z:50 6:a-z:50\n"
     "L5 5:a-m:100 4:n-z:100\n"
     "L6 1:a-g:400 2:h-z:600",
     kPressure, "merge 9 8 7 6 -> L4 (l0)"},
    {"but no more runs than three",
     "L0 9:a-z:50 8:a-z:50 7:a-z:50 6:a-z:50\n"
     "L3 11:a-z:100\n"
     "L4 10:a-z:100\n"
     "L5 5:a-m:100 4:n-z:100\n"
     "L6 1:a-g:400 2:h-z:600",
     kPressure, "merge 9 8 7 6 + 11 + 10 + 5 4 + 1 2 -> L6 (l0)"},
    {"and none that costs as much as merging",
     "L0 9:a-z:50 8:a-z:50 7:a-z:50 6:a-z:50\n"
     "L6 1:a-g:40 2:h-z:60",
     kPressure, "merge 9 8 7 6 + 1 2 -> L6 (l0)"},
    {"pressure with nothing in L0 is none", "L6 1:a-z:100", kPressure, "nothing"},
    {"without pressure extra runs go down, several levels at once",
     "L4 10:a-m:100 11:n-z:100\n"
     "L5 5:a-m:100 4:n-z:100\n"
     "L6 1:a-m:100 2:n-z:100",
     kCalm, "merge 10 + 5 + 1 -> L6 (size)"},
    {"a level over its target gives up the file with least beneath it",
     "L5 5:a-e:16 6:f-m:16 7:n-z:16\n"
     "L6 1:a-e:80 2:f-m:60 3:n-z:100",
     kCalm, "merge 6 + 2 -> L6 (size)"},
    {"of several such files the oldest",
     "L5 8:a-e:16 6:f-m:16 7:n-z:16\n"
     "L6 1:a-e:80 2:f-m:80 3:n-z:80",
     kCalm, "merge 6 + 2 -> L6 (size)"},
    {"a level within its target stays",
     "L5 5:a-e:16 6:f-m:16\n"
     "L6 1:a-e:200 2:f-m:200 3:n-z:200",
     kCalm, "nothing"},
    {"a file with nothing beneath it moves",
     "L5 5:a-b:16 6:f-m:16 7:n-z:16\n"
     "L6 1:c-e:80 2:f-m:60 3:n-z:100",
     kCalm, "move 5 -> L6 (size)"},
    {"files of L0 that follow one another move", "L0 9:s-z:50 8:m-r:50 7:g-l:50 6:a-f:50\n", kCalm,
     "move 9 8 7 6 -> L6 (l0)"},
    {"files of L0 that overlap nothing move, and the others wait for their turn",
     "L0 9:s-z:50 8:a-f:50 7:g-l:50 6:a-f:50\n"
     "L6 1:a-f:80",
     kCalm, "move 9 7 -> L6 (l0)"},
    {"a file that would lie above too much is cut instead of moved",
     "L0 9:a-z:1 8:a-y:1 7:b-z:1 6:c-z:1\n"
     "L5 5:a-z:900\n"
     "L6 1:a-z:9000",
     kCalm, "merge 9 8 7 6 -> L4 (l0)"},
    {"tombstones count as much as what they remove",
     "L5 5:a-m:4:100% 6:n-z:4\n"
     "L6 1:a-m:100 2:n-z:100",
     kCalm, "merge 5 + 1 -> L6 (tombstones)"},
    {"many tombstones in L0 do not wait for more files",
     "L0 9:a-z:30:100%\n"
     "L6 1:a-m:25 2:n-z:25",
     kCalm, "merge 9 + 1 2 -> L6 (tombstones)"},
    {"a file of nothing but tombstones with nothing beneath is dropped unread",
     "L5 5:a-c:4:100%\n"
     "L6 1:d-m:100 2:n-z:100",
     kCalm, "drop 5 -> L6 (tombstones)"},
    {"but not while somebody looks at an older point",
     "L5 5:a-c:4:100%\n"
     "L6 1:d-m:100 2:n-z:100",
     {.oldest_pin = 100},
     "merge 5 -> L6 (tombstones)"},
    {"a file with some tombstones does not move to where they are useless",
     "L0 9:s-z:50:10% 8:m-r:50:10% 7:g-l:50:10% 6:a-f:50:10%\n", kCalm, "merge 9 8 7 6 -> L6 (l0)"},
    {"tombstones of the last level go when nobody needs them any more",
     "L6 1:d-m:100:60% 2:n-z:100", kCalm, "merge 1 -> L6 (tombstones)"},
    {"and stay as long as somebody does",
     "L6 1:d-m:100:60% 2:n-z:100",
     {.idle = true, .oldest_pin = 99},
     "nothing"},
    {"few tombstones of the last level wait until nobody writes", "L6 1:d-m:100:10% 2:n-z:100",
     kCalm, "nothing"},
    {"and go then", "L6 1:d-m:100:10% 2:n-z:100", kIdle, "merge 1 -> L6 (idle)"},
    {"idle: L0 is emptied before it is full",
     "L0 9:a-z:50 8:a-z:50\n"
     "L6 1:a-g:400 2:h-z:600",
     kIdle, "merge 9 8 + 1 2 -> L6 (idle)"},
    {"idle: little in L0 becomes one run, which costs little",
     "L0 9:a-z:1 8:a-z:1\n"
     "L6 1:a-g:400 2:h-z:600",
     kIdle, "merge 9 8 -> L5 (idle)"},
    {"idle: one small run in L0 is let lie",
     "L0 9:a-z:1\n"
     "L6 1:a-g:400 2:h-z:600",
     kIdle, "nothing"},
    {"idle: a lone run of some size is merged",
     "L0 9:a-z:90\n"
     "L6 1:a-g:400 2:h-z:600",
     kIdle, "merge 9 + 1 2 -> L6 (idle)"},
    {"idle: an extra run goes down although it is within its target",
     "L5 5:a-m:50 6:n-z:50\n"
     "L6 1:a-m:500 2:n-z:500",
     kIdle, "merge 5 + 1 -> L6 (idle)"},
    {"idle: a small one is not worth rewriting what is beneath",
     "L5 5:a-z:50\n"
     "L6 1:a-m:500 2:n-z:500",
     kIdle, "nothing"},
    {"idle: unless it holds tombstones for much of it",
     "L5 5:a-z:50:90%\n"
     "L6 1:a-m:500 2:n-z:500",
     kIdle, "merge 5 + 1 2 -> L6 (tombstones)"},
    {"one compaction below L0 takes no more than its limit",
     "L4 10:a-m:60\n"
     "L5 5:a-m:150 4:n-z:150\n"
     "L6 1:a-m:250 2:n-z:250",
     kCalm, "merge 10 + 5 -> L5 (size)"},
};

}  // namespace

TEST_CASE("a range that is compacted ends with what was there when it was asked for") {
  const CompactionPicker picker = Picker();
  const auto pick = [&picker](const char* levels, uint64_t first_new_file) {
    return Text(picker.PickRange(*ParseTree(levels), {}, first_new_file, kCalm));
  };
  CHECK(pick("L0 9:a-z:50\nL6 1:a-z:100", 10) == "merge 9 + 1 -> L6 (manual)");
  CHECK(pick("L0 9:a-z:50\nL6 1:a-z:100", 9) == "merge 1 -> L6 (manual)");
  CHECK(pick("L0 11:a-z:50\nL6 10:a-z:100", 9) == "nothing");
}

TEST_CASE("the picker decides as the scenes say") {
  for (const Scene& scene : kScenes) {
    CAPTURE(std::string(scene.what));
    const auto version = ParseTree(scene.levels);
    const CompactionPicker picker = Picker();
    const std::optional<Compaction> picked = picker.Pick(*version, scene.situation);
    CHECK(Text(picked) == std::string(scene.decision));
    const bool due = picker.Score(*version, scene.situation) >= 1;
    if (!scene.situation.pressure && !scene.situation.idle) CHECK(due == picked.has_value());
  }
}

}  // namespace lsm
