// SPDX-License-Identifier: BSD-3-Clause
// Transaction is what a client has between MULTI and EXEC - the commands it queued - and between
// WATCH and EXEC - whether a key it watches was changed. A client that uses neither has none, so
// that idle connections cost nothing and the dispatcher asks one pointer.
//
// How EXEC goes
//   1. While commands are queued the dispatcher checks their rows: a command that is unknown, has a
//      wrong number of arguments or may not be called aborts the transaction.
//   2. EXEC of an aborted transaction is an error; of one whose watched keys were changed, nothing.
//   3. If a queued command may write, the write gate is asked once, and the writer lock taken,
//      before the first command runs.
//   4. Every command runs against one WriteUnit, at one time, in order, and sees what the ones
//      before it wrote. An error that a command replies is an element of EXEC's reply; what the
//      command wrote before it stays, as if it had been called alone. Neither the unit nor the
//      reply grows without end: a unit that is larger than what may be queued, and than two of the
//      largest strings, fails as in 5, and of a reply that is too large nothing is kept.
//   5. The unit is committed: it is visible and recovered whole or not at all. If the engine fails
//      in a command or in the commit, nothing of the data is changed and EXEC is one error. What
//      commands did to something else than data - CONFIG SET, CLIENT KILL - stays done.
//
// Thread safety: none; belongs to the session.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/types.h"
#include "redis-compat/command.h"

namespace redis {

class Transaction {
 public:
  // MULTI. REQUIRES: !is_open()
  void Open();
  // Whether commands are queued: after MULTI, and while EXEC runs them.
  bool is_open() const { return is_open_; }

  // REQUIRES: is_open()
  void Queue(const CommandSpec& spec, std::span<const std::string_view> args);
  // A command was refused instead of being queued: EXEC will be refused.
  void Abort() { is_aborted_ = is_open_; }
  bool is_aborted() const { return is_aborted_; }

  size_t size() const { return commands_.size(); }
  const CommandSpec& spec(size_t i) const { return *commands_[i].spec; }
  // The views are good while the transaction lives.
  void Arguments(size_t i, std::vector<std::string_view>* args) const;

  // A watched key was changed by the unit of this sequence number.
  void MarkDirty(lsm::SequenceNumber by);
  bool is_dirty() const { return is_dirty_; }
  // The newest unit that is known to have changed a watched key: a reply that tells of the change
  // reflects it.
  lsm::SequenceNumber dirtied_by() const { return dirtied_by_; }

  // Whether EXEC will run commands that may write.
  bool WillWrite() const { return writes_ && !is_aborted_ && !is_dirty_; }

  // Bytes that the client makes the server keep with this; they count towards
  // client-query-buffer-limit.
  size_t memory() const { return queued_bytes_ + watch_bytes_; }
  void AddWatchBytes(size_t bytes) { watch_bytes_ += bytes; }
  void ClearWatchBytes() { watch_bytes_ = 0; }

 private:
  struct Queued {
    const CommandSpec* spec;
    size_t first_size;  // in sizes_
    size_t arguments;
    std::string bytes;  // the arguments, one behind the other
  };

  bool is_open_ = false;
  bool is_aborted_ = false;
  bool is_dirty_ = false;
  bool writes_ = false;
  lsm::SequenceNumber dirtied_by_ = 0;
  size_t queued_bytes_ = 0;
  size_t watch_bytes_ = 0;
  std::vector<Queued> commands_;
  std::vector<size_t> sizes_;  // of the arguments of all commands
};

}  // namespace redis
