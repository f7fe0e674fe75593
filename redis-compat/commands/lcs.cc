// SPDX-License-Identifier: BSD-3-Clause
// LCS.

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "redis-compat/arg_parser.h"
#include "redis-compat/commands/handlers.h"
#include "redis-compat/commands/string_slot.h"
#include "redis-compat/longest_common_subsequence.h"

namespace redis::string_commands {

namespace {

using lsm::Status;

struct LcsOptions {
  bool length = false;
  bool positions = false;
  bool run_sizes = false;
  int64_t least_run = 0;
};

bool ParseOptions(CommandContext& c, LcsOptions* options) {
  ArgParser parser(c.args, 3);
  while (parser.More()) {
    if (parser.Take("IDX")) {
      options->positions = true;
    } else if (parser.Take("LEN")) {
      options->length = true;
    } else if (parser.Take("WITHMATCHLEN")) {
      options->run_sizes = true;
    } else if (parser.Take("MINMATCHLEN", 1)) {
      options->least_run = std::max<int64_t>(parser.Integer(), 0);
    } else {
      parser.Fail(errors::kSyntax);
    }
  }
  if (options->positions && options->length) {
    parser.Fail("ERR If you want both the length and indexes, please just use IDX.");
  }
  return !parser.ReplyError(c.reply);
}

// Redis fills a table of four bytes for each pair of positions and refuses what would be larger
// than the largest string; this keeps to the same limit, with a 32nd of the memory. It also bounds
// the time.
bool IsTooLarge(CommandContext& c, std::string_view a, std::string_view b) {
  constexpr size_t kLongest = std::numeric_limits<uint32_t>::max() - 1;
  if (a.size() >= kLongest || b.size() >= kLongest) {
    c.reply.Error("ERR String too long for LCS");
    return true;
  }
  const uint64_t cells = (uint64_t{a.size()} + 1) * (uint64_t{b.size()} + 1);
  if (cells <= c.instance.max_string_size() / sizeof(uint32_t)) return false;
  c.reply.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  return true;
}

void ReplyRange(CommandContext& c, size_t begin, size_t size) {
  c.reply.Array(2);
  c.reply.Integer(static_cast<int64_t>(begin));
  c.reply.Integer(static_cast<int64_t>(begin + size - 1));
}

void ReplyPositions(CommandContext& c, const std::vector<CommonRun>& runs,
                    const LcsOptions& options) {
  size_t length = 0;
  size_t shown = 0;
  const auto is_shown = [&options](const CommonRun& run) {
    return static_cast<int64_t>(run.size) >= options.least_run;
  };
  for (const CommonRun& run : runs) {
    length += run.size;
    shown += is_shown(run) ? 1 : 0;
  }
  c.reply.Map(2);
  c.reply.Bulk("matches");
  c.reply.Array(shown);
  for (const CommonRun& run : runs) {
    if (!is_shown(run)) continue;
    c.reply.Array(options.run_sizes ? 3 : 2);
    ReplyRange(c, run.a_begin, run.size);
    ReplyRange(c, run.b_begin, run.size);
    if (options.run_sizes) c.reply.Integer(static_cast<int64_t>(run.size));
  }
  c.reply.Bulk("len");
  c.reply.Integer(static_cast<int64_t>(length));
}

}  // namespace

Status Lcs(CommandContext& c) {
  const lsm::Result<KeySlot> slot_a = c.keys.FindForRead(c.args[1]);
  if (!slot_a.ok()) return slot_a.status();
  const lsm::Result<KeySlot> slot_b = c.keys.FindForRead(c.args[2]);
  if (!slot_b.ok()) return slot_b.status();
  if ((slot_a->exists && !slot_a->IsString()) || (slot_b->exists && !slot_b->IsString())) {
    c.reply.Error("ERR The specified keys must contain string values");
    return Status::Ok();
  }
  LcsOptions options;
  if (!ParseOptions(c, &options)) return Status::Ok();
  const std::string_view a = slot_a->exists ? slot_a->header.payload : std::string_view();
  const std::string_view b = slot_b->exists ? slot_b->header.payload : std::string_view();
  if (IsTooLarge(c, a, b)) return Status::Ok();
  if (options.length) {
    c.reply.Integer(static_cast<int64_t>(CommonSubsequenceLength(a, b)));
    return Status::Ok();
  }
  const std::vector<CommonRun> runs = CommonSubsequence(a, b);
  if (options.positions) {
    ReplyPositions(c, runs, options);
    return Status::Ok();
  }
  std::string common;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    common.append(a, run->a_begin, run->size);
  }
  c.reply.Bulk(common);
  return Status::Ok();
}

}  // namespace redis::string_commands
