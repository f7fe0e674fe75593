// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/scan_cursor.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "redis-compat/key_codec.h"

namespace redis {

namespace {

constexpr size_t kWindowSize = 4;
constexpr int kWindowBits = 32;
constexpr uint64_t kMaxId = (uint64_t{1} << 21) - 1;

}  // namespace

uint32_t CursorWindow(std::string_view bytes) {
  uint32_t window = 0;
  for (size_t i = 0; i < kWindowSize; ++i) {
    const auto byte = i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u;
    window = window << 8 | byte;
  }
  return window;
}

lsm::Status CursorPrefixes::Load(WriteUnit* unit, lsm::TreeId tree) {
  lsm::IterateOptions options;
  options.prefix.push_back(kCursorPrefix);
  auto iterator = unit->NewIterator(tree, options);
  if (!iterator.ok()) return iterator.status();
  lsm::Iterator& records = **iterator;
  for (records.SeekToFirst(); records.Valid(); records.Next()) {
    const lsm::Result<uint32_t> id = DecodeCursorPrefixKey(records.key());
    if (!id.ok()) return id.status();
    // Ids are given out without gaps, so they come back in that order.
    if (id.value() != prefixes_.size() + kEmptyPrefixId || Add(records.value()) != id.value()) {
      return lsm::Status::Corruption("malformed cursor prefix record");
    }
  }
  return records.status();
}

std::optional<std::string> CursorPrefixes::Resolve(uint64_t cursor) const {
  if (cursor == 0) return "";
  const uint64_t id = cursor >> kWindowBits;
  if (id < kEmptyPrefixId || id > kMaxId || id - kEmptyPrefixId >= prefixes_.size()) {
    return std::nullopt;
  }
  std::string key = prefixes_[static_cast<size_t>(id - kEmptyPrefixId)];
  for (auto window = static_cast<uint32_t>(cursor); window != 0; window <<= 8) {
    key.push_back(static_cast<char>(window >> 24));
  }
  return key;
}

std::string_view CursorPrefixes::LongestPrefixOf(std::string_view key) const {
  // The registered prefix that sorts last among those <= `bound` either is a prefix of the key, or
  // shares a shorter one with it, behind which nothing longer can be found.
  std::string_view bound = key;
  while (!bound.empty()) {
    auto it = ids_.upper_bound(bound);
    if (it == ids_.begin()) return {};
    const std::string& candidate = (--it)->first;
    const auto [a, b] =
        std::mismatch(candidate.begin(), candidate.end(), bound.begin(), bound.end());
    if (a == candidate.end()) return bound.substr(0, candidate.size());
    bound = bound.substr(0, static_cast<size_t>(b - bound.begin()));
  }
  return {};
}

uint64_t CursorPrefixes::Between(std::string_view last, std::string_view next) const {
  assert(last < next);
  const std::string_view prefix = LongestPrefixOf(next);
  const uint32_t window = CursorWindow(next.substr(prefix.size()));
  const bool parted =
      !last.starts_with(prefix) || CursorWindow(last.substr(prefix.size())) < window;
  if (!parted) return 0;
  const auto found = ids_.find(prefix);
  const uint64_t id = found == ids_.end() ? kEmptyPrefixId : found->second;
  return id << kWindowBits | window;
}

uint32_t CursorPrefixes::Add(std::string_view prefix) {
  if (prefix.empty() || prefix.size() > kMaxPrefixSize || prefixes_.size() > kMaxPrefixes ||
      bytes_ + prefix.size() > kMaxBytes) {
    return 0;
  }
  const auto id = static_cast<uint32_t>(prefixes_.size()) + kEmptyPrefixId;
  const bool added = ids_.emplace(prefix, id).second;
  if (!added) return 0;
  prefixes_.emplace_back(prefix);
  bytes_ += prefix.size();
  return id;
}

lsm::Result<CursorPrefixes*> CursorRegistry::Find(Keyspace* keys) {
  const lsm::TreeId tree = keys->tree();
  Entry& entry = databases_[keys->database()];
  if (entry.tree == tree) return &entry.prefixes;
  entry = {};
  if (tree == lsm::kDirectoryTree) return &entry.prefixes;
  RETURN_IF_ERROR(entry.prefixes.Load(&keys->unit(), tree));
  entry.tree = tree;
  return &entry.prefixes;
}

}  // namespace redis
