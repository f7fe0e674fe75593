// SPDX-License-Identifier: BSD-3-Clause

#include "net/signals.h"

#include <unistd.h>

#include <csignal>
#include <string_view>
#include <utility>

namespace net {

namespace {

// Runs in a signal handler, at any point of the shutdown: nothing but two system calls.
void ExitAtOnce(int /*signal*/) {
  static constexpr std::string_view kText = "You insist... exiting now.\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kText.data(), kText.size());
  _exit(1);
}

}  // namespace

SignalWatcher::SignalWatcher(uv_loop_t* loop, std::function<void(std::string_view)> on_stop)
    : on_stop_(std::move(on_stop)),
      terminate_(MakeUvHandle<uv_signal_t>(uv_signal_init, loop, this)),
      interrupt_(MakeUvHandle<uv_signal_t>(uv_signal_init, loop, this)) {
  uv_signal_start(terminate_.get(), OnSignal, SIGTERM);
  uv_signal_start(interrupt_.get(), OnSignal, SIGINT);
}

void SignalWatcher::OnSignal(uv_signal_t* handle, int number) {
  auto* self = static_cast<SignalWatcher*>(handle->data);
  // The loop does not run while the database closes, so that libuv would not deliver the next one.
  uv_signal_stop(self->interrupt_.get());
  struct sigaction action {};
  action.sa_handler = ExitAtOnce;
  sigaction(SIGINT, &action, nullptr);
  if (std::exchange(self->stopping_, true)) return;
  self->on_stop_(number == SIGTERM ? "SIGTERM" : "SIGINT");
}

}  // namespace net
