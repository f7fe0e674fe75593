// SPDX-License-Identifier: BSD-3-Clause
// ClientSocket is a blocking socket that says and hears bytes, with a timeout on everything.
//
// Thread safety: one thread may send while another receives.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace net {

class ClientSocket {
 public:
  // Makes the socket, and connects it unless told to wait for Connect.
  explicit ClientSocket(int port, bool connect = true);
  explicit ClientSocket(const std::string& path);
  ~ClientSocket();
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;

  bool Connect();
  bool connected() const { return connected_; }

  // False if the peer is gone, or takes nothing for ten seconds.
  bool Send(std::string_view bytes);
  // As many bytes as this, or fewer if the stream ends or `timeout_ms` pass without any.
  std::string Receive(size_t count, int timeout_ms = 10000);
  // Everything up to the end of the stream; "timeout" is appended if the end does not come.
  std::string ReceiveAll();
  // Sends, and receives as many bytes as the expected reply has.
  std::string Exchange(std::string_view request, size_t reply_bytes);

  void EndSending();
  // Closes with a reset instead of an orderly end.
  void Reset();
  void Close();
  void SetReceiveBuffer(int bytes);

 private:
  bool WaitFor(short events, int timeout_ms) const;

  int fd_ = -1;
  const int port_ = 0;
  bool connected_ = false;
};

}  // namespace net
