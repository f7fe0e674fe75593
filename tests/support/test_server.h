// SPDX-License-Identifier: BSD-3-Clause
// TestServer is a server without sockets: an Instance on a MapDb or on the engine with files in
// memory, a clock that stands still until it is moved, and clients whose bytes go in and out by
// hand. Background work of the engine runs between ticks.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis-compat/config.h"
#include "redis-compat/instance.h"
#include "tests/support/fake_host.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/map_db.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/transcript.h"

namespace test_support {

class TestServer {
 public:
  enum class Engine { kMapDb, kLsm };

  // `config` is the text of a configuration file.
  explicit TestServer(std::string_view config = "", Engine engine = Engine::kMapDb);
  // On a database among the files of another server, which must outlive this one.
  TestServer(TestServer* other, std::string database);
  ~TestServer();

  // Stops and starts again, but the database is not opened before FinishLoading. REQUIRES: the
  // engine is kLsm
  void RestartLoading();
  void FinishLoading();

  // A new client; the peer is on the loopback interface.
  redis::ClientId Connect();
  void Disconnect(redis::ClientId client);
  // Input for the next tick.
  void Feed(redis::ClientId client, std::string_view bytes);
  // What the client has received and not been asked about yet.
  std::string TakeOutput(redis::ClientId client);

  // Whether the client takes its output.
  void SetReading(redis::ClientId client, bool reads) { connections_[client].reads = reads; }

  // One tick: runs every session that has a reason to run. False if none had.
  bool Tick();
  // Ticks until nobody has anything left to do.
  void RunUntilIdle();

  // Feeds, runs and takes the output.
  std::string Exchange(redis::ClientId client, std::string_view bytes);
  // A command's reply as resp::Value::ToString prints it. The first form talks as one client that
  // is always there.
  std::string Call(std::string_view command_line);
  std::string Call(redis::ClientId client, const std::vector<std::string>& arguments);

  // Time passes, with a Cron every 100 ms.
  void Sleep(int64_t milliseconds);
  // Stops and starts again on the same disk. Connections end.
  void Restart();

  redis::Instance& instance() { return *instance_; }
  redis::Config& config() { return config_; }
  // What MapDb writes to.
  lsm::MapDbDisk& disk() { return disk_; }
  // What the engine writes to.
  lsm::MemFileSystem& files() { return *files_; }
  lsm::ManualClock& clock() { return clock_; }
  FakeHost& host() { return host_; }

 private:
  struct Connection {
    bool may_run = false;
    bool is_closed = false;
    bool reads = true;
    std::string received;
  };

  void Start();
  lsm::Result<std::unique_ptr<redis::Instance>> OpenInstance();

  void Write(redis::ClientId client, Connection* connection);

  redis::Config config_;
  lsm::ManualClock clock_;
  const Engine engine_;
  lsm::MapDbDisk disk_;
  const std::string database_;  // empty: below the directory that the settings name
  lsm::MemFileSystem own_files_;
  lsm::MemFileSystem* files_ = &own_files_;
  lsm::ManualExecutor executor_;
  FakeHost host_;
  std::unique_ptr<redis::Instance> instance_;
  std::map<redis::ClientId, Connection> connections_;
  redis::ClientId own_client_ = 0;
};

// Transcripts on a TestServer.
class InProcessTarget : public TranscriptTarget {
 public:
  explicit InProcessTarget(TestServer* server) : server_(server) {}

  void Send(const std::string& client, std::string_view bytes) override;
  // As over a socket, a reply that takes its time is waited for.
  std::string Receive(const std::string& client) override;
  void Disconnect(const std::string& client) override;
  void Sleep(int64_t milliseconds) override { server_->Sleep(milliseconds); }
  void Restart() override;
  bool Is(std::string_view kind) const override { return kind == "in-process" || kind == "varve"; }

 private:
  TestServer* const server_;
  std::map<std::string, redis::ClientId> clients_;
};

}  // namespace test_support
