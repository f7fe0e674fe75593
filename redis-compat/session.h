// SPDX-License-Identifier: BSD-3-Clause
// Session is one client's state: what it is, what it has sent, and what it is owed.
//
// Output. Replies are appended to the output in the order of the commands. A reply must not leave
// before what it reflects may be shown: the group that holds its writes is appended to the log, and
// under `appendfsync always` synced. Those that have to wait are remembered with the sequence they
// wait for; Instance::EndTick and the end of a sync move `releasable` forward, and the network
// writes releasable_output() and calls ConsumeOutput.
//
// Thread safety: none; belongs to one loop.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/types.h"
#include "redis-compat/command.h"
#include "redis-compat/host.h"
#include "resp/protocol.h"
#include "resp/request_parser.h"

namespace redis {

class Transaction;

// What commands see and change of a client.
struct ClientState {
  int database = 0;
  bool authenticated = false;
  resp::Version protocol = resp::Version::kResp2;
  std::string name;
  std::string lib_name;
  std::string lib_version;
  bool no_evict = false;
  bool no_touch = false;
  // Which `client-output-buffer-limit` applies.
  enum class ClientClass : uint8_t { kNormal, kReplica, kPubsub };
  ClientClass client_class = ClientClass::kNormal;

  int64_t created_ms = 0;
  int64_t unauthenticated_since_ms = 0;  // while it is not authenticated: connected, or RESET
  int64_t last_interaction_ms = 0;
  const CommandSpec* last_command = nullptr;  // null before the first
  uint64_t commands_processed = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;

  // CLIENT REPLY: whether replies are made, and whether the next one is.
  enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipThis };
  ReplyMode reply_mode = ReplyMode::kOn;
  // Nothing more is executed, and the connection ends when the output is written.
  bool close_after_reply = false;
};

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
  ~Session();

  // The network appends what it read. What was executed stays in front for a while, so that a long
  // pipeline is not moved with every turn.
  std::string& input() { return input_; }
  // A hint for its capacity: bytes that would complete the argument being received, 0 if unknown.
  size_t bytes_wanted() const { return parser_.bytes_wanted(); }
  // Bytes of input that were not executed yet.
  size_t input_bytes() const { return input_.size() - input_read_; }

  // Bytes that may be written now.
  std::string_view releasable_output() const;
  // REQUIRES: bytes <= releasable_output().size()
  // Costs what is consumed, not what is left: a slow reader takes a large output in many pieces.
  void ConsumeOutput(size_t bytes);
  // Bytes that were not written yet, releasable or not.
  size_t output_bytes() const { return output_.size() - output_start_; }
  // What the buffers have taken from the system.
  size_t input_capacity() const { return input_.capacity(); }
  size_t output_capacity() const { return output_.capacity(); }
  // All that the client costs, buffers and names included.
  size_t memory() const {
    return sizeof(Session) + input_.capacity() + output_.capacity() + parser_.memory() +
           held_.capacity() * sizeof(HeldReply) + transaction_bytes() + state_.name.size() +
           state_.lib_name.size() + state_.lib_version.size();
  }

  ClientId id() const { return id_; }
  const Peer& peer() const { return peer_; }
  ClientState& state() { return state_; }
  const ClientState& state() const { return state_; }

  // Its command waits (blocked_clients.h), or has not been executed again since it was woken.
  bool blocked() const { return blocked_; }
  bool is_monitor() const { return is_monitor_; }
  // The arguments of a command that waits, and the bytes of input that it takes.
  size_t waiting_argument_bytes() const { return blocked_ ? waiting_argument_bytes_ : 0; }
  size_t waiting_input_bytes() const { return blocked_ ? waiting_input_bytes_ : 0; }
  // The last unit that the client wrote, 0 if it wrote none.
  lsm::SequenceNumber last_write() const { return last_write_; }
  // Null unless the client has said MULTI or WATCH.
  Transaction* transaction() { return transaction_.get(); }
  const Transaction* transaction() const { return transaction_.get(); }
  Transaction& EnsureTransaction();
  void DropTransaction();
  // What the transaction keeps in memory.
  size_t transaction_bytes() const { return transaction_ == nullptr ? 0 : TransactionMemory(); }

 private:
  friend class BlockedClients;
  friend class Instance;
  friend class Monitors;
  friend class Dispatcher;
  friend class Lookahead;
  friend class ReplyGate;
  friend class ClientLimits;

  // A reply that has to wait. Positions count from the first byte the session was ever sent.
  struct HeldReply {
    uint64_t begin;
    uint64_t end;
    lsm::SequenceNumber reflects;  // the newest unit whose effects the reply shows
  };

  size_t TransactionMemory() const;
  void DropExecutedInput();
  // What buffers hold beyond their contents goes back to the system.
  void ReleaseSpareMemory();
  // The client is being closed and gets nothing any more: its buffers need not wait for that.
  void DropBuffers();
  uint64_t output_end() const { return consumed_ + output_bytes(); }

  const ClientId id_;
  const Peer peer_;
  ClientState state_;
  std::unique_ptr<Transaction> transaction_;
  resp::RequestParser parser_;
  std::string input_;
  size_t input_read_ = 0;  // executed, not yet dropped from the front of input_
  std::string output_;
  size_t output_start_ = 0;      // written, not yet dropped from the front of output_
  uint64_t consumed_ = 0;        // bytes ever written
  uint64_t releasable_ = 0;      // position up to which bytes may leave
  std::vector<HeldReply> held_;  // oldest first
  lsm::SequenceNumber last_write_ = 0;
  size_t waiting_argument_bytes_ = 0;  // while blocked_
  size_t waiting_input_bytes_ = 0;
  bool ran_ = false;      // in this tick
  bool in_tick_ = false;  // ran, or has held replies: the end of the tick looks at it
  bool blocked_ = false;
  bool is_monitor_ = false;
  // For ClientLimits.
  bool is_dropped_ = false;
  bool reply_too_large_ = false;  // one was left out
  size_t counted_memory_ = 0;
  int64_t soft_limit_since_ms_ = 0;  // when the output went above its soft limit; 0: it is below
};

}  // namespace redis
