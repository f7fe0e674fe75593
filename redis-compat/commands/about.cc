// SPDX-License-Identifier: BSD-3-Clause
// TIME and LOLWUT.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "redis-compat/commands/handlers.h"
#include "redis-compat/errors.h"
#include "redis-compat/instance.h"
#include "redis-compat/letters.h"
#include "redis-compat/version.h"
#include "resp/integer.h"

namespace redis::server_commands {

namespace {

using lsm::Status;

// A core drilled out of a lake's floor: a pair of layers for each year, pale silt of summer above
// dark clay of winter, the youngest year on top. Layers bend a little, and each has its own
// thickness; here and there lies a pebble.
std::string DrawVarves(lsm::Random* random, size_t columns, size_t rows, int* years) {
  constexpr char kSummer[] = {'.', ':', '\'', '-'};
  constexpr char kWinter[] = {'=', '#', '%'};
  constexpr uint64_t kPebbleEvery = 90;
  // The glyph of each depth, some deeper than the picture because layers bend.
  std::vector<char> core;
  *years = 0;
  while (core.size() < rows + 4) {
    ++*years;
    core.insert(core.end(), 1 + random->Uniform(3), kSummer[random->Uniform(std::size(kSummer))]);
    core.insert(core.end(), 1 + random->Uniform(2), kWinter[random->Uniform(std::size(kWinter))]);
  }
  const double phase = static_cast<double>(random->Uniform(628)) / 100;
  std::string picture;
  for (size_t row = 0; row < rows; ++row) {
    picture += "  |";
    for (size_t column = 0; column < columns; ++column) {
      const double bend = 1.5 + 1.4 * std::sin(phase + static_cast<double>(column) / 9);
      const char glyph = core[row + static_cast<size_t>(bend)];
      const bool is_pebble = glyph == '.' && random->OneIn(kPebbleEvery);
      picture += is_pebble ? 'o' : glyph;
    }
    picture += "|\n";
  }
  return picture;
}

}  // namespace

Status Time(CommandContext& c) {
  // Not earlier than what the tick's time has shown already.
  const int64_t now_us = std::max(c.instance.clock().NowMicros(), c.now_ms * 1000);
  c.reply.Array(2);
  c.reply.BulkInteger(now_us / 1'000'000);
  c.reply.BulkInteger(now_us % 1'000'000);
  return Status::Ok();
}

// LOLWUT [VERSION version] [columns [rows]]. There is one picture; a version is taken and makes no
// difference.
Status Lolwut(CommandContext& c) {
  constexpr int64_t kMaxColumns = 160;
  constexpr int64_t kMaxRows = 60;
  int64_t numbers[] = {64, 14};
  size_t first = 1;
  int64_t version = 0;
  if (c.args.size() >= 3 && EqualsIgnoringCase(c.args[1], "version")) {
    if (!resp::ParseInteger(c.args[2], &version)) {
      c.reply.Error(errors::kNotInteger);
      return Status::Ok();
    }
    first = 3;
  }
  for (size_t i = first; i < c.args.size() && i < first + std::size(numbers); ++i) {
    if (resp::ParseInteger(c.args[i], &numbers[i - first])) continue;
    c.reply.Error(errors::kNotInteger);
    return Status::Ok();
  }
  const auto columns = static_cast<size_t>(std::clamp<int64_t>(numbers[0], 1, kMaxColumns));
  const auto rows = static_cast<size_t>(std::clamp<int64_t>(numbers[1], 1, kMaxRows));
  int years = 0;
  std::string text = "\n" + DrawVarves(&c.instance.random(), columns, rows, &years);
  text += fmt::format("\nYears: {}, the youngest on top. Redis ver. {}\n", years, kRedisVersion);
  c.reply.Verbatim("txt", text);
  return Status::Ok();
}

}  // namespace redis::server_commands
