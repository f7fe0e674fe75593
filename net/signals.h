// SPDX-License-Identifier: BSD-3-Clause
// SIGTERM and SIGINT ask for an orderly stop, which may take a while. A second SIGINT does not
// wait.
//
// Thread safety: none; one object a process, on the loop's thread.

#pragma once

#include <uv.h>

#include <functional>
#include <string_view>

#include "net/uv_handle.h"

namespace net {

class SignalWatcher {
 public:
  // `on_stop` runs on the loop at the first signal, with its name.
  SignalWatcher(uv_loop_t* loop, std::function<void(std::string_view name)> on_stop);

 private:
  static void OnSignal(uv_signal_t* handle, int number);

  const std::function<void(std::string_view)> on_stop_;
  UvHandle<uv_signal_t> terminate_;
  UvHandle<uv_signal_t> interrupt_;
  bool stopping_ = false;
};

}  // namespace net
