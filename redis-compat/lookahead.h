// SPDX-License-Identifier: BSD-3-Clause
// Lookahead takes commands out of a session's input some at a time, before they are executed, so
// that the memory that all of them will read is waited for once and not for each: with a million
// keys, waiting is most of what a GET costs.
//
//     input:  executed | front, next, next, ... | not parsed yet
//                      ^ Session::input_read_
//
// Invariants: whoever executes the front calls Pop. Whoever stops before there is no front calls
// Drop: what was not executed is parsed again another time. Between turns nothing is ahead.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redis-compat/command.h"
#include "redis-compat/command_table.h"
#include "redis-compat/letters.h"
#include "redis-compat/session.h"
#include "resp/request_parser.h"

namespace redis {

class Instance;

class Lookahead {
 public:
  using Outcome = resp::RequestParser::Outcome;

  explicit Lookahead(Instance* instance) : instance_(instance) {}
  Lookahead(const Lookahead&) = delete;
  Lookahead& operator=(const Lookahead&) = delete;

  // Before sessions run in a tick: fetches what the first command of each will read.
  void Prefetch(std::span<Session* const> sessions);

  // What the parser says about the next piece of the session's input. Nothing but the front is
  // taken ahead while the session is not authenticated: limits may change with each command.
  Outcome Front(Session* session);
  // REQUIRES: Front said kCommand. Good until Pop or Drop, as long as the input stays where it is.
  std::span<const std::string_view> arguments() const;
  // Its row in the table of commands, null if it has none.
  const CommandSpec* FrontRow() {
    const Piece& piece = pieces_[front_];
    return piece.row != nullptr ? piece.row : FindRow(arguments_[piece.first_argument]);
  }
  // The bytes of input that it takes.
  size_t front_size() const { return pieces_[front_].consumed; }
  // REQUIRES: Front said kCommand or kEmpty. Moves the session's input on, returns by how much.
  size_t Pop(Session* session);
  void Drop(Session* session);

 private:
  struct Piece {
    Outcome outcome;
    size_t first_argument;
    size_t argument_count;
    size_t consumed;
    bool is_inline;
    const CommandSpec* row;  // null: was not looked for, or there is none
  };

  void Fill(Session* session);
  // FindCommand, when it is most likely the same as last time.
  const CommandSpec* FindRow(std::string_view name) {
    if (last_row_ == nullptr || !EqualsIgnoringCase(last_row_->name, name)) {
      last_row_ = FindCommand(name);
    }
    return last_row_;
  }
  // Parses and adds what the input begins with.
  void Add(resp::RequestParser* parser, std::string_view input);
  void PrefetchPieces(const Session& session);
  void AddKeys(const CommandSpec& spec, std::span<const std::string_view> args);
  void AddKey(std::string_view key);
  // What was added, in the database's tree.
  void PrefetchKeys(int database, bool writes);
  std::span<const std::string_view> ArgumentsOf(const Piece& piece) const;

  Instance* const instance_;
  std::vector<Piece> pieces_;
  size_t front_ = 0;
  std::vector<std::string_view> arguments_;
  const CommandSpec* last_row_ = nullptr;
  // For Prefetch: keys as they are stored, one behind the other.
  std::string key_bytes_;
  std::vector<size_t> key_ends_;
  std::vector<std::string_view> keys_;
};

}  // namespace redis
