// SPDX-License-Identifier: BSD-3-Clause
// Session is one client's state: what it is, what it has sent, and what it is owed.
//
// Output. Replies are appended to `output`. A reply must not leave before what it reflects may be
// shown: the group that holds its writes is appended to the log, and under `appendfsync always`
// synced. Instance::EndTick moves `releasable` forward; the network writes output[0, releasable)
// and calls ConsumeOutput.
//
// Thread safety: none; belongs to one loop.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "lsm/types.h"
#include "redis-compat/host.h"
#include "resp/protocol.h"
#include "resp/request_parser.h"

namespace redis {

class Session {
 public:
  struct Peer {
    std::string address;        // "127.0.0.1:51234", "/run/varve.sock:0"
    std::string local_address;  // "127.0.0.1:6379"
    bool is_unix = false;
    bool is_loopback = false;
    int fd = -1;  // for CLIENT LIST only
  };

  Session(ClientId id, Peer peer, int64_t now_ms);

  // The network appends what it read.
  std::string& input() { return input_; }
  // Bytes that may be written now.
  std::string_view releasable_output() const;
  void ConsumeOutput(size_t bytes);
  size_t output_bytes() const { return output_.size(); }

  ClientId id() const { return id_; }
  const Peer& peer() const { return peer_; }

 private:
  friend class Instance;
  friend class Dispatcher;

  const ClientId id_;
  const Peer peer_;
  std::string input_;
  std::string output_;
  size_t releasable_ = 0;
  resp::RequestParser parser_;
};

}  // namespace redis
