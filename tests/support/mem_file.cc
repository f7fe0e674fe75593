// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/mem_file.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

namespace lsm {
namespace {

using Chunk = std::array<char, 4096>;
using ChunkPtr = std::shared_ptr<Chunk>;

// A chunk that nobody else sees, with the same content.
ChunkPtr Unshared(ChunkPtr chunk) {
  if (chunk == nullptr) return std::make_shared<Chunk>(Chunk{});
  if (chunk.use_count() > 1) return std::make_shared<Chunk>(*chunk);
  return chunk;
}

// The chunk with zeros from `keep` on.
ChunkPtr ZeroedFrom(ChunkPtr chunk, size_t keep) {
  if (chunk == nullptr || keep >= chunk->size()) return chunk;
  if (keep == 0) return nullptr;
  chunk = Unshared(std::move(chunk));
  std::memset(chunk->data() + keep, 0, chunk->size() - keep);
  return chunk;
}

// How many of the bytes of chunk `index` lie below `offset`.
size_t BytesBelow(uint64_t offset, uint64_t index) {
  const uint64_t start = index * sizeof(Chunk);
  if (offset <= start) return 0;
  return static_cast<size_t>(std::min<uint64_t>(offset - start, sizeof(Chunk)));
}

// Each block of the first `mixable` bytes from one of the two, the rest from `durable`.
ChunkPtr Mix(const ChunkPtr& current, const ChunkPtr& durable, size_t mixable,
             PowerLossCoin* coin) {
  ChunkPtr mixed = durable;
  for (size_t at = 0; at + MemFile::kBlockSize <= mixable; at += MemFile::kBlockSize) {
    if (!coin->Keep()) continue;
    mixed = Unshared(std::move(mixed));
    if (current == nullptr) {
      std::memset(mixed->data() + at, 0, MemFile::kBlockSize);
    } else {
      std::memcpy(mixed->data() + at, current->data() + at, MemFile::kBlockSize);
    }
  }
  return mixed;
}

}  // namespace

PowerLossCoin::PowerLossCoin(Random* random, PowerLoss loss) : random_(random) {
  switch (loss) {
    case PowerLoss::kKeepNothing:
      keep_of_16_ = 0;
      break;
    case PowerLoss::kKeepEverything:
      keep_of_16_ = 16;
      break;
    case PowerLoss::kRandom: {
      // Even odds rarely keep all pieces but one, or lose all but one.
      constexpr uint64_t kOdds[] = {1, 4, 8, 12, 15};
      keep_of_16_ = kOdds[random->Uniform(std::size(kOdds))];
      break;
    }
  }
}

bool PowerLossCoin::Keep() {
  if (keep_of_16_ == 0 || keep_of_16_ == 16) return keep_of_16_ == 16;
  return random_->Uniform(16) < keep_of_16_;
}

uint64_t PowerLossCoin::KeepUpTo(uint64_t n) {
  if (n == 0 || Keep()) return n;
  return Keep() ? random_->Uniform(n) : 0;
}

ChunkPtr MemFile::Find(uint64_t index) const {
  return index < chunks_.size() ? chunks_[index] : nullptr;
}

MemFile::Chunk* MemFile::Change(uint64_t index) {
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  ChunkPtr& chunk = chunks_[index];
  // A page that is written again is written whole by the next sync.
  if (auto stuck = stuck_.extract(index)) undo_.insert(std::move(stuck));
  undo_.try_emplace(index, chunk);
  chunk = Unshared(std::move(chunk));
  return chunk.get();
}

size_t MemFile::Read(uint64_t offset, size_t n, char* scratch) const {
  if (offset >= size_) return 0;
  n = static_cast<size_t>(std::min<uint64_t>(n, size_ - offset));
  for (size_t done = 0; done < n;) {
    const size_t start = static_cast<size_t>((offset + done) % kChunkSize);
    const size_t length = std::min(n - done, kChunkSize - start);
    const uint64_t index = (offset + done) / kChunkSize;
    const Chunk* chunk = index < chunks_.size() ? chunks_[index].get() : nullptr;
    if (chunk == nullptr) {
      std::memset(scratch + done, 0, length);
    } else {
      std::memcpy(scratch + done, chunk->data() + start, length);
    }
    done += length;
  }
  return n;
}

void MemFile::Write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  assert(offset <= std::numeric_limits<uint64_t>::max() - data.size());
  for (size_t done = 0; done < data.size();) {
    const size_t start = static_cast<size_t>((offset + done) % kChunkSize);
    const size_t length = std::min(data.size() - done, kChunkSize - start);
    Chunk* chunk = Change((offset + done) / kChunkSize);
    std::memcpy(chunk->data() + start, data.data() + done, length);
    done += length;
  }
  size_ = std::max(size_, offset + data.size());
}

void MemFile::Truncate(uint64_t size) {
  if (size < size_) {
    for (uint64_t index = size / kChunkSize; index < chunks_.size(); ++index) {
      if (chunks_[index] == nullptr) continue;
      Change(index);
      chunks_[index] = ZeroedFrom(std::move(chunks_[index]), BytesBelow(size, index));
    }
  }
  size_ = size;
  smallest_size_ = std::min(smallest_size_, size);
}

void MemFile::Sync() {
  undo_.clear();
  synced_size_ = size_;
  smallest_size_ = size_;
}

void MemFile::ForgetUnsynced() { stuck_.merge(undo_); }

// 1. If the file was cut shorter than it is on disk, either that reached the disk or it did not; if
//    not, nothing did that came later behind the cut.
// 2. Of what was appended since, all, a part or nothing is kept.
// 3. Each changed block is the new one or the durable one.
// 4. Nothing lies behind the end.
MemFile MemFile::AfterPowerCut(PowerLossCoin* coin) const {
  const bool was_cut = smallest_size_ < synced_size_;
  const bool cut_kept = was_cut && coin->Keep();
  const bool cut_lost = was_cut && !cut_kept;

  MemFile left;
  left.chunks_ = chunks_;
  if (cut_lost) {
    left.size_ = synced_size_;
  } else {
    const uint64_t base = cut_kept ? smallest_size_ : synced_size_;
    left.size_ = base + coin->KeepUpTo(size_ - base);
  }

  for (const auto* old_chunks : {&undo_, &stuck_}) {
    for (const auto& [index, old] : *old_chunks) {
      const size_t below_cut = BytesBelow(smallest_size_, index);
      const ChunkPtr durable = cut_kept ? ZeroedFrom(old, below_cut) : old;
      const size_t mixable = cut_lost ? below_cut : kChunkSize;
      if (index >= left.chunks_.size()) left.chunks_.resize(index + 1);
      left.chunks_[index] = Mix(Find(index), durable, mixable, coin);
    }
  }
  left.DropBehindSize();
  left.Sync();
  return left;
}

void MemFile::DropBehindSize() {
  for (uint64_t index = size_ / kChunkSize; index < chunks_.size(); ++index) {
    chunks_[index] = ZeroedFrom(std::move(chunks_[index]), BytesBelow(size_, index));
  }
}

void MemFile::Damage(uint64_t offset, uint8_t mask) {
  assert(offset < size_);
  const uint64_t index = offset / kChunkSize;
  const size_t at = static_cast<size_t>(offset % kChunkSize);
  for (auto* old_chunks : {&undo_, &stuck_}) {
    const auto old = old_chunks->find(index);
    if (old == old_chunks->end()) continue;
    old->second = Unshared(std::move(old->second));
    (*old->second)[at] = static_cast<char>((*old->second)[at] ^ mask);
  }
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  chunks_[index] = Unshared(std::move(chunks_[index]));
  (*chunks_[index])[at] = static_cast<char>((*chunks_[index])[at] ^ mask);
}

}  // namespace lsm
