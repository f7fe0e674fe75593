// SPDX-License-Identifier: BSD-3-Clause
// Executors: the one with threads and the one that tests step.
#include "lsm/executor.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lsm/util/mutex.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"

namespace lsm {
namespace {

using Lane = Executor::Lane;
constexpr Lane kAllLanes[] = {Lane::kWalSync, Lane::kFlush, Lane::kCompaction, Lane::kCheckpoint};

class Log {
 public:
  void Add(std::string line) {
    MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines() {
    MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> lines_ GUARDED_BY(mutex_);
};

std::string ThreadName() {
  char name[16];
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return name;
}

}  // namespace

TEST_CASE("each lane runs its work in order on a thread that bears its name") {
  Log names;
  std::vector<int> order;  // touched by the flush lane alone
  {
    auto executor = Executor::Threads();
    for (const Lane lane : kAllLanes) {
      executor->Schedule(lane, [&names] { names.Add(ThreadName()); });
    }
    for (int i = 0; i < 1000; ++i) {
      executor->Schedule(Lane::kFlush, [&order, i] { order.push_back(i); });
    }
    CHECK_FALSE(executor->HelpWhileWaiting());
  }
  const std::vector<std::string> lines = names.lines();
  CHECK(std::set<std::string>(lines.begin(), lines.end()) ==
        std::set<std::string>{"varve-sync", "varve-flush", "varve-compact", "varve-copy"});
  REQUIRE(order.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(order[static_cast<size_t>(i)] == i);
}

TEST_CASE("a long job of one lane does not delay another lane") {
  auto executor = Executor::Threads();
  std::atomic<bool> synced = false;
  std::atomic<bool> saw_sync = false;
  executor->Schedule(Lane::kCompaction, [&] {
    synced.wait(false);
    saw_sync = true;
  });
  executor->Schedule(Lane::kWalSync, [&] {
    synced = true;
    synced.notify_all();
  });
  executor.reset();
  CHECK(saw_sync);
}

TEST_CASE("destroying the executor runs everything, also what work schedules on other lanes") {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> runs = 0;
    {
      auto executor = Executor::Threads();
      Executor* const raw = executor.get();
      for (int i = 0; i < 4; ++i) {
        raw->Schedule(Lane::kWalSync, [raw, &runs] {
          ++runs;
          raw->Schedule(Lane::kFlush, [raw, &runs] {
            ++runs;
            raw->Schedule(Lane::kCompaction, [raw, &runs] {
              ++runs;
              raw->Schedule(Lane::kWalSync, [&runs] { ++runs; });
            });
          });
        });
      }
    }
    CHECK(runs == 16);
  }
}

TEST_CASE("work scheduled by many threads at once runs once each") {
  std::atomic<int> runs = 0;
  {
    auto executor = Executor::Threads();
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int n = 0; n < 300; ++n) {
          executor->Schedule(kAllLanes[n % 3], [&runs] { ++runs; });
        }
      });
    }
    callers.clear();
  }
  CHECK(runs == 1200);
}

TEST_CASE("what a job owns is released when it has run") {
  auto token = std::make_shared<int>(1);
  {
    auto executor = Executor::Threads();
    executor->Schedule(Lane::kFlush, [token] {});
  }
  CHECK(token.use_count() == 1);
  ManualExecutor manual;
  manual.Schedule(Lane::kFlush, [token] {});
  CHECK(token.use_count() == 2);
  CHECK(manual.RunAll() == 1);
  CHECK(token.use_count() == 1);
}

TEST_CASE("what waits for its time has its turn on a lane that is never empty") {
  std::atomic<bool> came{false};
  std::atomic<int> rounds{0};
  {
    const std::unique_ptr<Executor> executor = Executor::Threads();
    const std::function<void()> again = [&] {
      if (came.load() || ++rounds == 2000) return;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      executor->Schedule(Lane::kCompaction, again);
    };
    executor->ScheduleAfter(Lane::kCompaction, 1000, [&] { came = true; });
    executor->Schedule(Lane::kCompaction, again);
    while (!came.load() && rounds.load() < 2000) std::this_thread::yield();
  }
  CHECK(came.load());
  CHECK(rounds.load() < 2000);
}

TEST_CASE("a manual executor runs nothing until it is stepped, then in order of scheduling") {
  ManualExecutor executor;
  std::string trace;
  executor.Schedule(Lane::kFlush, [&] { trace += "a"; });
  executor.Schedule(Lane::kWalSync, [&] { trace += "b"; });
  executor.Schedule(Lane::kFlush, [&] { trace += "c"; });
  CHECK(trace.empty());
  CHECK(executor.Queued() == 3);
  CHECK(executor.RunOne());
  CHECK(trace == "a");
  CHECK(executor.Queued(Lane::kFlush) == 1);
  CHECK(executor.RunOne(Lane::kFlush));
  CHECK_FALSE(executor.RunOne(Lane::kFlush));
  CHECK_FALSE(executor.RunOne(Lane::kCompaction));
  CHECK(executor.RunAll() == 1);
  CHECK(trace == "acb");
  CHECK_FALSE(executor.RunOne());
}

TEST_CASE("work that waits helps with other lanes, never with a second job of its own") {
  ManualExecutor executor;
  std::string trace;
  executor.Schedule(Lane::kFlush, [&] {
    trace += "flush(";
    executor.Schedule(Lane::kWalSync, [&] { trace += "sync"; });
    executor.Schedule(Lane::kFlush, [&] { trace += " second"; });
    CHECK(executor.HelpWhileWaiting());
    CHECK_FALSE(executor.HelpWhileWaiting());
    trace += ")";
  });
  CHECK(executor.RunAll() == 2);
  CHECK(trace == "flush(sync) second");
}

TEST_CASE("a seeded executor repeats its order with its seed, and differs between seeds") {
  const auto run = [](uint64_t seed) {
    ManualExecutor executor(seed);
    std::string trace;
    for (int i = 0; i < 10; ++i) {
      for (const Lane lane : kAllLanes) {
        executor.Schedule(lane, [&trace, lane] { trace += "sfc"[static_cast<size_t>(lane)]; });
      }
    }
    CHECK(executor.RunAll() == 40);
    return trace;
  };
  std::set<std::string> traces;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    CHECK(run(seed) == run(seed));
    traces.insert(run(seed));
  }
  CHECK(traces.size() == 10);
}

TEST_CASE("a manual clock moves only by hand, and its calendar may jump back") {
  ManualClock clock;
  const int64_t now = clock.NowMicros();
  const int64_t monotonic = clock.MonotonicMicros();
  clock.Advance(1500);
  CHECK(clock.NowMicros() == now + 1500);
  CHECK(clock.MonotonicMicros() == monotonic + 1500);
  clock.JumpTo(now - 7);
  CHECK(clock.NowMicros() == now - 7);
  CHECK(clock.MonotonicMicros() == monotonic + 1500);
}

TEST_CASE("the system's clock shows this century and never goes back on its monotonic scale") {
  Clock* const clock = Clock::System();
  CHECK(clock->NowMicros() > int64_t{1'600'000'000} * 1'000'000);
  int64_t last = clock->MonotonicMicros();
  for (int i = 0; i < 1000; ++i) {
    const int64_t next = clock->MonotonicMicros();
    CHECK(next >= last);
    last = next;
  }
}

}  // namespace lsm
