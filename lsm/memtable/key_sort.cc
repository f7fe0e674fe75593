// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/key_sort.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "lsm/memtable/key_order.h"

namespace lsm {
namespace {

constexpr size_t kStep = sizeof(uint64_t);
static_assert(std::endian::native == std::endian::little);
constexpr size_t kAhead = 8;  // nodes fetched ahead

struct Entry {
  uint64_t prefix;
  Arena::Link link;
};

struct Range {
  size_t begin;
  size_t end;
  size_t depth;  // bytes that all its keys have in common
};

class Sorter {
 public:
  explicit Sorter(const Arena& arena) : arena_(arena) {}

  void Sort(std::span<Arena::Link> links) {
    entries_.reserve(links.size());
    for (const Arena::Link link : links) entries_.push_back({0, link});
    // No recursion: keys that are each other's prefixes would make it deep.
    ranges_.push_back({0, entries_.size(), 0});
    while (!ranges_.empty()) {
      const Range range = ranges_.back();
      ranges_.pop_back();
      SortRange(range);
    }
    for (size_t i = 0; i < links.size(); ++i) links[i] = entries_[i].link;
  }

 private:
  std::string_view KeyOf(const Entry& entry) const {
    return KeyNode::At(arena_, entry.link)->key();
  }
  void FetchAhead(size_t i) const {
    if (i + kAhead < entries_.size()) __builtin_prefetch(arena_.At(entries_[i + kAhead].link));
  }
  size_t CommonDepth(const Range& range) const;
  void SortRange(const Range& range);

  const Arena& arena_;
  std::vector<Entry> entries_;
  std::vector<Range> ranges_;
};

// Bytes that all keys of the range have in common.
size_t Sorter::CommonDepth(const Range& range) const {
  const std::string_view first = KeyOf(entries_[range.begin]);
  size_t depth = first.size();
  for (size_t i = range.begin + 1; i < range.end && depth > range.depth; ++i) {
    FetchAhead(i);
    const std::string_view rest = KeyOf(entries_[i]).substr(range.depth);
    depth = range.depth + CommonPrefix(first.substr(range.depth, depth - range.depth), rest);
  }
  return depth;
}

// Sorts one range by the next bytes that differ, and notes the ranges within that go deeper.
void Sorter::SortRange(const Range& range) {
  // 1. Skip what they have in common.
  const size_t depth = CommonDepth(range);
  // 2. Sort by the 8 bytes there.
  for (size_t i = range.begin; i < range.end; ++i) {
    FetchAhead(i);
    entries_[i].prefix = KeyPrefix(KeyOf(entries_[i]), depth);
  }
  const auto begin = entries_.begin() + static_cast<ptrdiff_t>(range.begin);
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(range.end);
  std::sort(begin, end, [](const Entry& a, const Entry& b) { return a.prefix < b.prefix; });
  // 3. Where they are equal: keys that end within them come first, by length; the others go on.
  for (auto same = begin; same != end;) {
    auto after = same + 1;
    while (after != end && after->prefix == same->prefix) ++after;
    if (after - same > 1) {
      const auto longer = std::partition(same, after, [this, depth](const Entry& entry) {
        return KeyOf(entry).size() <= depth + kStep;
      });
      std::sort(same, longer, [this](const Entry& a, const Entry& b) {
        return KeyOf(a).size() < KeyOf(b).size();
      });
      if (after - longer > 1) {
        ranges_.push_back({static_cast<size_t>(longer - entries_.begin()),
                           static_cast<size_t>(after - entries_.begin()), depth + kStep});
      }
    }
    same = after;
  }
}

}  // namespace

uint64_t KeyPrefix(std::string_view key, size_t depth) {
  uint64_t bytes = 0;
  const size_t left = key.size() - depth;
  if (left >= kStep) {
    std::memcpy(&bytes, key.data() + depth, kStep);
    return __builtin_bswap64(bytes);
  }
  if (key.size() < kStep) {
    std::memcpy(&bytes, key.data() + depth, left);
    return __builtin_bswap64(bytes);
  }
  if (left == 0) return 0;
  // The key's last 8 bytes hold them, without a copy of varying length.
  std::memcpy(&bytes, key.data() + key.size() - kStep, kStep);
  return __builtin_bswap64(bytes) << (8 * (kStep - left));
}

size_t CommonPrefix(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    uint64_t of_a;
    uint64_t of_b;
    std::memcpy(&of_a, a.data() + i, kStep);
    std::memcpy(&of_b, b.data() + i, kStep);
    if (of_a != of_b) return i + static_cast<size_t>(std::countr_zero(of_a ^ of_b)) / 8;
  }
  while (i < size && a[i] == b[i]) ++i;
  return i;
}

void SortByKey(const Arena& arena, std::span<Arena::Link> links) {
  if (links.size() > 1) Sorter(arena).Sort(links);
}

}  // namespace lsm
