// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/lookahead.h"

#include "redis-compat/databases.h"
#include "redis-compat/instance.h"
#include "redis-compat/key_codec.h"

namespace redis {

namespace {

// Enough to keep memory busy; what is dropped is parsed twice.
constexpr size_t kMaxPieces = 64;
constexpr size_t kMaxArguments = 1024;
constexpr size_t kMaxBytes = size_t{256} << 10;
constexpr size_t kMaxKeys = 256;
// Hashing a long key costs more than waiting for its node.
constexpr size_t kMaxKeySize = 256;

}  // namespace

std::span<const std::string_view> Lookahead::ArgumentsOf(const Piece& piece) const {
  return std::span(arguments_).subspan(piece.first_argument, piece.argument_count);
}

std::span<const std::string_view> Lookahead::arguments() const {
  return ArgumentsOf(pieces_[front_]);
}

Lookahead::Outcome Lookahead::Front(Session* session) {
  if (front_ == pieces_.size()) Fill(session);
  return pieces_[front_].outcome;
}

size_t Lookahead::Pop(Session* session) {
  const size_t consumed = pieces_[front_].consumed;
  session->input_read_ += consumed;
  ++front_;
  return consumed;
}

void Lookahead::Drop(Session* session) {
  // A piece that says kNeedMore is where the parser stands; it goes on there.
  const bool is_ahead = front_ < pieces_.size() && pieces_[front_].outcome != Outcome::kNeedMore;
  if (is_ahead) session->parser_.Restart();
  pieces_.clear();
  front_ = 0;
}

// 1. Parse until the input ends, or enough is ahead.
// 2. Have the memory fetched that the commands' keys lead to.
void Lookahead::Fill(Session* session) {
  pieces_.clear();
  front_ = 0;
  // What one large command took is given back.
  if (arguments_.capacity() > 4 * kMaxArguments) std::vector<std::string_view>().swap(arguments_);
  arguments_.clear();
  std::string_view input = std::string_view(session->input_).substr(session->input_read_);
  const bool one = instance_->MustAuthenticate(*session);
  const size_t size = input.size();
  do {
    Add(&session->parser_, input);
    const Outcome outcome = pieces_.back().outcome;
    if (outcome == Outcome::kNeedMore || outcome == Outcome::kError) break;
    input.remove_prefix(pieces_.back().consumed);
  } while (!one && pieces_.size() < kMaxPieces && arguments_.size() < kMaxArguments &&
           size - input.size() < kMaxBytes && !pieces_.back().is_inline);
  if (pieces_.size() > 1 || arguments_.size() > 3) PrefetchPieces(*session);
}

void Lookahead::Add(resp::RequestParser* parser, std::string_view input) {
  Piece piece{Outcome::kCommand, arguments_.size(), 0, 0, false, nullptr};
  piece.consumed = parser->TakeWhole(input, &arguments_);
  if (piece.consumed == 0) {
    piece.outcome = parser->Next(input);
    if (piece.outcome == Outcome::kCommand) {
      // The arguments of an inline command lie in the parser: nothing can be parsed behind it yet.
      piece.is_inline = input[0] != '*';
      arguments_.insert(arguments_.end(), parser->arguments().begin(), parser->arguments().end());
    }
    if (piece.outcome == Outcome::kCommand || piece.outcome == Outcome::kEmpty) {
      piece.consumed = parser->consumed();
    }
  }
  piece.argument_count = arguments_.size() - piece.first_argument;
  pieces_.push_back(piece);
}

void Lookahead::AddKey(std::string_view key) {
  if (key.size() > kMaxKeySize || key_ends_.size() == kMaxKeys) return;
  key_bytes_.push_back(kUserKeyPrefix);
  key_bytes_.append(key);
  key_ends_.push_back(key_bytes_.size());
}

void Lookahead::AddKeys(const CommandSpec& spec, std::span<const std::string_view> args) {
  const int count = static_cast<int>(args.size());
  const int last = spec.keys.last >= 0 ? spec.keys.last : count + spec.keys.last;
  for (int i = spec.keys.first; i <= last && i < count; i += spec.keys.step) {
    AddKey(args[static_cast<size_t>(i)]);
  }
}

void Lookahead::PrefetchPieces(const Session& session) {
  bool writes = false;
  for (Piece& piece : pieces_) {
    if (piece.argument_count < 2) continue;
    const std::span<const std::string_view> args = ArgumentsOf(piece);
    piece.row = FindRow(args[0]);
    if (piece.row == nullptr || piece.row->keys.first == 0) continue;
    writes = writes || piece.row->Is(kWrite);
    AddKeys(*piece.row, args);
  }
  PrefetchKeys(session.state().database, writes);
}

void Lookahead::Prefetch(std::span<Session* const> sessions) {
  // One database at a time: nearly always all are in the same.
  int database = -1;
  bool writes = false;
  for (const Session* session : sessions) {
    std::string_view name;
    std::string_view key;
    const std::string_view input = std::string_view(session->input_).substr(session->input_read_);
    if (!resp::PeekRequest(input, &name, &key)) continue;
    const CommandSpec* const spec = FindRow(name);
    if (spec == nullptr || spec->keys.first != 1) continue;
    if (database >= 0 && database != session->state().database) {
      PrefetchKeys(database, writes);
      writes = false;
    }
    database = session->state().database;
    writes = writes || spec->Is(kWrite);
    AddKey(key);
  }
  if (database >= 0) PrefetchKeys(database, writes);
}

void Lookahead::PrefetchKeys(int database, bool writes) {
  // The view is the one that the commands themselves will use.
  if (key_ends_.size() > 1 && (!writes || instance_->MayWrite())) {
    if (writes) instance_->BeginWrite();
    keys_.clear();
    size_t begin = 0;
    for (const size_t end : key_ends_) {
      keys_.push_back(std::string_view(key_bytes_).substr(begin, end - begin));
      begin = end;
    }
    instance_->view()->Prefetch(instance_->databases().Find(database).tree, keys_);
  }
  key_bytes_.clear();
  key_ends_.clear();
}

}  // namespace redis
