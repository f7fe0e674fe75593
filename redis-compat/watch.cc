// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/watch.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "redis-compat/databases.h"
#include "redis-compat/instance.h"
#include "redis-compat/key_codec.h"
#include "redis-compat/session.h"
#include "redis-compat/transaction.h"

namespace redis {

// Looks a unit's writes through.
class WatchRegistry::Reader : public lsm::WriteBatch::Handler {
 public:
  void Add(lsm::TreeId tree, const Keys* keys) { trees_.emplace_back(tree, keys); }

  lsm::Status Put(lsm::TreeId tree, std::string_view key, std::string_view) override {
    if (const Watchers* watchers = Find(tree, key)) CollectAll(*watchers, &touched_);
    return {};
  }
  lsm::Status Delete(lsm::TreeId tree, std::string_view key) override {
    if (const Watchers* watchers = Find(tree, key)) {
      CollectWhereExists(*watchers, &touched_);
    }
    return {};
  }
  lsm::Status AddCounter(lsm::TreeId, size_t, int64_t) override { return {}; }
  lsm::Status CreateTree(lsm::TreeId) override { return {}; }
  lsm::Status DropTree(lsm::TreeId) override { return {}; }
  lsm::Status ForkTree(lsm::TreeId, lsm::TreeId) override { return {}; }

  std::vector<ClientId>* touched() { return &touched_; }

 private:
  const Watchers* Find(lsm::TreeId tree, std::string_view key) const {
    if (key.empty() || key[0] != kUserKeyPrefix) return nullptr;
    for (const auto& [watched, keys] : trees_) {
      if (watched != tree) continue;
      const auto found = keys->find(DecodeUserKey(key));
      return found == keys->end() ? nullptr : &found->second;
    }
    return nullptr;
  }

  std::vector<std::pair<lsm::TreeId, const Keys*>> trees_;
  std::vector<ClientId> touched_;
};

const WatchRegistry::Watcher* WatchRegistry::FindWatcher(const Watchers& watchers,
                                                         ClientId client) {
  const auto found =
      std::find_if(watchers.begin(), watchers.end(),
                   [client](const Watcher& watcher) { return watcher.client == client; });
  return found == watchers.end() ? nullptr : &*found;
}

void WatchRegistry::Watch(Session* session, int database, const KeySlot& slot) {
  assert(session->transaction() != nullptr);
  const auto [entry, added] = databases_[database].try_emplace(std::string(slot.key));
  Watchers& watchers = entry->second;
  if (FindWatcher(watchers, session->id()) != nullptr) return;
  Watcher watcher{session->id(), slot.exists, std::nullopt};
  if (slot.exists) watcher.expiry_ms = slot.header.expiry_ms;
  watchers.push_back(watcher);
  clients_[session->id()].push_back({database, entry->first});
  session->transaction()->AddWatchBytes(slot.key.size() + sizeof(Keys::value_type) +
                                        sizeof(Watcher) + sizeof(Place));
}

void WatchRegistry::Unwatch(Session* session) {
  const auto found = clients_.find(session->id());
  if (found == clients_.end()) return;
  for (const Place& place : found->second) {
    const auto keys = databases_.find(place.database);
    const auto entry = keys->second.find(place.key);
    // From the back: there are those that Mark asks for.
    Watchers& watchers = entry->second;
    const auto mine =
        std::find_if(watchers.rbegin(), watchers.rend(),
                     [session](const Watcher& watcher) { return watcher.client == session->id(); });
    assert(mine != watchers.rend());
    watchers.erase(std::prev(mine.base()));
    if (watchers.empty()) keys->second.erase(entry);
    if (keys->second.empty()) databases_.erase(keys);
  }
  clients_.erase(found);
  if (session->transaction() != nullptr) session->transaction()->ClearWatchBytes();
}

bool WatchRegistry::HasExpired(const Session& session, int64_t now_ms) const {
  const auto found = clients_.find(session.id());
  if (found == clients_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const Place& place) {
    const Watchers& watchers = databases_.at(place.database).find(place.key)->second;
    const Watcher* watcher = FindWatcher(watchers, session.id());
    return watcher->expiry_ms && *watcher->expiry_ms <= now_ms;
  });
}

void WatchRegistry::OnCommit(WriteUnit* unit, lsm::SequenceNumber sequence) {
  Reader reader;
  const auto& changes = unit->tree_changes();
  for (const auto& [database, keys] : databases_) {
    const lsm::TreeId tree = instance_->databases().Find(database).tree;
    const bool is_other =
        std::any_of(changes.begin(), changes.end(),
                    [number = database](const auto& change) { return change.database == number; });
    if (is_other) {
      CollectInOtherTree(keys, tree, reader.touched());
    } else {
      reader.Add(tree, &keys);
    }
  }
  const lsm::WriteBatch& batch = unit->Seal();
  const lsm::Status read = lsm::WriteBatch::Iterate(batch.rep(), batch.count(), &reader);
  // Nothing was decoded that had not been applied.
  assert(read.ok());
  static_cast<void>(read.ok());
  Mark(*reader.touched(), sequence);
}

void WatchRegistry::CollectAll(const Watchers& watchers, std::vector<ClientId>* touched) {
  for (const Watcher& watcher : watchers) touched->push_back(watcher.client);
}

void WatchRegistry::CollectWhereExists(const Watchers& watchers, std::vector<ClientId>* touched) {
  for (const Watcher& watcher : watchers) {
    if (watcher.exists) touched->push_back(watcher.client);
  }
}

void WatchRegistry::CollectInOtherTree(const Keys& keys, lsm::TreeId tree,
                                       std::vector<ClientId>* touched) {
  std::string encoded;
  for (const auto& [key, watchers] : keys) {
    CollectWhereExists(watchers, touched);
    if (tree == lsm::kDirectoryTree) continue;
    EncodeUserKey(key, &encoded);
    const lsm::Result<lsm::Lookup> lookup = instance_->view()->Get(tree, encoded);
    bool is_there = !lookup.ok();  // nobody knows
    if (lookup.ok() && lookup->value) {
      const lsm::Result<Header> header = DecodeHeader(lookup->value->view());
      is_there = !header.ok() || !header->expiry_ms || *header->expiry_ms > instance_->now_ms();
    }
    if (is_there) CollectAll(watchers, touched);
  }
}

void WatchRegistry::Mark(const std::vector<ClientId>& clients, lsm::SequenceNumber sequence) {
  // The last first, so that of many who watch one key none looks for itself among the others.
  for (auto client = clients.rbegin(); client != clients.rend(); ++client) {
    Session* session = instance_->Find(*client);
    assert(session != nullptr && session->transaction() != nullptr);
    session->transaction()->MarkDirty(sequence);
    Unwatch(session);  // once is enough
  }
}

void WatchRegistry::MarkAll() {
  std::vector<ClientId> all;
  for (const auto& [client, places] : clients_) all.push_back(client);
  Mark(all, 0);
}

}  // namespace redis
