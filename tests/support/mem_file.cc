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
ChunkPtr Mix(const ChunkPtr& current, ChunkPtr durable, size_t mixable, DurabilityCoin* coin) {
  ChunkPtr mixed = std::move(durable);
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

DurabilityCoin::DurabilityCoin(Random* random, PowerLoss loss) : random_(random) {
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

bool DurabilityCoin::Keep() {
  if (keep_of_16_ == 0 || keep_of_16_ == 16) return keep_of_16_ == 16;
  return random_->Uniform(16) < keep_of_16_;
}

uint64_t DurabilityCoin::KeepUpTo(uint64_t n) {
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

// 1. If the file was cut shorter than it is on disk, either that becomes durable, or nothing does
//    that came later behind the cut.
// 2. Of what was appended since, all, a part or nothing becomes durable.
// 3. So does, or does not, each changed block.
void MemFile::WriteBack(DurabilityCoin* coin) {
  const bool was_cut = smallest_size_ < synced_size_;
  const bool still_cut = was_cut && !coin->Keep();
  if (was_cut && !still_cut) {
    synced_size_ = smallest_size_;
    for (auto& [index, old] : undo_) {
      old = ZeroedFrom(std::move(old), BytesBelow(smallest_size_, index));
    }
  }
  if (!still_cut) {
    synced_size_ += coin->KeepUpTo(size_ - synced_size_);
    smallest_size_ = synced_size_;
  }
  for (auto& [index, old] : undo_) {
    const size_t mixable = still_cut ? BytesBelow(smallest_size_, index) : kChunkSize;
    old = Mix(Find(index), std::move(old), mixable, coin);
  }
}

MemFile MemFile::AfterPowerCut(DurabilityCoin* coin) const {
  MemFile left = *this;
  left.undo_.merge(left.stuck_);
  left.WriteBack(coin);
  left.size_ = left.synced_size_;
  for (auto& [index, old] : left.undo_) left.chunks_[index] = std::move(old);
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
