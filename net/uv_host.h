// SPDX-License-Identifier: BSD-3-Clause
// UvHost is the Host that the server gives its Instance: an event loop, a mailbox that other
// threads post tasks to, and the log.
//
// It outlives the instance, whose threads post to it, and dies before the loop.
//
// Thread safety: as redis::Host says.

#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "net/allocator.h"
#include "net/event_loop.h"
#include "net/uv_handle.h"
#include "redis-compat/host.h"
#include "redis-compat/log.h"

namespace net {

class UvHost : public redis::Host {
 public:
  // `allocator` is null if it cannot be asked.
  UvHost(EventLoop* loop, redis::Logger* logger, Allocator* allocator = nullptr);

  void Post(std::function<void()> task) override;
  void Wake(redis::ClientId client) override { loop_->Wake(client); }
  void WakeAfter(redis::ClientId client, int64_t delay_micros) override {
    loop_->WakeAfter(client, delay_micros);
  }
  void CloseClient(redis::ClientId client) override { loop_->CloseClient(client); }
  void Stop() override { loop_->Stop(); }
  lsm::Status ApplyNetworkConfig() override;
  redis::MemoryFigures Memory() override;
  lsm::Status PurgeMemory() override;
  std::string AllocatorReport() override;
  std::string_view PollingApi() override { return "epoll"; }  // what libuv uses on Linux
  std::vector<std::string> Listeners() override { return loop_->DescribeListeners(); }
  void Log(lsm::LogLevel level, std::string_view message) override { logger_->Log(level, message); }

 private:
  void RunTasks();

  EventLoop* const loop_;
  redis::Logger* const logger_;
  Allocator* const allocator_;  // may be null
  UvHandle<uv_async_t> mail_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;  // guarded by mutex_
};

}  // namespace net
