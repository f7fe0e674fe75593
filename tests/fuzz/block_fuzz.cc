// SPDX-License-Identifier: BSD-3-Clause
// The input is a byte that says of which kind, and a block's contents. Iterators end and stay
// within it; if it checks out, walking it backwards gives what walking it forwards does, and each
// entry is found by seeking and, in a data block, by a point search.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "lsm/format/checksum.h"
#include "lsm/sst/block.h"

namespace {

struct Entry {
  std::string key;
  lsm::SequenceNumber sequence;
  std::string value;
  bool operator==(const Entry&) const = default;
};

Entry EntryAt(const lsm::Block::Iterator& it) {
  return {std::string(it.user_key()), it.sequence(), std::string(it.value())};
}

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const lsm::BlockKind kind = *data % 2 == 0 ? lsm::BlockKind::kData : lsm::BlockKind::kIndex;
  ++data;
  --size;
  lsm::OwnedBytes bytes(size);
  if (size > 0) std::memcpy(bytes.data.get(), data, size);
  const char* why;
  const auto block = lsm::Block::Parse(std::move(bytes), size, kind, &why);
  Require((block == nullptr) == (why != nullptr));
  if (block == nullptr) return 0;
  const bool good = block->Check() == nullptr;

  std::vector<Entry> forwards;
  lsm::Block::Iterator it(block.get());
  for (it.SeekToFirst(); it.Valid(); it.Next()) forwards.push_back(EntryAt(it));
  Require(forwards.size() <= size / 3);
  Require(!good || it.corruption() == nullptr);
  lsm::Block::Iterator back(block.get());
  size_t left = forwards.size();
  size_t steps = 0;
  for (back.SeekToLast(); back.Valid(); back.Prev()) {
    Require(++steps <= size / 3);
    if (good) Require(left-- > 0 && EntryAt(back) == forwards[left]);
  }
  if (good) Require(left == 0 && back.corruption() == nullptr);

  for (size_t i = 0; i < forwards.size(); ++i) {
    lsm::Block::Iterator seek(block.get());
    seek.Seek(forwards[i].key, forwards[i].sequence);
    if (good) Require(seek.Valid() && EntryAt(seek) == forwards[i]);
    seek.SeekBefore(forwards[i].key, forwards[i].sequence);
    if (good) Require(seek.Valid() == (i > 0) && (i == 0 || EntryAt(seek) == forwards[i - 1]));
    if (kind == lsm::BlockKind::kIndex) continue;
    const lsm::Block::Found found =
        block->Find(forwards[i].key, lsm::HashKey(forwards[i].key), forwards[i].sequence);
    if (good) Require(found.corruption == nullptr && found.lookup.found);
    if (good) Require(found.value == forwards[i].value);
  }
  return 0;
}
