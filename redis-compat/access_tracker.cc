// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/access_tracker.h"

#include <algorithm>
#include <cassert>
#include <functional>

#include "redis-compat/command_text.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/session.h"

namespace redis {

namespace {

constexpr uint32_t kCounterBits = 8;
constexpr uint32_t kCounterMask = (1u << kCounterBits) - 1;
constexpr uint32_t kMinuteMask = (1u << (32 - kCounterBits)) - 1;
constexpr int64_t kCertainUpTo = 5;
constexpr uint8_t kMaxCounter = 255;

uint32_t Minutes(int64_t now_ms) { return static_cast<uint32_t>(now_ms / 60'000) & kMinuteMask; }
uint32_t Seconds(int64_t now_ms) { return static_cast<uint32_t>(now_ms / 1000); }

}  // namespace

AccessTracker::AccessTracker(Kind kind, int64_t now_ms)
    : kind_(kind),
      began_ms_(now_ms),
      random_(static_cast<uint64_t>(now_ms)),
      cells_(kRows * kColumns, kind == Kind::kRecency ? Seconds(now_ms) : 0) {}

AccessTracker::Places AccessTracker::PlacesOf(lsm::TreeId tree, std::string_view key) {
  // The generator spreads the hash over as many numbers as there are rows.
  lsm::Random spread(std::hash<std::string_view>()(key) ^ (uint64_t{tree} << 32));
  Places places;
  for (size_t row = 0; row < kRows; ++row) {
    places.at[row] = row * kColumns + static_cast<size_t>(spread.Next64() % kColumns);
  }
  return places;
}

uint8_t AccessTracker::Decayed(uint32_t cell, uint32_t now_minutes) const {
  const uint32_t counter = cell & kCounterMask;
  if (decay_minutes_ == 0) return static_cast<uint8_t>(counter);
  const uint32_t elapsed = (now_minutes - (cell >> kCounterBits)) & kMinuteMask;
  const int64_t periods = int64_t{elapsed} / decay_minutes_;
  return periods >= int64_t{counter} ? 0 : static_cast<uint8_t>(counter - periods);
}

uint8_t AccessTracker::Least(const Places& places, uint32_t now_minutes) const {
  uint8_t least = kMaxCounter;
  for (const size_t at : places.at) least = std::min(least, Decayed(cells_[at], now_minutes));
  return least;
}

void AccessTracker::Note(const CommandContext& context) {
  if (context.spec.Is(kNoTouch)) return;
  if (context.session.state().no_touch && context.spec.name != "touch") return;
  const lsm::TreeId tree = context.keys.tree();
  if (tree == lsm::kDirectoryTree) return;
  for (const size_t position : KeyPositions(context.spec, context.args.size())) {
    Touch(tree, context.args[position], context.now_ms);
  }
}

void AccessTracker::Touch(lsm::TreeId tree, std::string_view key, int64_t now_ms) {
  const Places places = PlacesOf(tree, key);
  if (kind_ == Kind::kRecency) {
    for (const size_t at : places.at) cells_[at] = Seconds(now_ms);
    return;
  }
  const uint32_t now_minutes = Minutes(now_ms);
  uint8_t estimate = Least(places, now_minutes);
  if (estimate < kMaxCounter) {
    const int64_t above = std::max<int64_t>(estimate - kCertainUpTo, 0);
    const auto one_in = static_cast<uint64_t>(above * log_factor_ + 1);
    if (random_.OneIn(one_in)) ++estimate;
  }
  for (const size_t at : places.at) {
    if (Decayed(cells_[at], now_minutes) <= estimate) {
      cells_[at] = now_minutes << kCounterBits | estimate;
    }
  }
}

uint8_t AccessTracker::Frequency(lsm::TreeId tree, std::string_view key, int64_t now_ms) const {
  assert(kind_ == Kind::kFrequency);
  return Least(PlacesOf(tree, key), Minutes(now_ms));
}

int64_t AccessTracker::IdleSeconds(lsm::TreeId tree, std::string_view key, int64_t now_ms) const {
  assert(kind_ == Kind::kRecency);
  const uint32_t now = Seconds(now_ms);
  uint32_t longest = 0;
  for (const size_t at : PlacesOf(tree, key).at) longest = std::max(longest, now - cells_[at]);
  return std::min<int64_t>(longest, (now_ms - began_ms_) / 1000 + 1);
}

}  // namespace redis
