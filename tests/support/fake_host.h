// SPDX-License-Identifier: BSD-3-Clause
// FakeHost remembers what the Redis layer asks of its host, for TestServer to do.
// Thread safety: Post and Log are safe for concurrent use, the rest belongs to the test's thread.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "redis-compat/host.h"

namespace test_support {

class FakeHost : public redis::Host {
 public:
  void Post(std::function<void()> task) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  void Wake(redis::ClientId client) override { woken.insert(client); }
  void WakeAfter(redis::ClientId client, int64_t delay_micros) override {
    delayed[client] = delay_micros;
  }
  void CloseClient(redis::ClientId client) override { closing.insert(client); }
  void Stop() override { stopped = true; }
  void Log(lsm::LogLevel, std::string_view message) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    log_.emplace_back(message);
  }

  // Runs what was posted. True if there was something.
  bool RunTasks() {
    std::deque<std::function<void()>> tasks;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    return !tasks.empty();
  }
  std::vector<std::string> log() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return log_;
  }

  std::set<redis::ClientId> woken;
  std::map<redis::ClientId, int64_t> delayed;  // how long each waits
  std::set<redis::ClientId> closing;
  bool stopped = false;

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::string> log_;
};

}  // namespace test_support
