// SPDX-License-Identifier: BSD-3-Clause
// UvHandle owns a libuv handle: destroying it closes the handle, and the memory is freed when libuv
// is done with it. The loop must run until then (EventLoop's destructor sees to it).
//
// The owner must be out of the handle's `data` when it dies: a callback may still come, with a
// cancelled write for one.
//
// Thread safety: none; handles belong to their loop's thread.

#pragma once

#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace net {

template <typename T>
struct UvClose {
  void operator()(T* handle) const {
    handle->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(handle), [](uv_handle_t* closed) {
      delete reinterpret_cast<T*>(closed);  // NOLINT: made by MakeUvHandle
    });
  }
};

template <typename T>
using UvHandle = std::unique_ptr<T, UvClose<T>>;

// Makes a handle with `init(loop, handle, arguments...)`. The handles that are made this way belong
// to the server and not to a client; without them it cannot go on, so a failure is fatal.
template <typename T, typename Init, typename... Arguments>
UvHandle<T> MakeUvHandle(Init init, uv_loop_t* loop, void* data, Arguments... arguments) {
  auto handle = std::make_unique<T>();
  if (const int error = init(loop, handle.get(), arguments...); error != 0) {
    std::fprintf(stderr, "cannot make an event source: %s\n", uv_strerror(error));
    std::abort();
  }
  handle->data = data;
  return UvHandle<T>(handle.release());
}

}  // namespace net
