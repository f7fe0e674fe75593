// SPDX-License-Identifier: BSD-3-Clause
// Connection moves bytes between a socket and a session.
//
// Reading. Callbacks only append to the session's input and say that it is ready; commands run in
// the loop's tick. All connections read into one buffer of the loop's: an idle connection holds no
// memory for reading, and input grows with bytes received.
//
// Writing. Flush, after the tick, writes what may leave with one call. Only when the socket is full
// does a small piece go to libuv, which owns a copy of it and says when the socket has taken it;
// the rest stays in the session, where it counts against its limits.
//
// A connection ends in one of two ways: CloseWhenWritten, and Kill. Both only mark it. The loop
// destroys it in a tick, so that nothing dies under a callback.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <uv.h>

#include <cstddef>
#include <string>

#include "net/uv_handle.h"
#include "redis-compat/session.h"

namespace net {

class Connection;

// What a connection needs of its loop.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;

  // There is something to do in a tick: input, an end, room in the output.
  virtual void Ready(Connection* connection) = 0;
  // A buffer to read into. It is free again when the read callback returns.
  virtual uv_buf_t ReadBuffer() = 0;
  // The session has more input. May kill the connection.
  virtual void Received(Connection* connection) = 0;
};

// A socket of either family, so that one type owns both.
union AnyStream {
  uv_stream_t stream;
  uv_tcp_t tcp;
  uv_pipe_t pipe;
  void* data;  // uv_handle_t's first member
};

// The two ends of `fd` as a session shows them.
redis::Session::Peer DescribePeer(int fd, bool is_unix, const std::string& listener_name);

class Connection {
 public:
  // Null if `fd` is not a stream that libuv takes. Owns `fd`, also then.
  static UvHandle<AnyStream> OpenStream(uv_loop_t* loop, int fd, bool is_unix);

  Connection(ConnectionOwner* owner, redis::Session* session, UvHandle<AnyStream> stream);
  ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  redis::ClientId id() const { return session_->id(); }
  redis::Session* session() { return session_; }
  const redis::Session& session() const { return *session_; }

  void StartReading();
  void StopReading();
  // Writes what the session releases. A failure kills.
  void Flush();

  // The session wants no more turns until there is room in its output, or until it is woken.
  void set_paused(bool paused) { paused_ = paused; }
  // In the loop's queue of connections with something to do.
  bool queued() const { return queued_; }
  void set_queued(bool queued) { queued_ = queued; }

  // No more commands; the connection goes when its output is written.
  void CloseWhenWritten();
  void Kill() {
    killed_ = true;
    StopReading();
  }
  bool closing() const { return closing_; }
  bool killed() const { return killed_; }
  // The peer sends no more. What it has sent is still executed and answered.
  bool input_ended() const { return input_ended_; }
  bool AllWritten() const { return session_->output_bytes() == 0 && in_flight_ == 0; }
  // Nothing is left to do: the loop may destroy it.
  bool Done() const { return killed_ || (closing_ && AllWritten()); }
  // When bytes moved last, in the loop's milliseconds.
  uint64_t last_progress_ms() const { return last_progress_ms_; }

 private:
  static void OnAlloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  void Receive(const char* bytes, size_t count);
  // Writes as much as the socket takes now. False if that was not all.
  bool WriteNow();
  void WriteLater();
  void OnWritten(int status);
  void Fail();

  ConnectionOwner* const owner_;
  redis::Session* const session_;
  UvHandle<AnyStream> stream_;
  size_t in_flight_ = 0;  // bytes that libuv has a copy of
  uint64_t last_progress_ms_ = 0;
  bool queued_ = false;
  bool paused_ = false;
  bool closing_ = false;
  bool killed_ = false;
  bool input_ended_ = false;
};

}  // namespace net
