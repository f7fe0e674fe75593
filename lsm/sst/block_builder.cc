// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/block_builder.h"

#include <algorithm>
#include <cassert>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"
#include "lsm/format/internal_key.h"

namespace lsm {
namespace {

// A block of ordinary size reuses its memory; that of a huge record is given back.
constexpr size_t kKeepCapacity = size_t{1} << 20;

}  // namespace

BlockBuilder::BlockBuilder(BlockKind kind, int restart_interval)
    : kind_(kind), restart_interval_(static_cast<size_t>(restart_interval)) {
  assert(restart_interval >= 1);
}

void BlockBuilder::Add(std::string_view key, std::string_view value) {
  assert(UpperBound(key, value) <= kMaxBlockSize);
  size_t shared = 0;
  if (buffer_.empty() || since_restart_ == restart_interval_) {
    restarts_.push_back(static_cast<uint32_t>(buffer_.size()));
    since_restart_ = 0;
  } else {
    const size_t limit = std::min(key.size(), last_key_.size());
    while (shared < limit && key[shared] == last_key_[shared]) ++shared;
  }
  ++since_restart_;
  if (value.size() > kKeepCapacity) buffer_.reserve(UpperBound(key, value) + kBlockTrailerSize);
  char head[30];
  char* end = EncodeVarint64(head, shared);
  end = EncodeVarint64(end, key.size() - shared);
  end = EncodeVarint64(end, value.size());
  buffer_.append(head, static_cast<size_t>(end - head));
  buffer_.append(key.substr(shared));
  buffer_.append(value);
  last_key_.resize(shared);
  last_key_.append(key.substr(shared));
  if (kind_ == BlockKind::kData) {
    tags_.push_back(BlockTag(HashKey(key.substr(0, key.size() - kInternalTrailerSize))));
  }
}

std::string* BlockBuilder::Finish() {
  for (const uint32_t restart : restarts_) PutFixed32(&buffer_, restart);
  PutFixed32(&buffer_, static_cast<uint32_t>(restarts_.size()));
  if (kind_ == BlockKind::kData) {
    buffer_.append(tags_);
    PutFixed32(&buffer_, static_cast<uint32_t>(tags_.size()));
    PutFixed32(&buffer_, static_cast<uint32_t>(restart_interval_));
  }
  return &buffer_;
}

void BlockBuilder::Reset() {
  buffer_.clear();
  if (buffer_.capacity() > kKeepCapacity) buffer_.shrink_to_fit();
  restarts_.clear();
  tags_.clear();
  since_restart_ = 0;
  last_key_.clear();
}

size_t BlockBuilder::UpperBound(std::string_view key, std::string_view value) const {
  return Size() + 4 + 1 + 30 + key.size() + value.size();
}

}  // namespace lsm
