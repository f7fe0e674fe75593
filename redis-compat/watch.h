// SPDX-License-Identifier: BSD-3-Clause
// WatchRegistry knows which client watches which keys, and marks a client's transaction dirty when
// one of them is changed.
//
// What counts is what clients can see. A key is there or not - one whose time has come is not - and
// a change is: another value or expiry written, a key gone that was there, a key come that was not.
// So taking an expired key out changes nothing for a client that found it expired; and for one that
// found it there, it changed when its time came, whether or not anybody has taken it out.
//
//   1. WATCH remembers of each key whether it is there, and when it expires.
//   2. Each committed unit is looked through (only while somebody watches something): a put of a
//      watched key is a change; a delete is one for those who found the key there. In a database
//      that has got another tree - it was flushed, swapped, or made - every key that was there
//      counts as changed, and others are looked up in the new tree.
//   3. EXEC asks whether one of its keys has expired since. No need to read it: had it been written
//      since, the transaction would be dirty.
//
// If a group of units is lost, everybody is marked: what WATCH remembered may be of that group. A
// mark too many only makes a client try again.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lsm/types.h"
#include "redis-compat/host.h"
#include "redis-compat/keyspace.h"
#include "redis-compat/seeded_hash.h"
#include "redis-compat/write_unit.h"

namespace redis {

class Instance;
class Session;

class WatchRegistry {
 public:
  explicit WatchRegistry(Instance* instance) : instance_(instance) {}

  bool empty() const { return clients_.empty(); }

  // The slot is what the client would find now. Watching a key twice is watching it once.
  // REQUIRES: the session has a transaction
  void Watch(Session* session, int database, const KeySlot& slot);
  // All that the session watches. What was marked stays marked.
  void Unwatch(Session* session);
  // Whether a key that was there when it was watched has expired by now.
  bool HasExpired(const Session& session, int64_t now_ms) const;

  // A unit was committed and applied to the directory.
  void OnCommit(WriteUnit* unit, lsm::SequenceNumber sequence);
  // Committed units are gone.
  void MarkAll();

 private:
  struct Watcher {
    ClientId client;
    bool exists;  // when it was watched
    std::optional<int64_t> expiry_ms;
  };
  using Watchers = std::vector<Watcher>;
  using Keys = std::unordered_map<std::string, Watchers, SeededHash, std::equal_to<>>;
  struct Place {
    int database;
    std::string_view key;  // the one in databases_
  };
  class Reader;

  static const Watcher* FindWatcher(const Watchers& watchers, ClientId client);
  static void CollectAll(const Watchers& watchers, std::vector<ClientId>* touched);
  static void CollectWhereExists(const Watchers& watchers, std::vector<ClientId>* touched);
  void CollectInOtherTree(const Keys& keys, lsm::TreeId tree, std::vector<ClientId>* touched);
  void Mark(const std::vector<ClientId>& clients, lsm::SequenceNumber sequence);

  Instance* const instance_;
  std::map<int, Keys> databases_;
  std::unordered_map<ClientId, std::vector<Place>> clients_;
};

}  // namespace redis
