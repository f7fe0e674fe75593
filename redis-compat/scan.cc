// SPDX-License-Identifier: BSD-3-Clause
// One call of SCAN.
//
//   1. Resolve the cursor to a key, and seek to it, or to the first key that the pattern allows.
//   2. Visit keys in order; collect those that match and are not expired.
//   3. After `count` keys, stop at the first place a cursor can point at.
//   4. If many keys were visited beyond that, all of them ties: register the longest prefix that
//      the whole group shares, and try to stop again. If it cannot be registered - no room, or no
//      writes at the moment - the rest of the group is returned with this call.

#include <algorithm>
#include <string>
#include <utility>

#include "redis-compat/glob.h"
#include "redis-compat/instance.h"
#include "redis-compat/scan_cursor.h"

namespace redis {

namespace {

// A call answers no more than this, whatever COUNT says: it is a hint, and the cursor goes on.
constexpr uint64_t kMaxVisited = 1'000'000;
constexpr size_t kMaxKeyBytes = size_t{16} << 20;
// So many ties are returned together before a prefix is registered for them.
constexpr uint64_t kMaxTies = 256;

class Scanner {
 public:
  Scanner(Instance* instance, Keyspace* keys, const ScanOptions& options)
      : instance_(instance), keys_(keys), options_(options) {}

  lsm::Result<ScanResult> Run();

 private:
  lsm::Status Visit(std::string_view key, const Header& header);
  // The longest prefix of the keys that tie with `key`, registered; false if that is not possible.
  lsm::Result<bool> RegisterPrefixOfTies(std::string_view key);

  Instance* const instance_;
  Keyspace* const keys_;
  const ScanOptions& options_;
  CursorPrefixes* prefixes_ = nullptr;
  ScanResult result_;
  size_t key_bytes_ = 0;  // of result_
};

lsm::Result<ScanResult> Scanner::Run() {
  lsm::Result<CursorPrefixes*> prefixes = instance_->cursors().Find(keys_);
  if (!prefixes.ok()) return prefixes.status();
  prefixes_ = prefixes.value();
  const std::optional<std::string> from = prefixes_->Resolve(options_.cursor);
  if (!from) return ScanResult();

  lsm::IterateOptions range;
  if (options_.pattern) range = RangeOfPattern(*options_.pattern);
  range.fill_cache = false;
  if (!range.lower || range.lower->key < *from) range.lower = lsm::Bound{*from, true};
  auto iterator = keys_->NewIterator(std::move(range));
  if (!iterator.ok()) return iterator.status();
  KeyIterator& it = *iterator;

  const uint64_t count = std::min(options_.count, kMaxVisited);
  uint64_t visited = 0;
  uint64_t ties = 0;
  bool can_register = true;
  std::string last;
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (visited >= count || key_bytes_ >= kMaxKeyBytes) {
      result_.cursor = prefixes_->Between(last, it.key());
      if (result_.cursor != 0) return std::move(result_);
      if (++ties >= kMaxTies && can_register) {
        const lsm::Result<bool> registered = RegisterPrefixOfTies(it.key());
        if (!registered.ok()) return registered.status();
        can_register = registered.value();
        ties = 0;
        result_.cursor = prefixes_->Between(last, it.key());
        if (result_.cursor != 0) return std::move(result_);
      }
    }
    const lsm::Result<Header> header = it.header();
    if (!header.ok()) return header.status();
    RETURN_IF_ERROR(Visit(it.key(), header.value()));
    last = it.key();
    ++visited;
  }
  RETURN_IF_ERROR(it.status());
  return std::move(result_);
}

lsm::Status Scanner::Visit(std::string_view key, const Header& header) {
  if (keys_->IsExpired(header)) return {};
  if (options_.type && *options_.type != ToString(header.type)) return {};
  if (options_.pattern && *options_.pattern != "*" && !GlobMatch(*options_.pattern, key)) return {};
  result_.keys.emplace_back(key);
  key_bytes_ += key.size();
  return {};
}

lsm::Result<bool> Scanner::RegisterPrefixOfTies(std::string_view key) {
  const std::string_view known = prefixes_->LongestPrefixOf(key);
  constexpr size_t kWindowSize = sizeof(uint32_t);
  if (key.size() < known.size() + kWindowSize || !instance_->MayWrite()) return false;
  lsm::IterateOptions group;
  group.prefix = std::string(key.substr(0, known.size() + kWindowSize));
  auto iterator = keys_->NewIterator(group);
  if (!iterator.ok()) return iterator.status();
  iterator->SeekToFirst();
  if (!iterator->Valid()) return false;
  const std::string first(iterator->key());
  iterator->SeekToLast();
  RETURN_IF_ERROR(iterator->status());
  if (!iterator->Valid()) return false;
  const std::string_view last = iterator->key();
  const auto end = std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first;
  const std::string_view shared(first.data(), static_cast<size_t>(end - first.begin()));

  const uint32_t id = prefixes_->Add(shared);
  if (id == 0) return false;
  instance_->BeginWrite();
  std::string record;
  EncodeCursorPrefixKey(id, &record);
  keys_->unit().Put(keys_->tree(), record, shared);
  return true;
}

}  // namespace

lsm::IterateOptions RangeOfPattern(std::string_view pattern) {
  lsm::IterateOptions range;
  bool is_whole_pattern = false;
  range.prefix = GlobLiteralPrefix(pattern, &is_whole_pattern);
  if (is_whole_pattern) range.upper = lsm::Bound{range.prefix, true};
  return range;
}

lsm::Result<ScanResult> Scan(Instance* instance, Keyspace* keys, const ScanOptions& options) {
  return Scanner(instance, keys, options).Run();
}

}  // namespace redis
