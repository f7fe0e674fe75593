// SPDX-License-Identifier: BSD-3-Clause
// Instance owns a server without its sockets: the database, the configuration, the sessions and
// what is counted about them. It runs in ticks:
//
//   BeginTick
//     Run(session)   for each session with input: parses and executes; write commands take the
//                    writer lock at their first write of the tick
//   EndTick          closes the group of write units, gives the writer lock back, and releases the
//                    replies that may leave
//
// Between EndTick and the next BeginTick the network writes the released output.
//
// If the group cannot be appended to the log, every reply that shows one of its units is replaced
// by an error: its writes have no effect, and what was read may have seen them.
//
// Thread safety: none; everything happens on one loop's thread, background threads come in through
// Host::Post.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/random.h"
#include "redis-compat/client_pause.h"
#include "redis-compat/config.h"
#include "redis-compat/host.h"
#include "redis-compat/session.h"
#include "redis-compat/statistics.h"

namespace redis {

class AccessTracker;
class ActiveExpiry;
class BlockedClients;
class Checkpoints;
class ClientLimits;
class CursorRegistry;
class Databases;
class Dispatcher;
class EngineListener;
class Observer;
class Monitors;
class ReplyGate;
class ServerTime;
class WatchRegistry;
class WriteGate;
class WriteUnit;

class Instance {
 public:
  // Opens the data directory that `config` names. `config` must outlive the instance. The seams of
  // `engine` (file system, clock, executor) are used as they are; its sizes come from `config`, and
  // what its listener hears is passed on.
  static lsm::Result<std::unique_ptr<Instance>> Open(Config* config, Host* host,
                                                     const lsm::Options& engine);
  // The same on a database that is already open; `clock` must outlive the instance, and what the
  // database tells is to be told to engine_listener().
  static lsm::Result<std::unique_ptr<Instance>> Open(Config* config, Host* host, lsm::Clock* clock,
                                                     std::unique_ptr<lsm::DB> db);
  // The first of these in three steps, for a start that takes long: from the first on clients may
  // connect, but commands that need data are refused.
  static std::unique_ptr<Instance> BeginOpen(Config* config, Host* host,
                                             const lsm::Options& engine);
  // Takes as long as it takes. Safe from any thread, beside everything but Shutdown.
  lsm::Result<std::unique_ptr<lsm::DB>> OpenDatabase() const { return opener_(); }
  lsm::Status FinishOpen(std::unique_ptr<lsm::DB> db);
  ~Instance();

  bool loading() const { return loading_; }
  struct LoadProgress {
    int64_t started_ms = 0;
    uint64_t done_bytes = 0;
    uint64_t total_bytes = 0;  // 0 until it is known
  };
  LoadProgress load_progress() const;

  // A new client. If it is refused (maxclients, protected mode), `refusal` is set to the bytes to
  // send before closing, and null is returned.
  Session* Connect(const Session::Peer& peer, std::string* refusal);
  // The connection is gone. The session is dead on return.
  void Disconnect(ClientId client);
  Session* Find(ClientId client);  // null if gone

  void BeginTick();
  // A hint that these sessions will run in this tick.
  void Prefetch(std::span<Session* const> sessions);
  enum class RunResult {
    kIdle,    // all whole commands were executed
    kPaused,  // input may be left: the output is full, writes are stopped, or a command waits. The
              // network runs the session again when it has written some of its output; for the
              // other reasons the instance asks the host to wake the session when it may go on
    kYield,   // input is left and the turn is over: run it again in the next tick
    kClose,   // close once the output is written
  };
  RunResult Run(Session* session);
  void EndTick();

  // Ten times a second or so, outside of ticks: expiry, syncs, timeouts, statistics.
  void Cron();

  // Refuses new work, syncs and closes the database. The last call.
  lsm::Status Shutdown();

  // How the database is opened again.
  using Opener = std::function<lsm::Result<std::unique_ptr<lsm::DB>>()>;
  void set_opener(Opener opener) { opener_ = std::move(opener); }
  // Closes the database and opens it again, within a tick: whatever was acknowledged comes back
  // from disk. What the current command read before is dead. If it cannot be opened, the server
  // stops. REQUIRES: there is an opener
  lsm::Status Reload();

  // For commands.
  lsm::DB& db() { return *db_; }
  Config& config() { return *config_; }
  const Settings& settings() const { return config_->settings(); }
  // proto-max-bulk-len, as far as the engine can store it.
  size_t max_string_size() const;
  Host& host() { return *host_; }
  lsm::Clock& clock() { return *clock_; }
  Databases& databases() { return *databases_; }
  BlockedClients& blocked_clients() { return *blocked_clients_; }
  Monitors& monitors() { return *monitors_; }
  Dispatcher& dispatcher() { return *dispatcher_; }
  Checkpoints& checkpoints() { return *checkpoints_; }
  // The one under way has ended: who waits for it goes on.
  void OnCheckpointEnd();
  CursorRegistry& cursors() { return *cursors_; }
  ActiveExpiry& active_expiry() { return *active_expiry_; }
  WatchRegistry& watches() { return *watches_; }
  ClientLimits& client_limits() { return *client_limits_; }
  Statistics& statistics() { return statistics_; }
  // Null while maxmemory-policy does not ask for it.
  AccessTracker* access_tracker() { return access_tracker_.get(); }
  // Begins or ends tracking accesses as the settings say.
  void FollowAccessTracking();
  Observer& observer() { return *observer_; }
  // After CONFIG SET: what is observed from now on.
  void FollowSettings();
  // The tick's time. Never goes back, not across restarts either.
  int64_t now_ms() const { return now_ms_; }
  int64_t started_ms() const { return started_ms_; }
  // 40 hex digits, new at each start.
  const std::string& run_id() const { return run_id_; }
  // What replicas would name this history by: 40 hex digits, new at each start.
  const std::string& replication_id() const { return replication_id_; }
  // Bytes of units that are committed and not yet in the log.
  size_t open_group_bytes() const { return group_bytes_; }
  // By id, so in the order they connected.
  const std::map<ClientId, std::unique_ptr<Session>>& sessions() const { return sessions_; }
  // Whether the client has to say a password before anything else.
  bool MustAuthenticate(const Session& session) const {
    return !session.state().authenticated && !settings().requirepass.empty();
  }
  // What the client queued and watches is forgotten.
  void EndTransaction(Session* session);
  // Ends a client, whatever it is still owed: it may be one that does not read. The host is told.
  void CloseSession(Session* session);
  // Output that is no reply to the session's own command; nothing holds it back but what the
  // session was replied before. REQUIRES: within a tick, `session` is not amid a reply
  void Push(Session* session, std::string_view bytes);
  // CLIENT PAUSE and UNPAUSE.
  void PauseClients(ClientPause::Mode mode, int64_t milliseconds);
  void UnpauseClients();

  lsm::Random& random() { return random_; }
  lsm::Listener& engine_listener();

  // The newest state that the tick may see: the writer's once it writes. Good until the next commit
  // or the end of the tick.
  lsm::ReadView* view();
  // Takes the writer lock for the rest of the tick.
  void BeginWrite();
  // Whether a unit that no client asked for (an expiry, a cursor's prefix) may be written now.
  bool MayWrite() const;
  // Commits what a unit collected; its `reflects` then covers it. REQUIRES: BeginWrite was called
  // in this tick, unless the unit is empty.
  lsm::Status Commit(WriteUnit* unit);
  // Closes the group if it is large, or would be with so many bytes more. To be called before the
  // write gate is asked: closing it may be what stops writes, and a command that is on its way
  // already would be refused instead of waiting.
  void MakeRoomInGroup(size_t bytes) {
    if (group_bytes_ + bytes > kLargeGroup && group_bytes_ > 0) CloseLargeGroup();
  }
  // Closes the group, so that its replies may leave whatever becomes of later units.
  lsm::Status CloseGroup();

 private:
  friend class Dispatcher;

  Instance(Config* config, Host* host, lsm::Clock* clock, lsm::Listener* listener);
  // Everything but the database, for which something empty stands in.
  void Prepare();
  void UseDatabase(std::unique_ptr<lsm::DB> db);
  lsm::Status Reopen();
  bool Refuses(const Session::Peer& peer, std::string* refusal) const;
  static constexpr size_t kLargeGroup = size_t{512} << 10;
  void CloseLargeGroup();
  // The units of the open group are gone: what depends on them is put right.
  void OnGroupLost(const lsm::Status& reason);
  void SampleMemory();
  lsm::Status PersistTime();
  void EndPauseIfOver();
  // Clients that wait for the disk go on, or a sync is asked for.
  void WakeSynced();
  // Replies that waited for a sync, or writes that waited for room, may go on.
  void OnEngineProgress();
  void OnSlowWork(lsm::BackgroundWork work, int64_t micros);

  Config* const config_;
  Host* const host_;
  lsm::Clock* const clock_;
  // Null after the instance is gone, for tasks that were posted before; touched by the loop only.
  std::shared_ptr<Instance*> self_;
  std::unique_ptr<EngineListener> listener_;
  Opener opener_;
  std::unique_ptr<lsm::DB> db_;
  std::unique_ptr<ServerTime> time_;
  std::unique_ptr<Databases> databases_;
  std::unique_ptr<BlockedClients> blocked_clients_;
  std::unique_ptr<Monitors> monitors_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::unique_ptr<CursorRegistry> cursors_;
  std::unique_ptr<ActiveExpiry> active_expiry_;
  std::unique_ptr<WatchRegistry> watches_;
  std::unique_ptr<WriteGate> write_gate_;
  std::unique_ptr<ReplyGate> reply_gate_;
  std::unique_ptr<ClientLimits> client_limits_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<AccessTracker> access_tracker_;
  Statistics statistics_;
  std::unique_ptr<Observer> observer_;
  lsm::Random random_;
  std::map<ClientId, std::unique_ptr<Session>> sessions_;
  ClientId next_client_ = 1;
  std::string run_id_;
  std::string replication_id_;
  int64_t started_ms_ = 0;
  int64_t now_ms_ = 0;
  ClientPause pause_;
  int64_t memory_sampled_ms_ = 0;
  int64_t last_sync_request_us_ = 0;
  int64_t last_loss_logged_us_ = 0;
  lsm::SequenceNumber time_persisted_at_ = 0;  // the unit that wrote the time record
  bool closed_ = false;
  bool loading_ = true;
  lsm::FileSystem* file_system_ = nullptr;  // for checkpoints; null where there are no files

  // The tick.
  bool in_tick_ = false;
  int64_t tick_started_us_ = 0;          // 0 unless events are watched
  std::vector<Session*> tick_sessions_;  // ran in this tick, or hold replies back
  std::unique_ptr<lsm::ReadView> read_view_;
  std::unique_ptr<lsm::Writer> writer_;  // null before the tick's first write
  size_t group_bytes_ = 0;
  int64_t group_opened_us_ = 0;
};

}  // namespace redis
