// SPDX-License-Identifier: BSD-3-Clause
// SkipList keeps user keys in bytewise order (William Pugh, "Skip Lists: A Probabilistic
// Alternative to Balanced Trees", 1990). Each node carries one link, `newest`, to what its owner
// hangs from it.
//
// In the arena a node is one piece of memory; a link to the node points to its next[0]:
//
//     next[height-1] ... next[1] | next[0] | newest | key length | key bytes
//
// Every field thus has a fixed distance from where the link points, and nobody needs the height:
// whoever walks level i only meets nodes that reach up to it.
//
// Thread safety: one thread inserts at a time; any number of threads read meanwhile, without locks.
//
// Why a reader is safe beside the writer:
//   1. Nodes are never removed or moved and their memory lives as long as the arena, so a pointer
//      to a node that was once reached stays good.
//   2. All of a node but its next links and `newest` is written before the node is linked, and
//      never again. A node is linked by a release store into a next link, and readers follow next
//      links with acquire loads: who reaches a node sees its key, its first `newest` and its links.
//   3. A new node's own next links are set before it is linked, so at every moment each level is a
//      sorted list without gaps that ends in null. Levels are linked from the lowest upwards, so a
//      node found on a level is also on all levels below it, and going down never loses the place.
//   4. A reader that misses a node which is being linked returns what was right before the insert.
//      A reader may see a height of the list that is not up to date: if it is too small the search
//      begins lower than it could, if it is larger than what is linked yet the top levels of the
//      head are still null and the search goes down.
//
// Invariant: at each level, keys strictly ascend.

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>

#include "lsm/memtable/arena.h"
#include "lsm/random.h"

namespace lsm {

class SkipList {
 public:
  using Link = Arena::Link;
  static constexpr int kMaxHeight = 12;  // of p = 1/4: right for 4^12 = 16 million keys

  class Node {
   public:
    std::string_view key() const {
      return {reinterpret_cast<const char*>(this) + sizeof(Node), key_size_};
    }
    Link newest() const { return newest_.load(std::memory_order_acquire); }

   private:
    friend class SkipList;
    Node(std::string_view key, Link newest)
        : newest_(newest), key_size_(static_cast<uint32_t>(key.size())) {
      std::memcpy(reinterpret_cast<char*>(this) + sizeof(Node), key.data(), key.size());
    }

    std::atomic<Link> next_{Arena::kNull};
    std::atomic<Link> newest_;
    const uint32_t key_size_;
  };

  explicit SkipList(Arena* arena) : arena_(arena) {}
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  // Publishes `newest` and all that was written before the call. REQUIRES: the writer's thread.
  void SetNewest(const Node* node, Link newest) {
    // Nodes are const for readers.
    const_cast<Node*>(node)->newest_.store(newest, std::memory_order_release);
  }

  // Adds a node and returns its link.
  // REQUIRES: no node has this key; key.size() < 2^32; the writer's thread.
  Link Insert(std::string_view key, Link newest);

  const Node* At(Link link) const {
    return std::launder(reinterpret_cast<const Node*>(arena_->At(link)));
  }

  // Each returns null if there is no such node.
  const Node* First() const { return Follow(Head(), 0); }
  const Node* Last() const;
  const Node* Next(const Node* node) const { return Follow(&node->next_, 0); }
  const Node* FindGreaterOrEqual(std::string_view key) const { return Find(key, nullptr).at; }
  const Node* FindLessThan(std::string_view key) const { return NodeOf(Find(key, nullptr).before); }

 private:
  // The next links of a node or of the head: level i is at tower[-i].
  using Tower = const std::atomic<Link>*;
  using Path = std::array<Tower, kMaxHeight>;

  struct Place {
    Tower before;    // the last one of level 0 before the key
    const Node* at;  // what followed it: the first node at or after the key, or null
  };

  static_assert(sizeof(std::atomic<Link>) == sizeof(Link));
  static_assert(sizeof(Node) == 3 * sizeof(Link));
  static_assert(std::is_standard_layout_v<Node>, "next_ has the address of its node");

  Tower Head() const { return &head_[kMaxHeight - 1]; }
  const Node* NodeOf(Tower tower) const {
    return tower == Head() ? nullptr : reinterpret_cast<const Node*>(tower);
  }
  const Node* Follow(Tower tower, int level) const {
    const Link link = tower[-level].load(std::memory_order_acquire);
    return link == Arena::kNull ? nullptr : At(link);
  }
  // If `path` is not null, it gets the last tower before `key` of each level in use.
  Place Find(std::string_view key, Path* path) const;
  int RandomHeight();

  Arena* const arena_;
  Random random_{0x7661727665u};  // any seed: heights need not be secret
  std::atomic<int> height_{1};
  std::array<std::atomic<Link>, kMaxHeight> head_{};
};

inline SkipList::Place SkipList::Find(std::string_view key, Path* path) const {
  // 1. Start at the head, on the highest level in use.
  // 2. Go right while the next key is smaller.
  // 3. Else note the place and go down a level. The node that was too large above is often the next
  //    one below as well and needs no second comparison.
  Tower tower = Head();
  const Node* too_large = nullptr;
  for (int level = height_.load(std::memory_order_relaxed) - 1;; --level) {
    for (;;) {
      const Node* next = Follow(tower, level);
      if (next == nullptr || next == too_large || next->key() >= key) {
        too_large = next;
        break;
      }
      tower = &next->next_;
    }
    if (path != nullptr) (*path)[static_cast<size_t>(level)] = tower;
    if (level == 0) return {tower, too_large};
  }
}

inline const SkipList::Node* SkipList::Last() const {
  Tower tower = Head();
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    while (const Node* next = Follow(tower, level)) tower = &next->next_;
  }
  return NodeOf(tower);
}

inline int SkipList::RandomHeight() {
  int height = 1;
  for (uint32_t bits = random_.Next32(); height < kMaxHeight && (bits & 3) == 0; bits >>= 2) {
    ++height;
  }
  return height;
}

inline SkipList::Link SkipList::Insert(std::string_view key, Link newest) {
  // 1. Find the place on every level.
  assert(key.size() < (uint64_t{1} << 32));
  Path path;
  [[maybe_unused]] const Place place = Find(key, &path);
  assert(place.at == nullptr || place.at->key() != key);
  const int height = RandomHeight();
  if (const int old = height_.load(std::memory_order_relaxed); height > old) {
    std::fill(path.begin() + old, path.begin() + height, Head());
    height_.store(height, std::memory_order_relaxed);
  }
  // 2. Make the node. The upper links lie before it, and it must begin at a multiple of 8.
  const size_t upper = static_cast<size_t>(height) / 2 * 2 * sizeof(Link);
  const Link link =
      arena_->Allocate(upper + sizeof(Node) + key.size()) + static_cast<Link>(upper / Arena::kUnit);
  char* const memory = arena_->At(link);
  Node* const node = new (memory) Node(key, newest);
  for (int level = 1; level < height; ++level) {
    new (memory - static_cast<size_t>(level) * sizeof(Link)) std::atomic<Link>;
  }
  // 3. Link it, upwards. Its own links need no order, because nobody can see them yet.
  for (int level = 0; level < height; ++level) {
    const Tower before = path[static_cast<size_t>(level)];
    std::atomic<Link>* const own = &node->next_ - level;
    own->store(before[-level].load(std::memory_order_relaxed), std::memory_order_relaxed);
    // Towers are const for readers; this is the writer.
    const_cast<std::atomic<Link>&>(before[-level]).store(link, std::memory_order_release);
  }
  return link;
}

}  // namespace lsm
