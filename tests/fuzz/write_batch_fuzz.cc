// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a write unit are refused as corruption, or are operations that a writer can add,
// whose encoding hands back the same operations.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lsm/write_batch.h"

namespace {

// Adds what it is told to another unit.
class Copier : public lsm::WriteBatch::Handler {
 public:
  lsm::Status Put(lsm::TreeId tree, std::string_view key, std::string_view value) override {
    copy.Put(tree, key, value);
    return lsm::Status::Ok();
  }
  lsm::Status Delete(lsm::TreeId tree, std::string_view key) override {
    copy.Delete(tree, key);
    return lsm::Status::Ok();
  }
  lsm::Status AddCounter(lsm::TreeId tree, size_t counter, int64_t delta) override {
    copy.AddCounter(tree, counter, delta);
    return lsm::Status::Ok();
  }
  lsm::Status CreateTree(lsm::TreeId tree) override {
    copy.CreateTree(tree);
    return lsm::Status::Ok();
  }
  lsm::Status DropTree(lsm::TreeId tree) override {
    copy.DropTree(tree);
    return lsm::Status::Ok();
  }
  lsm::Status ForkTree(lsm::TreeId tree, lsm::TreeId source) override {
    copy.ForkTree(tree, source);
    return lsm::Status::Ok();
  }

  lsm::WriteBatch copy;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // On the heap, so that a read behind the end is seen.
  const std::string unit(reinterpret_cast<const char*>(data + 1), size - 1);
  Copier first;
  const lsm::Status status = lsm::WriteBatch::Iterate(unit, data[0], &first);
  if (!status.ok()) {
    if (!status.IsCorruption()) std::abort();
    return 0;
  }
  if (first.copy.count() != data[0]) std::abort();
  Copier second;
  if (!lsm::WriteBatch::Iterate(first.copy.rep(), data[0], &second).ok()) std::abort();
  if (second.copy.rep() != first.copy.rep()) std::abort();
  return 0;
}
