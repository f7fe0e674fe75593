// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/key_sort.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "lsm/memtable/key_order.h"

namespace lsm {
namespace {

constexpr size_t kStep = sizeof(uint64_t);
constexpr size_t kAhead = 8;  // nodes fetched ahead

struct Entry {
  uint64_t prefix;
  const KeyNode* node;
  Arena::Link link;
};

struct Range {
  size_t begin;
  size_t end;
  size_t depth;  // bytes that all its keys have in common
};

size_t KeySize(const Entry& entry) { return entry.node->key().size(); }

// Sorts one range by the next bytes that differ, and notes the ranges within that go deeper.
void SortRange(std::vector<Entry>* entries, const Range& range, std::vector<Range>* deeper) {
  const auto begin = entries->begin() + static_cast<ptrdiff_t>(range.begin);
  const auto end = entries->begin() + static_cast<ptrdiff_t>(range.end);
  // 1. Skip what they have in common.
  const std::string_view first = begin->node->key();
  size_t depth = first.size();
  for (auto entry = begin; entry != end && depth > range.depth; ++entry) {
    const std::string_view rest = entry->node->key().substr(range.depth);
    depth = range.depth + CommonPrefix(first.substr(range.depth, depth - range.depth), rest);
  }
  // 2. Sort by the 8 bytes there.
  for (auto entry = begin; entry != end; ++entry) {
    entry->prefix = KeyPrefix(entry->node->key(), depth);
  }
  std::sort(begin, end, [](const Entry& a, const Entry& b) { return a.prefix < b.prefix; });
  // 3. Where they are equal: keys that end within them come first, by length; the others go on.
  for (auto same = begin; same != end;) {
    auto after = same + 1;
    while (after != end && after->prefix == same->prefix) ++after;
    if (after - same > 1) {
      const auto longer = std::partition(
          same, after, [depth](const Entry& entry) { return KeySize(entry) <= depth + kStep; });
      std::sort(same, longer,
                [](const Entry& a, const Entry& b) { return KeySize(a) < KeySize(b); });
      if (after - longer > 1) {
        deeper->push_back({static_cast<size_t>(longer - entries->begin()),
                           static_cast<size_t>(after - entries->begin()), depth + kStep});
      }
    }
    same = after;
  }
}

}  // namespace

uint64_t KeyPrefix(std::string_view key, size_t depth) {
  uint64_t bytes = 0;
  std::memcpy(&bytes, key.data() + depth, std::min(kStep, key.size() - depth));
  return __builtin_bswap64(bytes);
}

size_t CommonPrefix(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < size && a[i] == b[i]) ++i;
  return i;
}

void SortByKey(const Arena& arena, std::span<Arena::Link> links) {
  if (links.size() < 2) return;
  std::vector<Entry> entries;
  entries.reserve(links.size());
  for (size_t i = 0; i < links.size(); ++i) {
    if (i + kAhead < links.size()) __builtin_prefetch(arena.At(links[i + kAhead]));
    entries.push_back({0, KeyNode::At(arena, links[i]), links[i]});
  }
  // No recursion: keys that are each other's prefixes would make it deep.
  std::vector<Range> ranges{{0, entries.size(), 0}};
  while (!ranges.empty()) {
    const Range range = ranges.back();
    ranges.pop_back();
    SortRange(&entries, range, &ranges);
  }
  for (size_t i = 0; i < links.size(); ++i) links[i] = entries[i].link;
}

}  // namespace lsm
