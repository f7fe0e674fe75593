// SPDX-License-Identifier: BSD-3-Clause
// Keyspace::RandomKey: a walk down the tree of the keys' bytes.
//
//   1. The range is all keys. Let `first` and `last` be its ends; if they are one key, that is it.
//   2. They agree on a prefix. If `first` is the prefix itself, it is picked with a small chance,
//      for it is one key against the many behind it.
//   3. Draw the next byte between those of `first` and `last`, and seek there. If no key has that
//      byte, draw again a few times, so that bytes after a gap are not preferred; then take the one
//      that the seek found.
//   4. The keys with that byte are the new range; go on with 1.
//
// So each step chooses evenly among the next bytes that exist, which is even over the keys where
// they spread evenly, as numbers and hashes do. The cost is a few seeks a distinguishing byte.
//
// If the walk ends at an expired key, the next one behind it that is not expired is taken, or
// another walk is made.

#include <string>
#include <utility>

#include "lsm/random.h"
#include "redis-compat/instance.h"
#include "redis-compat/key_codec.h"
#include "redis-compat/keyspace.h"

namespace redis {

namespace {

constexpr int kDraws = 8;
constexpr int kShortKeyChance = 64;  // one in so many
constexpr int kWalks = 8;
constexpr int kStepsBehindExpired = 64;

size_t CommonPrefix(std::string_view a, std::string_view b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

// The last key that begins with `prefix`. REQUIRES: there is one
std::string LastWith(KeyIterator* keys, const std::string& prefix) {
  const std::string end = SuccessorOfPrefix(prefix);
  if (end.empty()) {
    keys->SeekToLast();
  } else {
    keys->SeekForPrev(end);
    if (keys->Valid() && keys->key() == end) keys->Prev();
  }
  return keys->Valid() ? std::string(keys->key()) : std::string();
}

// Leaves the iterator on the key that the walk ends at, or not valid if there are no keys.
void Walk(KeyIterator* keys, lsm::Random* random) {
  keys->SeekToFirst();
  if (!keys->Valid()) return;
  std::string first(keys->key());
  std::string last = LastWith(keys, "");
  while (first != last && keys->status().ok()) {
    const size_t depth = CommonPrefix(first, last);
    std::string prefix = last.substr(0, depth);
    unsigned low = 0;
    if (first.size() > depth) {
      low = static_cast<unsigned char>(first[depth]);
    } else if (random->OneIn(kShortKeyChance)) {
      break;
    }
    const unsigned high = static_cast<unsigned char>(last[depth]);
    for (int draw = 0; draw < kDraws; ++draw) {
      const auto byte = static_cast<char>(low + random->Uniform(high - low + 1));
      keys->Seek(prefix + byte);
      if (!keys->Valid() || keys->key()[depth] == byte) break;
    }
    if (!keys->Valid()) return;  // an error: `last` is there
    first = std::string(keys->key());
    prefix.push_back(first[depth]);
    last = LastWith(keys, prefix);
  }
  keys->Seek(first);
}

}  // namespace

lsm::Result<std::optional<std::string>> Keyspace::RandomKey() {
  using Key = std::optional<std::string>;
  auto iterator = NewIterator({});
  if (!iterator.ok()) return iterator.status();
  KeyIterator& keys = *iterator;
  lsm::Random& random = instance_->random();
  for (int walk = 0; walk < kWalks; ++walk) {
    Walk(&keys, &random);
    for (int step = 0; keys.Valid() && step < kStepsBehindExpired; ++step, keys.Next()) {
      const lsm::Result<Header> header = keys.header();
      if (!header.ok()) return header.status();
      if (!IsExpired(header.value())) return Key(keys.key());
    }
    RETURN_IF_ERROR(keys.status());
  }
  // Nearly everything is expired: whatever is left is found in order.
  for (keys.SeekToFirst(); keys.Valid(); keys.Next()) {
    const lsm::Result<Header> header = keys.header();
    if (!header.ok()) return header.status();
    if (!IsExpired(header.value())) return Key(keys.key());
  }
  RETURN_IF_ERROR(keys.status());
  return Key();
}

}  // namespace redis
