// SPDX-License-Identifier: BSD-3-Clause
// EngineListener carries what the engine tells from its threads to the loop: it posts one task at a
// time that lets waiting replies and writes go on, one for work that took long, and one for the end
// of each checkpoint. The log goes to the host at once.
//
// Thread safety: safe for concurrent use.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "lsm/db.h"
#include "lsm/listener.h"
#include "redis-compat/host.h"

namespace redis {

class EngineListener : public lsm::Listener {
 public:
  using SlowWork = std::function<void(lsm::BackgroundWork work, int64_t micros)>;
  using CheckpointEnd = std::function<void(const lsm::Status&, const lsm::CheckpointInfo&)>;

  // All but `next` run on the loop. `next` hears everything too; may be null.
  EngineListener(Host* host, lsm::Listener* next, std::function<void()> progress,
                 SlowWork slow_work, CheckpointEnd checkpoint_end)
      : host_(host), next_(next), shared_(std::make_shared<Shared>()) {
    shared_->progress = std::move(progress);
    shared_->slow_work = std::move(slow_work);
    shared_->checkpoint_end = std::move(checkpoint_end);
  }

  // Background work that takes so long is told to `slow_work`.
  void set_watched_micros(int64_t micros) { watched_micros_ = micros; }

  void OnLog(lsm::LogLevel level, std::string_view message) override {
    host_->Log(level, message);
    if (next_ != nullptr) next_->OnLog(level, message);
  }
  void OnSynced(lsm::SequenceNumber through) override {
    PostProgress();
    if (next_ != nullptr) next_->OnSynced(through);
  }
  void OnStallRelieved() override {
    PostProgress();
    if (next_ != nullptr) next_->OnStallRelieved();
  }
  void OnBackgroundError(const lsm::Status& status) override {
    PostProgress();  // writes that wait are refused; the engine has logged why
    if (next_ != nullptr) next_->OnBackgroundError(status);
  }
  void OnBackgroundWork(lsm::BackgroundWork work, int64_t micros) override {
    if (next_ != nullptr) next_->OnBackgroundWork(work, micros);
    if (micros < watched_micros_.load(std::memory_order_relaxed)) return;
    host_->Post([shared = shared_, work, micros] { shared->slow_work(work, micros); });
  }
  void OnCheckpoint(const lsm::Status& status, const lsm::CheckpointInfo& info) override {
    host_->Post([shared = shared_, status, info] { shared->checkpoint_end(status, info); });
    if (next_ != nullptr) next_->OnCheckpoint(status, info);
  }
  void OnReplayProgress(uint64_t done, uint64_t total) override {
    replay_total_.store(total, std::memory_order_relaxed);
    replay_done_.store(done, std::memory_order_relaxed);
    if (next_ != nullptr) next_->OnReplayProgress(done, total);
  }

  // Bytes of the log; 0 before the replay.
  uint64_t replay_done() const { return replay_done_.load(std::memory_order_relaxed); }
  uint64_t replay_total() const { return replay_total_.load(std::memory_order_relaxed); }

 private:
  // Outlives the listener in tasks that were posted.
  struct Shared {
    std::atomic<bool> posted = false;
    std::function<void()> progress;
    SlowWork slow_work;
    CheckpointEnd checkpoint_end;
  };

  void PostProgress() {
    if (shared_->posted.exchange(true)) return;
    host_->Post([shared = shared_] {
      shared->posted = false;
      shared->progress();
    });
  }

  Host* const host_;
  lsm::Listener* const next_;
  std::atomic<uint64_t> replay_done_ = 0;
  std::atomic<uint64_t> replay_total_ = 0;
  const std::shared_ptr<Shared> shared_;
  std::atomic<int64_t> watched_micros_ = std::numeric_limits<int64_t>::max();
};

}  // namespace redis
