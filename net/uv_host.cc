// SPDX-License-Identifier: BSD-3-Clause

#include "net/uv_host.h"

#include <utility>

namespace net {

UvHost::UvHost(EventLoop* loop, redis::Logger* logger, Allocator* allocator)
    : loop_(loop),
      logger_(logger),
      allocator_(allocator),
      mail_(MakeUvHandle<uv_async_t>(uv_async_init, loop->uv(), this, [](uv_async_t* mail) {
        static_cast<UvHost*>(mail->data)->RunTasks();
      })) {}

void UvHost::Post(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  uv_async_send(mail_.get());
}

void UvHost::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

lsm::Status UvHost::ApplyNetworkConfig() { return loop_->ApplySettings(); }

redis::MemoryFigures UvHost::Memory() {
  return allocator_ != nullptr ? allocator_->Figures() : redis::MemoryFigures();
}

lsm::Status UvHost::PurgeMemory() {
  return allocator_ != nullptr ? allocator_->Purge() : lsm::Status::Ok();
}

std::string UvHost::AllocatorReport() {
  return allocator_ != nullptr ? allocator_->Report() : std::string();
}

}  // namespace net
