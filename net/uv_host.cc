// SPDX-License-Identifier: BSD-3-Clause

#include "net/uv_host.h"

#include <utility>

namespace net {

UvHost::UvHost(EventLoop* loop, redis::Logger* logger, AskAllocator ask_allocator)
    : loop_(loop),
      logger_(logger),
      ask_allocator_(std::move(ask_allocator)),
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

}  // namespace net
