// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/engine_listener.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "redis-compat/observer.h"
#include "tests/support/fake_host.h"
#include "tests/support/test_server.h"

namespace redis {
namespace {

TEST_CASE("background work is told to the loop if it took as long as is watched") {
  test_support::FakeHost host;
  std::vector<std::pair<lsm::BackgroundWork, int64_t>> told;
  EngineListener listener(
      &host, nullptr, [] {},
      [&](lsm::BackgroundWork work, int64_t micros) { told.emplace_back(work, micros); },
      [](const lsm::Status&, const lsm::CheckpointInfo&) {});
  listener.OnBackgroundWork(lsm::BackgroundWork::kFlush, 1'000'000'000);
  CHECK_FALSE(host.RunTasks());  // nothing is watched
  listener.set_watched_micros(1000);
  listener.OnBackgroundWork(lsm::BackgroundWork::kSync, 999);
  listener.OnBackgroundWork(lsm::BackgroundWork::kCompaction, 1000);
  CHECK(told.empty());
  CHECK(host.RunTasks());
  REQUIRE(told.size() == 1);
  CHECK(told[0] == std::pair{lsm::BackgroundWork::kCompaction, int64_t{1000}});
}

TEST_CASE("a failure of background work wakes who waits, and is in the log once") {
  test_support::FakeHost host;
  int woken = 0;
  EngineListener listener(
      &host, nullptr, [&] { ++woken; }, [](lsm::BackgroundWork, int64_t) {},
      [](const lsm::Status&, const lsm::CheckpointInfo&) {});
  // As the engine does.
  listener.OnLog(lsm::LogLevel::kWarning, "background work failed: no luck");
  listener.OnBackgroundError(lsm::Status::IoError("no luck"));
  CHECK(host.RunTasks());
  CHECK(woken == 1);
  CHECK(host.log().size() == 1);
}

TEST_CASE("what the engine's threads did slowly is among the latency events") {
  test_support::TestServer server("", test_support::TestServer::Engine::kLsm);
  lsm::Listener& listener = server.instance().engine_listener();
  listener.OnBackgroundWork(lsm::BackgroundWork::kFlush, 70'000);
  server.RunUntilIdle();
  CHECK(server.Call("LATENCY LATEST") == "[]");
  REQUIRE(server.Call("CONFIG SET latency-monitor-threshold 50") == "OK");
  listener.OnBackgroundWork(lsm::BackgroundWork::kFlush, 70'000);
  listener.OnBackgroundWork(lsm::BackgroundWork::kSync, 50'000);
  listener.OnBackgroundWork(lsm::BackgroundWork::kCompaction, 49'999);
  server.host().RunTasks();
  const LatencyMonitor& monitor = server.instance().observer().monitor();
  REQUIRE(monitor.Find("flush") != nullptr);
  CHECK(monitor.Find("flush")->worst_ms == 70);
  CHECK(monitor.Find("wal-sync") != nullptr);
  CHECK(monitor.Find("compaction") == nullptr);
  REQUIRE(server.Call("CONFIG SET latency-monitor-threshold 0") == "OK");
  listener.OnBackgroundWork(lsm::BackgroundWork::kCompaction, 70'000);
  server.host().RunTasks();
  CHECK(monitor.Find("compaction") == nullptr);
}

TEST_CASE("a slow round of commands is an event of the loop, its commands are events too") {
  test_support::TestServer server("latency-monitor-threshold 10\nenable-debug-command yes\n");
  REQUIRE(server.Call("DEBUG SLEEP 0.02") == "OK");
  const LatencyMonitor& monitor = server.instance().observer().monitor();
  REQUIRE(monitor.Find("command") != nullptr);
  CHECK(monitor.Find("command")->worst_ms == 20);
  REQUIRE(monitor.Find("event-loop") != nullptr);
  CHECK(monitor.Find("event-loop")->worst_ms == 20);
  CHECK(monitor.Find("fast-command") == nullptr);
  CHECK(monitor.Find("log-append") == nullptr);
}

}  // namespace
}  // namespace redis
