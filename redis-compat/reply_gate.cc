// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/reply_gate.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <vector>

namespace redis {

lsm::SequenceNumber ReplyGate::ShownThrough() const {
  return settings_->appendfsync == AppendFsync::kAlways ? db_->synced_through()
                                                        : db_->visible_sequence();
}

void ReplyGate::Add(Session* session, uint64_t begin, lsm::SequenceNumber reflects) {
  const uint64_t end = session->output_end();
  if (reflects == 0 || begin == end) return;
  if (reflects <= ShownThrough()) return;
  session->held_.push_back({begin, end, reflects});
}

void ReplyGate::ReplaceLost(Session* session, std::string_view error) {
  const lsm::SequenceNumber visible = db_->visible_sequence();
  auto& held = session->held_;
  size_t first = 0;
  while (first < held.size() && held[first].reflects <= visible) ++first;
  if (first == held.size()) return;
  // Everything from the first lost reply on is copied anew, kept or replaced; what is left of
  // `held` keeps its meaning, at new positions.
  const uint64_t from = held[first].begin;
  const uint64_t base = session->consumed_ - session->output_start_;  // position of output_[0]
  const std::string old = session->output_.substr(from - base);
  session->output_.resize(from - base);
  std::vector<Session::HeldReply> kept(held.begin(), held.begin() + static_cast<ptrdiff_t>(first));
  uint64_t copied = from;
  for (size_t i = first; i < held.size(); ++i) {
    session->output_.append(old, copied - from, held[i].begin - copied);
    const uint64_t begin = session->output_end();
    if (held[i].reflects > visible) {
      session->output_.append(error).append("\r\n");
    } else {
      session->output_.append(old, held[i].begin - from, held[i].end - held[i].begin);
      kept.push_back({begin, session->output_end(), held[i].reflects});
    }
    copied = held[i].end;
  }
  session->output_.append(old, copied - from);
  held = std::move(kept);
}

bool ReplyGate::Release(Session* session) {
  const lsm::SequenceNumber shown = ShownThrough();
  auto& held = session->held_;
  const auto waits = [shown](const Session::HeldReply& reply) { return reply.reflects > shown; };
  held.erase(held.begin(), std::find_if(held.begin(), held.end(), waits));
  session->releasable_ = held.empty() ? session->output_end() : held.front().begin;
  return !held.empty();
}

}  // namespace redis
