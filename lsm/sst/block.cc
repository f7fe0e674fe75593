// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block.h"

#include <algorithm>
#include <utility>

#include "lsm/format/checksum.h"
#include "lsm/util/allocation.h"

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

const char* Block::ParseLayout(std::string_view contents, BlockKind kind, Layout* layout) {
  size_t end = contents.size();  // of what has not been read yet
  if (kind == BlockKind::kValue) {
    layout->entries_end = static_cast<uint32_t>(end);
    return nullptr;
  }
  if (kind == BlockKind::kData) {
    if (end < 8) return "impossible size";
    end -= 8;
    layout->tag_count = DecodeFixed32(contents.data() + end);
    layout->restart_interval = DecodeFixed32(contents.data() + end + 4);
    if (layout->tag_count == 0 || layout->tag_count > end) return "impossible number of entries";
    if (layout->restart_interval == 0) return "impossible restart interval";
    end -= layout->tag_count;
    layout->tags = static_cast<uint32_t>(end);
  }
  if (end < 4) return "impossible size";
  end -= 4;
  const uint32_t count = DecodeFixed32(contents.data() + end);
  if (count == 0 || count > end / 4) return "impossible number of restart points";
  if (kind == BlockKind::kData && count != (layout->tag_count - 1) / layout->restart_interval + 1) {
    return "number of restart points differs from that of entries";
  }
  layout->restart_count = count;
  layout->entries_end = static_cast<uint32_t>(end - size_t{4} * count);
  return nullptr;
}

std::shared_ptr<const Block> Block::Parse(OwnedBytes bytes, size_t size, BlockKind kind,
                                          const char** why) {
  assert(size <= bytes.size);
  Layout layout;
  *why = size > kMaxBlockSize ? "impossible size"
                              : ParseLayout(bytes.view().substr(0, size), kind, &layout);
  if (*why != nullptr) return nullptr;
  auto block = std::make_shared<const Block>(OnlyParse{}, std::move(bytes), layout);
  if (kind != BlockKind::kValue) *why = block->CheckRestarts();
  return *why == nullptr ? block : nullptr;
}

const char* Block::CheckRestarts() const {
  if (Restart(0) != 0) return "the first restart point is not the first entry";
  for (uint32_t i = 1; i < layout_.restart_count; ++i) {
    if (Restart(i) <= Restart(i - 1)) return "restart points are out of order";
  }
  if (Restart(layout_.restart_count - 1) < layout_.entries_end) return nullptr;
  return "a restart point lies behind the entries";
}

size_t Block::charge() const {
  // Reference counts beside the block, the cache's entry and its place in a chain.
  constexpr size_t kBookkeeping = 16 + 64 + 8;
  return AllocatedBytes(bytes_.data.get()) + sizeof(Block) + kBookkeeping;
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
    if (restart < layout_.restart_count && it.offset() == Restart(restart)) {
      Iterator whole(this);
      if (!whole.DecodeRestart(restart)) return whole.corruption();
      ++restart;
    }
  }
  if (it.corruption() != nullptr) return it.corruption();
  if (restart != layout_.restart_count) return "a restart point is not at an entry";
  return layout_.tag_count == 0 ? nullptr : CheckTags();
}

const char* Block::CheckTags() const {
  Iterator it(this);
  uint32_t i = 0;
  for (it.SeekToFirst(); it.Valid() && i < layout_.tag_count; it.Next(), ++i) {
    if (tags()[i] != BlockTag(HashKey(it.user_key()))) return "a tag is not that of its key";
    if (i % layout_.restart_interval == 0 && it.offset() != Restart(i / layout_.restart_interval)) {
      return "a restart point is not where the interval has it";
    }
  }
  return it.Valid() || i != layout_.tag_count ? "number of tags differs from that of entries"
                                              : nullptr;
}

inline const char* Block::DecodeEntry(uint32_t offset, size_t previous_size, Entry* entry) const {
  std::string_view input(bytes_.data.get() + offset, layout_.entries_end - offset);
  EntryHead head;
  if (!GetEntryHead(&input, &head)) return "malformed entry";
  if (head.shared > previous_size) return "an entry shares more than its predecessor has";
  if (head.unshared > input.size() || head.value_size > input.size() - head.unshared) {
    return "an entry is longer than its block";
  }
  entry->shared = head.shared;
  entry->unshared = {input.data(), head.unshared};
  entry->value = {input.data() + head.unshared, head.value_size};
  const char* const end = entry->value.data() + entry->value.size();
  entry->next_offset = static_cast<uint32_t>(end - bytes_.data.get());
  return nullptr;
}

// Walks entries one after the other and compares their keys with a user key on the way, without
// putting any key together: a key begins with what its predecessor has in common with the user key
// as far as it shares that with the predecessor.
class Block::Walk {
 public:
  Walk(const Block& block, std::string_view user_key) : block_(block), user_key_(user_key) {}

  // The next entry to decode is that of a restart point.
  void Begin(uint32_t restart) {
    entry_.next_offset = block_.Restart(restart);
    key_size_ = 0;
    matched_ = 0;
  }

  // Decodes the next entry. Null, or what is malformed.
  const char* Step() {
    if (const char* why = block_.DecodeEntry(entry_.next_offset, key_size_, &entry_)) return why;
    key_size_ = size_t{entry_.shared} + entry_.unshared.size();
    if (entry_.shared > matched_) return nullptr;
    matched_ = entry_.shared;
    const size_t end = std::min(user_key_.size(), key_size_);
    const char* unshared = entry_.unshared.data();
    while (matched_ < end && *unshared == user_key_[matched_]) {
      ++matched_;
      ++unshared;
    }
    return nullptr;
  }

  const Entry& entry() const { return entry_; }
  bool IsOfUserKey() const {
    return matched_ == user_key_.size() && key_size_ == user_key_.size() + kInternalTrailerSize;
  }

 private:
  const Block& block_;
  const std::string_view user_key_;
  Entry entry_{};
  size_t key_size_ = 0;  // of the entry's internal key
  size_t matched_ = 0;   // how many first bytes it has in common with user_key_
};

// 1. The entries whose tag is that of the key are candidates; mostly there is one, or none if the
//    key is not here.
// 2. Walk to a candidate from the restart point before it, or from the candidate before if that
//    lies behind the restart point, so that no entry is walked over twice.
// 3. Versions of a key stand newest first: the first candidate of the key that the sequence can see
//    is the answer.
// A trailer that is shared in part with the predecessor's key would have to be put together. That
// is rare, and left to seeking.
Block::Found Block::Find(std::string_view user_key, uint64_t hash, SequenceNumber sequence) const {
  const std::string_view all = tags();
  Walk walk(*this, user_key);
  uint32_t walked = UINT32_MAX;  // the entry that the walk decodes next
  Found found;
  for (size_t at = all.find(BlockTag(hash)); at != all.npos;
       at = all.find(BlockTag(hash), at + 1)) {
    const auto candidate = static_cast<uint32_t>(at);
    const uint32_t restart = candidate / layout_.restart_interval;
    if (walked > candidate || walked < restart * layout_.restart_interval) {
      PrefetchInterval(restart);
      walk.Begin(restart);
      walked = restart * layout_.restart_interval;
    }
    for (; walked <= candidate; ++walked) {
      if ((found.corruption = walk.Step()) != nullptr) return found;
    }
    if (!walk.IsOfUserKey()) continue;
    const std::string_view unshared = walk.entry().unshared;
    if (unshared.size() < kInternalTrailerSize) return FindBySeeking(user_key, sequence);
    ParsedInternalKey parsed;
    if (!ParseInternalKey(unshared, &parsed)) {
      found.corruption = "malformed internal key";
      return found;
    }
    if (parsed.sequence > sequence) continue;
    found.lookup = {true, parsed.type, parsed.sequence};
    found.value = walk.entry().value;
    return found;
  }
  return found;
}

Block::Found Block::FindBySeeking(std::string_view user_key, SequenceNumber sequence) const {
  Iterator it(this);
  it.Seek(user_key, sequence);
  Found found;
  found.corruption = it.corruption();
  if (it.Valid() && it.user_key() == user_key) {
    found.lookup = {true, it.type(), it.sequence()};
    found.value = it.value();
  }
  return found;
}

namespace {

// Asks for memory, but not for more than is worth it.
void PrefetchRange(const char* begin, size_t size) {
  constexpr size_t kLine = 64;
  constexpr size_t kMost = 32 * kLine;
  for (size_t at = 0; at < std::min(size, kMost); at += kLine) __builtin_prefetch(begin + at);
}

}  // namespace

// Where an entry begins is known only when the one before has arrived from memory: a walk through
// a block that is not in the processor's cache would wait for each entry in turn.
void Block::PrefetchInterval(uint32_t i) const {
  const uint32_t begin = Restart(i);
  const uint32_t end = i + 1 < layout_.restart_count ? Restart(i + 1) : layout_.entries_end;
  PrefetchRange(bytes_.data.get() + begin, end - begin);
}

void Block::PrefetchTags() const {
  PrefetchRange(bytes_.data.get() + layout_.entries_end,
                layout_.tags + layout_.tag_count - layout_.entries_end);
}

void Block::PrefetchEntries(uint64_t hash) const {
  const size_t candidate = tags().find(BlockTag(hash));
  if (candidate == std::string_view::npos) return;
  PrefetchInterval(static_cast<uint32_t>(candidate) / layout_.restart_interval);
}

bool Block::Iterator::Corrupt(const char* why) {
  valid_ = false;
  corruption_ = why;
  return false;
}

bool Block::Iterator::Decode(uint32_t offset) {
  valid_ = false;
  if (corruption_ != nullptr || offset >= block_->layout_.entries_end) return false;
  Entry entry;
  if (const char* why = block_->DecodeEntry(offset, key_.size(), &entry)) return Corrupt(why);
  if (entry.shared == 0) {
    key_ = entry.unshared;
  } else {
    if (key_.data() == buffer_.data()) {
      buffer_.resize(entry.shared);
    } else {
      buffer_.assign(key_.data(), entry.shared);
    }
    buffer_.append(entry.unshared);
    key_ = buffer_;
  }
  ParsedInternalKey parsed;
  if (!ParseInternalKey(key_, &parsed)) return Corrupt("malformed internal key");
  record_ = {parsed.user_key, parsed.sequence, parsed.type, entry.value};
  offset_ = offset;
  next_offset_ = entry.next_offset;
  valid_ = true;
  return true;
}

bool Block::Iterator::DecodeRestart(uint32_t i) {
  key_ = {};  // so that an entry which shares anything is found out
  return Decode(block_->Restart(i));
}

uint32_t Block::Iterator::RestartBefore(uint32_t offset) const {
  uint32_t low = 0;  // the answer is in [low, high]
  uint32_t high = block_->layout_.restart_count - 1;
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
  if (!DecodeRestart(block_->layout_.restart_count - 1)) return;
  while (next_offset_ < block_->layout_.entries_end) {
    if (!Decode(next_offset_)) return;
  }
}

// 1. Find the last restart point before the target, by bisection: the target lies behind it and
//    not behind the next one. Without such a point begin at the first.
// 2. Walk from there to the first entry that is not before the target.
void Block::Iterator::Seek(std::string_view user_key, SequenceNumber sequence) {
  const auto before_target = [&] {
    return CompareInternal(record_.user_key, record_.sequence, user_key, sequence) < 0;
  };
  uint32_t low = 0;
  uint32_t high = block_->layout_.restart_count - 1;
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    if (!DecodeRestart(middle)) return;
    if (before_target()) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  block_->PrefetchInterval(low);
  if (!DecodeRestart(low)) return;
  while (before_target()) {
    if (!Decode(next_offset_)) return;
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
