// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block.h"

#include <algorithm>
#include <utility>

#include "lsm/format/table_format.h"

namespace lsm {
namespace {

struct EntryHead {
  uint32_t shared;
  uint32_t unshared;
  uint32_t value_size;
};

// Takes an entry's three lengths from the front of `input`.
inline bool GetEntryHead(std::string_view* input, EntryHead* head) {
  if (input->size() < 3) return false;
  // Nearly always each of them is one byte.
  const uint32_t first = static_cast<unsigned char>((*input)[0]);
  const uint32_t second = static_cast<unsigned char>((*input)[1]);
  const uint32_t third = static_cast<unsigned char>((*input)[2]);
  if ((first | second | third) < 0x80) {
    *head = {first, second, third};
    input->remove_prefix(3);
    return true;
  }
  return GetVarint32(input, &head->shared) && GetVarint32(input, &head->unshared) &&
         GetVarint32(input, &head->value_size);
}

}  // namespace

std::shared_ptr<const Block> Block::Parse(OwnedBytes bytes, size_t size, const char** why) {
  assert(size <= bytes.size);
  *why = nullptr;
  if (size < 4 || size > kMaxBlockSize) {
    *why = "impossible size";
    return nullptr;
  }
  const uint32_t count = DecodeFixed32(bytes.data.get() + size - 4);
  if (count == 0 || count > (size - 4) / 4) {
    *why = "impossible number of restart points";
    return nullptr;
  }
  const auto entries_end = static_cast<uint32_t>(size - 4 - size_t{4} * count);
  std::shared_ptr<const Block> block(new Block(std::move(bytes), entries_end, count));
  if (block->Restart(0) != 0) *why = "the first restart point is not the first entry";
  for (uint32_t i = 1; i < count; ++i) {
    if (block->Restart(i) <= block->Restart(i - 1)) *why = "restart points are out of order";
  }
  if (block->Restart(count - 1) >= entries_end) *why = "a restart point lies behind the entries";
  return *why == nullptr ? block : nullptr;
}

size_t Block::charge() const {
  constexpr size_t kBookkeeping = 128;  // heap headers, reference counts, the cache's entry
  return bytes_.size + sizeof(Block) + kBookkeeping;
}

const char* Block::Check() const {
  Iterator it(this);
  std::string last_key;
  SequenceNumber last_sequence = 0;
  uint32_t restart = 0;
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    if (it.offset() != 0 &&
        CompareInternal(last_key, last_sequence, it.user_key(), it.sequence()) >= 0) {
      return "keys are out of order";
    }
    last_key.assign(it.user_key());
    last_sequence = it.sequence();
    if (restart < restart_count_ && it.offset() == Restart(restart)) {
      Iterator whole(this);
      if (!whole.DecodeRestart(restart)) return whole.corruption();
      ++restart;
    }
  }
  if (it.corruption() != nullptr) return it.corruption();
  return restart == restart_count_ ? nullptr : "a restart point is not at an entry";
}

bool Block::Iterator::Corrupt(const char* why) {
  valid_ = false;
  corruption_ = why;
  return false;
}

bool Block::Iterator::Decode(uint32_t offset) {
  valid_ = false;
  if (corruption_ != nullptr || offset >= block_->entries_end_) return false;
  std::string_view input(block_->bytes_.data.get() + offset, block_->entries_end_ - offset);
  EntryHead head;
  if (!GetEntryHead(&input, &head)) return Corrupt("malformed entry");
  if (head.shared > key_.size()) return Corrupt("an entry shares more than its predecessor has");
  if (head.unshared > input.size() || head.value_size > input.size() - head.unshared) {
    return Corrupt("an entry is longer than its block");
  }
  const std::string_view unshared = input.substr(0, head.unshared);
  if (head.shared == 0) {
    key_ = unshared;
  } else {
    if (key_.data() == buffer_.data()) {
      buffer_.resize(head.shared);
    } else {
      buffer_.assign(key_.data(), head.shared);
    }
    buffer_.append(unshared);
    key_ = buffer_;
  }
  if (!ParseInternalKey(key_, &parsed_)) return Corrupt("malformed internal key");
  value_ = input.substr(head.unshared, head.value_size);
  offset_ = offset;
  next_offset_ = static_cast<uint32_t>(value_.data() + value_.size() - block_->bytes_.data.get());
  valid_ = true;
  return true;
}

bool Block::Iterator::DecodeRestart(uint32_t i) {
  key_ = {};  // so that an entry which shares anything is found out
  return Decode(block_->Restart(i));
}

uint32_t Block::Iterator::RestartBefore(uint32_t offset) const {
  uint32_t low = 0;  // the answer is in [low, high]
  uint32_t high = block_->restart_count_ - 1;
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    if (block_->Restart(middle) < offset) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

void Block::Iterator::SeekToFirst() { DecodeRestart(0); }

void Block::Iterator::SeekToLast() {
  if (!DecodeRestart(block_->restart_count_ - 1)) return;
  while (next_offset_ < block_->entries_end_) {
    if (!Decode(next_offset_)) return;
  }
}

// 1. Find the last restart point before the target, by bisection: the target lies behind it and
//    not behind the next one. Without such a point begin at the first.
// 2. Walk from there to the first entry that is not before the target.
void Block::Iterator::Seek(std::string_view user_key, SequenceNumber sequence) {
  const auto before_target = [&] {
    return CompareInternal(parsed_.user_key, parsed_.sequence, user_key, sequence) < 0;
  };
  uint32_t low = 0;
  uint32_t high = block_->restart_count_ - 1;
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    if (!DecodeRestart(middle)) return;
    if (before_target()) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  PrefetchInterval(low);
  if (!DecodeRestart(low)) return;
  while (before_target()) {
    if (!Decode(next_offset_)) return;
  }
}

// Where an entry begins is known only when the one before has arrived from memory: a walk through
// a block that is not in the processor's cache would wait for each entry in turn.
void Block::Iterator::PrefetchInterval(uint32_t i) const {
  constexpr uint32_t kLine = 64;
  constexpr uint32_t kMost = 32 * kLine;
  const uint32_t begin = block_->Restart(i);
  const uint32_t end =
      i + 1 < block_->restart_count_ ? block_->Restart(i + 1) : block_->entries_end_;
  const uint32_t size = std::min(end - begin, kMost);
  for (uint32_t at = 0; at < size; at += kLine) {
    __builtin_prefetch(block_->bytes_.data.get() + begin + at);
  }
}

void Block::Iterator::SeekBefore(std::string_view user_key, SequenceNumber sequence) {
  Seek(user_key, sequence);
  if (corruption_ != nullptr) return;
  if (valid_) {
    Prev();
  } else {
    SeekToLast();
  }
}

void Block::Iterator::Next() {
  assert(valid_);
  Decode(next_offset_);
}

// An entry does not know its predecessor: walk up to it from the restart point before.
void Block::Iterator::Prev() {
  assert(valid_);
  const uint32_t current = offset_;
  if (current == 0) {
    valid_ = false;
    return;
  }
  if (!DecodeRestart(RestartBefore(current))) return;
  while (next_offset_ < current) {
    if (!Decode(next_offset_)) return;
  }
}

}  // namespace lsm
