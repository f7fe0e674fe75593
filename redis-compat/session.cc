// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/session.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "redis-compat/transaction.h"

namespace redis {

namespace {

// Bytes that are done with are dropped from the front of a buffer when they are at least this many
// and more than what is left, so that each byte is moved once at most.
constexpr size_t kDropThreshold = size_t{256} << 10;
// A buffer larger than this is given back when it is empty.
constexpr size_t kKeptCapacity = size_t{1} << 20;
// Idle clients keep a buffer as large as this.
constexpr size_t kIdleCapacity = size_t{1} << 10;

void ShrinkToContents(std::string* buffer) {
  if (buffer->capacity() > std::max(kIdleCapacity, 2 * buffer->size())) buffer->shrink_to_fit();
}

}  // namespace

Session::Session(ClientId id, Peer peer, int64_t now_ms) : id_(id), peer_(std::move(peer)) {
  state_.created_ms = now_ms;
  state_.unauthenticated_since_ms = now_ms;
  state_.last_interaction_ms = now_ms;
}

Session::~Session() = default;

Transaction& Session::EnsureTransaction() {
  if (transaction_ == nullptr) transaction_ = std::make_unique<Transaction>();
  return *transaction_;
}

void Session::DropTransaction() { transaction_.reset(); }

size_t Session::TransactionMemory() const { return transaction_->memory(); }

std::string_view Session::releasable_output() const {
  return std::string_view(output_).substr(output_start_,
                                          static_cast<size_t>(releasable_ - consumed_));
}

void Session::ConsumeOutput(size_t bytes) {
  assert(bytes <= releasable_ - consumed_);
  output_start_ += bytes;
  consumed_ += bytes;
  state_.output_bytes += bytes;
  if (output_start_ == output_.size()) {
    output_.clear();
    output_start_ = 0;
    if (output_.capacity() > kKeptCapacity) output_.shrink_to_fit();
  } else if (output_start_ >= kDropThreshold && output_start_ > output_.size() / 2) {
    output_.erase(0, output_start_);
    output_start_ = 0;
  }
}

void Session::DropExecutedInput() {
  if (input_read_ == input_.size()) {
    input_.clear();
    input_read_ = 0;
  } else if (input_read_ >= kDropThreshold && input_read_ > input_.size() / 2) {
    input_.erase(0, input_read_);
    input_read_ = 0;
  }
}

void Session::ReleaseSpareMemory() {
  if (blocked_) return;  // its command is still in the input
  ShrinkToContents(&input_);
  ShrinkToContents(&output_);
  parser_.ReleaseSpareMemory();
  if (held_.empty()) std::vector<HeldReply>().swap(held_);
}

void Session::DropBuffers() {
  is_dropped_ = true;
  waiting_argument_bytes_ = 0;
  waiting_input_bytes_ = 0;
  std::string().swap(input_);
  input_read_ = 0;
  consumed_ = output_end();
  releasable_ = consumed_;
  std::string().swap(output_);
  output_start_ = 0;
  held_.clear();
}

}  // namespace redis
