// SPDX-License-Identifier: BSD-3-Clause

#include "net/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace net {

namespace {

// What is copied when a socket is full. The copy is there to learn when it has room again; the rest
// is then written from where it is.
constexpr size_t kPieceSize = size_t{64} * 1024;

// One write that libuv has taken over. It owns the bytes, and frees itself when it is done, also
// when its connection is gone by then.
struct PendingWrite {
  uv_write_t request{};
  std::string bytes;
};

std::string FormatAddress(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  return "?:0";
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6) ||
           (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
  }
  return false;
}

}  // namespace

redis::Session::Peer DescribePeer(int fd, bool is_unix, const std::string& listener_name) {
  redis::Session::Peer peer;
  peer.fd = fd;
  peer.is_unix = is_unix;
  if (is_unix) {
    peer.address = listener_name + ":0";
    peer.local_address = peer.address;
    return peer;
  }
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length);
  peer.address = FormatAddress(address);
  peer.is_loopback = IsLoopback(address);
  length = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  peer.local_address = FormatAddress(address);
  return peer;
}

UvHandle<AnyStream> Connection::OpenStream(uv_loop_t* loop, int fd, bool is_unix) {
  auto* handle = new AnyStream();
  const int made = is_unix ? uv_pipe_init(loop, &handle->pipe, 0) : uv_tcp_init(loop, &handle->tcp);
  if (made != 0) {
    delete handle;
    close(fd);
    return nullptr;
  }
  UvHandle<AnyStream> stream(handle);
  const int opened = is_unix ? uv_pipe_open(&handle->pipe, fd) : uv_tcp_open(&handle->tcp, fd);
  if (opened != 0) {
    close(fd);
    return nullptr;
  }
  return stream;
}

Connection::Connection(ConnectionOwner* owner, redis::Session* session, UvHandle<AnyStream> stream)
    : owner_(owner), session_(session), stream_(std::move(stream)) {
  stream_->data = this;
  last_progress_ms_ = uv_now(stream_->stream.loop);
}

void Connection::StartReading() {
  if (uv_read_start(&stream_->stream, OnAlloc, OnRead) != 0) Fail();
}

void Connection::StopReading() { uv_read_stop(&stream_->stream); }

void Connection::CloseWhenWritten() {
  closing_ = true;
  StopReading();
}

void Connection::OnAlloc(uv_handle_t* handle, size_t /*suggested*/, uv_buf_t* buffer) {
  *buffer = static_cast<Connection*>(handle->data)->owner_->ReadBuffer();
}

void Connection::OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* self = static_cast<Connection*>(stream->data);
  if (count > 0) return self->Receive(buffer->base, static_cast<size_t>(count));
  if (count == 0) return;  // libuv's EAGAIN
  if (count != UV_EOF) return self->Fail();
  self->input_ended_ = true;
  self->StopReading();
  self->owner_->Ready(self);
}

void Connection::Receive(const char* bytes, size_t count) {
  std::string& input = session_->input();
  // Strings double. The last doubling of a large argument is too much by up to its own size: it
  // gets the room that it announced instead, when half of it is there. Only then: with room for no
  // more than what has come, each read of a long pipeline would move all of it.
  const size_t wanted = session_->bytes_wanted();
  if (input.capacity() - input.size() < count && wanted > count &&
      input.size() + wanted < 2 * input.capacity()) {
    std::string grown;
    grown.reserve(input.size() + wanted);
    grown = input;
    input.swap(grown);
  }
  input.append(bytes, count);
  last_progress_ms_ = uv_now(stream_->stream.loop);
  owner_->Received(this);
  if (!paused_) owner_->Ready(this);
}

void Connection::Flush() {
  if (killed_ || in_flight_ > 0) return;
  const size_t before = session_->output_bytes();
  if (!WriteNow() && !killed_) WriteLater();
  if (session_->output_bytes() == before) return;
  last_progress_ms_ = uv_now(stream_->stream.loop);
  if (paused_) owner_->Ready(this);
}

bool Connection::WriteNow() {
  const std::string_view bytes = session_->releasable_output();
  if (bytes.empty()) return true;
  // libuv does not write to the bytes, but its type says so.
  const uv_buf_t buffer{const_cast<char*>(bytes.data()), bytes.size()};
  const int written = uv_try_write(&stream_->stream, &buffer, 1);
  if (written == UV_EAGAIN) return false;
  if (written < 0) {
    Fail();
    return true;
  }
  session_->ConsumeOutput(static_cast<size_t>(written));
  return static_cast<size_t>(written) == bytes.size();
}

void Connection::WriteLater() {
  const std::string_view bytes = session_->releasable_output();
  auto* write = new PendingWrite();
  write->bytes = bytes.substr(0, kPieceSize);
  write->request.data = write;
  const uv_buf_t buffer{write->bytes.data(), write->bytes.size()};
  const int error =
      uv_write(&write->request, &stream_->stream, &buffer, 1, [](uv_write_t* request, int status) {
        auto* done = static_cast<PendingWrite*>(request->data);
        auto* self = static_cast<Connection*>(request->handle->data);
        delete done;
        if (self != nullptr) self->OnWritten(status);
      });
  if (error != 0) {
    delete write;
    return Fail();
  }
  in_flight_ = write->bytes.size();
  session_->ConsumeOutput(in_flight_);
}

void Connection::OnWritten(int status) {
  in_flight_ = 0;
  if (status != 0) return Fail();
  last_progress_ms_ = uv_now(stream_->stream.loop);
  Flush();
  if (paused_ || closing_) owner_->Ready(this);
}

void Connection::Fail() {
  Kill();
  owner_->Ready(this);
}

}  // namespace net
