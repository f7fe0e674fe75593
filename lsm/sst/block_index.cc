// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block_index.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace lsm {
namespace {

// The first eight bytes as a number of the same order; what is missing counts as zeros, so that a
// key which is the beginning of another has a word that is not above the other's.
uint64_t WordOf(std::string_view bytes) {
  char word[8] = {};
  bytes.copy(word, sizeof word);
  return __builtin_bswap64(DecodeFixed64(word));
}

size_t CommonPrefix(std::string_view a, std::string_view b) {
  const size_t limit = std::min(a.size(), b.size());
  size_t n = 0;
  while (n < limit && a[n] == b[n]) ++n;
  return n;
}

}  // namespace

Result<BlockIndex> BlockIndex::Read(const TableFile& file, BlockHandle handle) {
  Result<std::shared_ptr<const Block>> block = file.ReadBlock(handle, BlockKind::kIndex);
  RETURN_IF_ERROR(block.status());
  BlockIndex index;
  if (const char* why = index.Build(std::move(*block), handle.offset)) {
    return file.Corruption("index block", handle.offset, why);
  }
  return index;
}

const char* BlockIndex::Build(std::shared_ptr<const Block> block, uint64_t offset) {
  block_ = std::move(block);
  Block::Iterator entry(block_.get());
  entry.SeekToFirst();
  if (entry.Valid()) prefix_ = entry.user_key();
  std::string last_key;
  SequenceNumber last_sequence = 0;
  for (; entry.Valid(); entry.Next()) {
    if (size() > 0 &&
        CompareInternal(last_key, last_sequence, entry.user_key(), entry.sequence()) >= 0) {
      return "keys are out of order";
    }
    last_key = entry.user_key();
    last_sequence = entry.sequence();
    std::string_view value = entry.value();
    BlockHandle handle;
    if (!GetBlockHandle(&value, &handle) || !value.empty()) return "malformed handle";
    if (!handle.Within(offset)) return "a data block lies behind the index";
    if (!entry.IsRestart(static_cast<uint32_t>(size()))) return "an entry is no restart point";
    prefix_.resize(CommonPrefix(prefix_, entry.user_key()));
    handles_.push_back(handle);
  }
  if (entry.corruption() != nullptr) return entry.corruption();
  handles_.shrink_to_fit();
  words_.reserve(size());
  for (uint32_t i = 0; i < size(); ++i) {
    entry.SeekToRestart(i);
    if (!entry.Valid()) return entry.corruption();  // it shares bytes with the one before
    words_.push_back(WordOf(entry.user_key().substr(prefix_.size())));
  }
  return nullptr;
}

// 1. What all keys begin with decides, unless the wanted key begins with it too.
// 2. Keys of a smaller word are before the wanted one, those of a greater word behind it.
// 3. Those of the same word are compared as they are, by bisection again.
size_t BlockIndex::Find(std::string_view user_key, SequenceNumber sequence) const {
  const int order = user_key.substr(0, prefix_.size()).compare(prefix_);
  if (order != 0) return order < 0 ? 0 : size();
  const uint64_t word = WordOf(user_key.substr(prefix_.size()));
  // The answer is in [low, low + left]. No branch depends on the keys: they are not foreseeable.
  const uint64_t* low = words_.data();
  for (size_t left = words_.size(); left > 0;) {
    const size_t half = (left + 1) / 2;
    low += (low[half - 1] < word ? 1 : 0) * half;
    left -= half;
  }
  auto first = static_cast<size_t>(low - words_.data());
  if (first == size() || words_[first] != word) return first;
  auto last =
      static_cast<size_t>(std::upper_bound(low, words_.data() + size(), word) - words_.data());
  Block::Iterator entry(block_.get());
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    entry.SeekToRestart(static_cast<uint32_t>(middle));
    assert(entry.Valid());
    if (CompareInternal(entry.user_key(), entry.sequence(), user_key, sequence) < 0) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

}  // namespace lsm
