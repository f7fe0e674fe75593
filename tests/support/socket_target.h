// SPDX-License-Identifier: BSD-3-Clause
// Transcripts over TCP, against a server that runs already or one that this starts.
//
// Thread safety: none.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "tests/support/transcript.h"

namespace test_support {

class SocketTarget : public TranscriptTarget {
 public:
  // `restart` stops the server and starts it again with its data.
  SocketTarget(std::string host, int port, std::string kind, std::function<void()> restart);
  ~SocketTarget() override;
  SocketTarget(const SocketTarget&) = delete;
  SocketTarget& operator=(const SocketTarget&) = delete;

  void Send(const std::string& client, std::string_view bytes) override;
  std::string Receive(const std::string& client) override;
  void Disconnect(const std::string& client) override;
  void Sleep(int64_t milliseconds) override;
  void Restart() override;
  bool Is(std::string_view kind) const override { return kind == kind_; }

 private:
  int Connect();
  void DisconnectAll();

  const std::string host_;
  const int port_;
  const std::string kind_;
  const std::function<void()> restart_;
  std::map<std::string, int> sockets_;  // by client
};

}  // namespace test_support
