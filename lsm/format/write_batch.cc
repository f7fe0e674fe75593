// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/write_batch.h"

#include <cassert>

#include "lsm/format/coding.h"

namespace lsm {
namespace {

// Persisted: never renumber. 5 (patch) is reserved.
enum class Op : uint64_t {
  kPut = 0,
  kDelete = 1,
  kAddCounter = 2,
  kCreateTree = 3,
  kDropTree = 4,
  kForkTree = 6,
};
constexpr unsigned kOpBits = 3;
constexpr uint64_t kOpMask = (uint64_t{1} << kOpBits) - 1;

uint64_t TreeAndOp(TreeId tree, Op op) {
  return uint64_t{tree} << kOpBits | static_cast<uint64_t>(op);
}

void PutOp(std::string* rep, TreeId tree, Op op) { PutVarint64(rep, TreeAndOp(tree, op)); }

// The operation and its key.
void PutOpOnKey(std::string* rep, TreeId tree, Op op, std::string_view key) {
  char bytes[2 * kMaxVarintLength];
  const char* const end = EncodeVarint64(EncodeVarint64(bytes, TreeAndOp(tree, op)), key.size());
  rep->append(bytes, static_cast<size_t>(end - bytes));
  rep->append(key);
}

// Takes operations from the front of `rest`. Malformed() tells what is wrong with the last one.
class OperationReader {
 public:
  OperationReader(std::string_view rep, WriteBatch::Handler* handler)
      : rest_(rep), size_(rep.size()), handler_(handler) {}

  bool AtEnd() const { return rest_.empty(); }

  Status Next() {
    begin_ = size_ - rest_.size();
    uint64_t tree_and_op;
    if (!GetVarint64(&rest_, &tree_and_op)) return Malformed("no operation");
    if (tree_and_op >> kOpBits > UINT32_MAX) return Malformed("tree id above 32 bits");
    const TreeId tree = static_cast<TreeId>(tree_and_op >> kOpBits);
    switch (static_cast<Op>(tree_and_op & kOpMask)) {
      case Op::kPut:
        return Put(tree);
      case Op::kDelete:
        return Delete(tree);
      case Op::kAddCounter:
        return AddCounter(tree);
      case Op::kCreateTree:
        if (tree == kDirectoryTree) return Malformed("creates tree 0, which always exists");
        return handler_->CreateTree(tree);
      case Op::kDropTree:
        if (tree == kDirectoryTree) return Malformed("drops tree 0, which always exists");
        return handler_->DropTree(tree);
      case Op::kForkTree:
        return ForkTree(tree);
    }
    return Malformed("unknown operation");
  }

  Status Malformed(std::string_view what) const {
    return Status::Corruption("write unit: byte " + std::to_string(begin_) + ": " +
                              std::string(what));
  }

 private:
  Status Put(TreeId tree) {
    std::string_view key;
    std::string_view value;
    if (!GetLengthPrefixed(&rest_, &key) || key.size() > kMaxKeySize) return Malformed("bad key");
    if (!GetLengthPrefixed(&rest_, &value) || value.size() > kMaxValueSize) {
      return Malformed("bad value");
    }
    return handler_->Put(tree, key, value);
  }

  Status Delete(TreeId tree) {
    std::string_view key;
    if (!GetLengthPrefixed(&rest_, &key) || key.size() > kMaxKeySize) return Malformed("bad key");
    return handler_->Delete(tree, key);
  }

  Status AddCounter(TreeId tree) {
    uint64_t counter;
    int64_t delta;
    if (!GetVarint64(&rest_, &counter) || counter >= kTreeCounters) return Malformed("bad counter");
    if (!GetVarintSigned64(&rest_, &delta)) return Malformed("bad delta");
    return handler_->AddCounter(tree, static_cast<size_t>(counter), delta);
  }

  Status ForkTree(TreeId tree) {
    TreeId source;
    if (!GetVarint32(&rest_, &source)) return Malformed("bad source of a fork");
    if (tree == kDirectoryTree) return Malformed("creates tree 0, which always exists");
    if (tree == source) return Malformed("forks a tree from itself");
    return handler_->ForkTree(tree, source);
  }

  std::string_view rest_;
  const size_t size_;
  size_t begin_ = 0;  // of the operation last read
  WriteBatch::Handler* const handler_;
};

}  // namespace

void WriteBatch::Put(TreeId tree, std::string_view key, std::string_view value) {
  assert(key.size() <= kMaxKeySize && value.size() <= kMaxValueSize);
  PutOpOnKey(&rep_, tree, Op::kPut, key);
  PutLengthPrefixed(&rep_, value);
  ++count_;
}

void WriteBatch::Delete(TreeId tree, std::string_view key) {
  assert(key.size() <= kMaxKeySize);
  PutOpOnKey(&rep_, tree, Op::kDelete, key);
  ++count_;
}

void WriteBatch::AddCounter(TreeId tree, size_t counter, int64_t delta) {
  assert(counter < kTreeCounters);
  PutOp(&rep_, tree, Op::kAddCounter);
  PutVarint64(&rep_, counter);
  PutVarintSigned64(&rep_, delta);
  ++count_;
}

void WriteBatch::CreateTree(TreeId tree) {
  assert(tree != kDirectoryTree);
  PutOp(&rep_, tree, Op::kCreateTree);
  ++count_;
}

void WriteBatch::DropTree(TreeId tree) {
  assert(tree != kDirectoryTree);
  PutOp(&rep_, tree, Op::kDropTree);
  ++count_;
}

void WriteBatch::ForkTree(TreeId tree, TreeId source) {
  assert(tree != kDirectoryTree && tree != source);
  PutOp(&rep_, tree, Op::kForkTree);
  PutVarint32(&rep_, source);
  ++count_;
  forks_ = true;
}

void WriteBatch::Clear() {
  // One very large value shall not be paid for until the end.
  constexpr size_t kKeptCapacity = size_t{4} << 20;
  if (rep_.capacity() > kKeptCapacity) std::string().swap(rep_);
  rep_.clear();
  count_ = 0;
  forks_ = false;
}

Status WriteBatch::Iterate(std::string_view rep, uint32_t count, Handler* handler) {
  OperationReader reader(rep, handler);
  for (uint32_t i = 0; i < count; ++i) RETURN_IF_ERROR(reader.Next());
  if (!reader.AtEnd()) {
    return Status::Corruption("write unit: bytes behind its " + std::to_string(count) +
                              " operations");
  }
  return Status::Ok();
}

}  // namespace lsm
