// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/key_order.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "lsm/memtable/key_sort.h"

namespace lsm {

struct KeyOrder::Chunk {
  explicit Chunk(uint32_t room) : capacity(room), links(std::make_unique<Link[]>(room)) {}

  size_t bytes() const { return sizeof(Chunk) + capacity * sizeof(Link); }

  const uint32_t capacity;
  const std::unique_ptr<Link[]> links;
  std::atomic<uint32_t> size{0};
  std::atomic<Chunk*> next{nullptr};  // owned; set once, when this one is full
};

KeyOrder::KeyOrder(const Arena* arena) : arena_(arena), runs_(std::make_shared<const Runs>()) {}

KeyOrder::~KeyOrder() {
  MutexLock lock(&mutex_);
  if (chunks_ == nullptr) chunks_.reset(first_appended_.load(std::memory_order_relaxed));
  while (chunks_ != nullptr) chunks_.reset(chunks_->next.load(std::memory_order_relaxed));
}

void KeyOrder::Append(Link node) {
  if (tail_ == nullptr) {
    auto chunk = std::make_unique<Chunk>(kFirstChunk);
    CountMemory(static_cast<ptrdiff_t>(chunk->bytes()));
    tail_ = chunk.release();
    first_appended_.store(tail_, std::memory_order_release);
  }
  uint32_t size = tail_->size.load(std::memory_order_relaxed);
  if (size == tail_->capacity) {
    auto chunk = std::make_unique<Chunk>(std::min(2 * tail_->capacity, kMaxChunk));
    CountMemory(static_cast<ptrdiff_t>(chunk->bytes()));
    Chunk* const full = tail_;
    tail_ = chunk.release();
    full->next.store(tail_, std::memory_order_release);
    // From here on `full` may be gone.
    if (mutex_.TryLock()) {
      SortChunks(/*full_only=*/true);
      mutex_.Unlock();
    }
    size = 0;
  }
  tail_->links[size] = node;
  tail_->size.store(size + 1, std::memory_order_release);
}

std::shared_ptr<const KeyOrder::Runs> KeyOrder::Sorted() const {
  MutexLock lock(&mutex_);
  SortChunks(/*full_only=*/false);
  MergeSmallRuns();
  return runs_;
}

void KeyOrder::SortChunks(bool full_only) const {
  if (chunks_ == nullptr) {
    // Taken over once; later chunks hang from this one.
    chunks_.reset(first_appended_.load(std::memory_order_acquire));
    if (chunks_ == nullptr) return;
  }
  Run run;
  for (;;) {
    Chunk* const next = chunks_->next.load(std::memory_order_acquire);
    if (full_only && next == nullptr) break;
    const uint32_t size = chunks_->size.load(std::memory_order_acquire);
    run.insert(run.end(), chunks_->links.get() + sorted_of_first_, chunks_->links.get() + size);
    sorted_of_first_ = size;
    if (next == nullptr) break;
    CountMemory(-static_cast<ptrdiff_t>(chunks_->bytes()));
    chunks_.reset(next);
    sorted_of_first_ = 0;
  }
  if (run.empty()) return;
  SortByKey(*arena_, run);
  ReplaceRuns(runs_->size(), runs_->size(), std::move(run));
}

void KeyOrder::MergeSmallRuns() const {
  const Runs& runs = *runs_;
  for (size_t end = runs.size(); end > 1;) {
    // The window [begin, end) that ends here.
    size_t begin = end - 1;
    size_t sum = runs[begin]->size();
    while (begin > 0 && runs[begin - 1]->size() <= 2 * sum &&
           runs[begin - 1]->size() + sum <= kMaxMerge) {
      sum += runs[--begin]->size();
    }
    if (end - begin > 1) {
      Run merged;
      merged.reserve(sum);
      for (size_t i = begin; i < end; ++i) {
        merged.insert(merged.end(), runs[i]->begin(), runs[i]->end());
      }
      SortByKey(*arena_, merged);
      ReplaceRuns(begin, end, std::move(merged));
      return;
    }
    end = begin;
  }
}

void KeyOrder::ReplaceRuns(size_t begin, size_t end, Run merged) const {
  auto runs =
      std::make_shared<Runs>(runs_->begin(), runs_->begin() + static_cast<ptrdiff_t>(begin));
  ptrdiff_t bytes = static_cast<ptrdiff_t>(merged.capacity() * sizeof(Link));
  for (size_t i = begin; i < end; ++i) {
    bytes -= static_cast<ptrdiff_t>((*runs_)[i]->capacity() * sizeof(Link));
  }
  CountMemory(bytes);
  runs->push_back(std::make_shared<const Run>(std::move(merged)));
  runs->insert(runs->end(), runs_->begin() + static_cast<ptrdiff_t>(end), runs_->end());
  runs_ = std::move(runs);
}

void KeyOrder::CountMemory(ptrdiff_t bytes) const {
  memory_usage_.fetch_add(static_cast<size_t>(bytes), std::memory_order_relaxed);
}

KeyOrder::Cursor::Cursor(const Arena* arena, std::shared_ptr<const Runs> runs)
    : arena_(*arena), runs_(std::move(runs)) {
  const KeyNode* smallest = nullptr;
  const KeyNode* largest = nullptr;
  for (const auto& run : *runs_) {
    const KeyNode* const first = KeyNode::At(arena_, run->front());
    const KeyNode* const last = KeyNode::At(arena_, run->back());
    if (smallest == nullptr || first->key() < smallest->key()) smallest = first;
    if (largest == nullptr || largest->key() < last->key()) largest = last;
  }
  if (smallest != nullptr) common_ = CommonPrefix(smallest->key(), largest->key());
  heads_.reserve(runs_->size());
}

uint64_t KeyOrder::Cursor::PrefixOf(const KeyNode& node) const {
  return KeyPrefix(node.key(), common_);
}

bool KeyOrder::Cursor::Less(const Head& a, const Head& b) const {
  return a.prefix != b.prefix ? a.prefix < b.prefix : a.node->key() < b.node->key();
}

size_t KeyOrder::Cursor::LowerBound(const Run& run, std::string_view key) const {
  const auto found = std::lower_bound(run.begin(), run.end(), key, [this](Link link, auto sought) {
    return KeyNode::At(arena_, link)->key() < sought;
  });
  return static_cast<size_t>(found - run.begin());
}

template <typename PositionOf>
void KeyOrder::Cursor::Place(bool forward, PositionOf position_of) {
  forward_ = forward;
  heads_.clear();
  for (const auto& run : *runs_) {
    const size_t position = position_of(*run);
    if (position >= run->size()) continue;  // also what wrapped below 0
    const KeyNode* const node = KeyNode::At(arena_, (*run)[position]);
    heads_.push_back({PrefixOf(*node), node, run.get(), position});
  }
  for (size_t at = heads_.size() / 2; at-- > 0;) Sift(at);
  Settle();
}

void KeyOrder::Cursor::SeekToFirst() {
  Place(true, [](const Run&) { return size_t{0}; });
}

void KeyOrder::Cursor::SeekToLast() {
  Place(false, [](const Run& run) { return run.size() - 1; });
}

void KeyOrder::Cursor::Seek(std::string_view key) {
  Place(true, [this, key](const Run& run) { return LowerBound(run, key); });
}

void KeyOrder::Cursor::SeekBefore(std::string_view key) {
  Place(false, [this, key](const Run& run) { return LowerBound(run, key) - 1; });
}

void KeyOrder::Cursor::Next() {
  assert(node_ != nullptr);
  if (!forward_) Seek(node_->key());
  Step();
}

void KeyOrder::Cursor::Prev() {
  assert(node_ != nullptr);
  if (forward_) return SeekBefore(node_->key());
  Step();
}

void KeyOrder::Cursor::Step() {
  // How far ahead of a walk forward nodes are fetched, and then their records.
  constexpr size_t kNodeAhead = 6;
  constexpr size_t kRecordAhead = 3;
  Head& head = heads_.front();
  const Run& run = *head.run;
  head.position += forward_ ? size_t{1} : ~size_t{0};
  if (head.position < run.size()) {
    if (forward_ && head.position + kNodeAhead < run.size()) {
      KeyNode::Prefetch(arena_, run[head.position + kNodeAhead]);
      KeyNode::At(arena_, run[head.position + kRecordAhead])->PrefetchNewest(arena_);
    }
    head.node = KeyNode::At(arena_, run[head.position]);
    head.prefix = PrefixOf(*head.node);
  } else {
    head = heads_.back();
    heads_.pop_back();
  }
  Sift(0);
  Settle();
}

void KeyOrder::Cursor::Sift(size_t at) {
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= heads_.size()) return;
    if (child + 1 < heads_.size() && Before(heads_[child + 1], heads_[child])) ++child;
    if (!Before(heads_[child], heads_[at])) return;
    std::swap(heads_[child], heads_[at]);
    at = child;
  }
}

}  // namespace lsm
