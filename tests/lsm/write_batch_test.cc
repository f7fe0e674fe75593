// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/write_batch.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "lsm/format/coding.h"
#include "lsm/random.h"
#include "tests/support/golden.h"

namespace lsm {
namespace {

// Writes down what it is told, one line an operation; fails at the line `fail_at`.
class Recorder : public WriteBatch::Handler {
 public:
  explicit Recorder(size_t fail_at = SIZE_MAX) : fail_at_(fail_at) {}

  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    return Add("put", tree, std::string(key) + "=" + std::string(value));
  }
  Status Delete(TreeId tree, std::string_view key) override {
    return Add("delete", tree, std::string(key));
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    return Add("add", tree, std::to_string(counter) + " " + std::to_string(delta));
  }
  Status CreateTree(TreeId tree) override { return Add("create", tree, ""); }
  Status DropTree(TreeId tree) override { return Add("drop", tree, ""); }
  Status ForkTree(TreeId tree, TreeId source) override {
    return Add("fork", tree, std::to_string(source));
  }

  const std::vector<std::string>& lines() const { return lines_; }

 private:
  Status Add(const std::string& what, TreeId tree, const std::string& rest) {
    if (lines_.size() == fail_at_) return Status::Aborted("enough");
    lines_.push_back(what + " " + std::to_string(tree) + " " + rest);
    return Status::Ok();
  }

  const size_t fail_at_;
  std::vector<std::string> lines_;
};

WriteBatch Sample() {
  WriteBatch batch;
  batch.CreateTree(7);
  batch.Put(7, "key", "value");
  batch.Put(0, "", "");
  batch.Delete(7, "key");
  batch.AddCounter(7, 3, -2);
  batch.DropTree(std::numeric_limits<TreeId>::max());
  batch.ForkTree(9, 300);
  return batch;
}

}  // namespace

TEST_CASE("a write unit hands back its operations in order") {
  const WriteBatch batch = Sample();
  CHECK(batch.count() == 7);
  Recorder recorder;
  REQUIRE(WriteBatch::Iterate(batch.rep(), batch.count(), &recorder).ok());
  CHECK(recorder.lines() == std::vector<std::string>{"create 7 ", "put 7 key=value",
                                                     "put 0 =", "delete 7 key", "add 7 3 -2",
                                                     "drop 4294967295 ", "fork 9 300"});
}

TEST_CASE("a write unit that was cleared is empty") {
  WriteBatch batch = Sample();
  batch.Clear();
  CHECK(batch.empty());
  CHECK(batch.rep().empty());
  Recorder recorder;
  CHECK(WriteBatch::Iterate(batch.rep(), batch.count(), &recorder).ok());
  CHECK(recorder.lines().empty());
}

TEST_CASE("iterating a write unit stops at the handler's first error and returns it") {
  const WriteBatch batch = Sample();
  Recorder recorder(2);
  CHECK(WriteBatch::Iterate(batch.rep(), batch.count(), &recorder).IsAborted());
  CHECK(recorder.lines().size() == 2);
}

TEST_CASE("a write unit cut at any byte is corruption") {
  const WriteBatch batch = Sample();
  for (size_t n = 0; n < batch.rep().size(); ++n) {
    CAPTURE(n);
    Recorder recorder;
    CHECK(WriteBatch::Iterate(batch.rep().substr(0, n), batch.count(), &recorder).IsCorruption());
  }
}

TEST_CASE("a write unit with another number of operations is corruption") {
  const WriteBatch batch = Sample();
  for (uint32_t count = 0; count < 20; ++count) {
    if (count == batch.count()) continue;
    CAPTURE(count);
    Recorder recorder;
    CHECK(WriteBatch::Iterate(batch.rep(), count, &recorder).IsCorruption());
  }
}

TEST_CASE("operations that no writer makes are corruption") {
  std::vector<std::string> units;
  for (const uint64_t op : {uint64_t{5}, uint64_t{6}, uint64_t{7}}) {
    units.emplace_back();
    PutVarint64(&units.back(), 1 << 3 | op);
  }
  units.emplace_back();  // a tree id of 33 bits
  PutVarint64(&units.back(), (uint64_t{1} << 32) << 3 | 3);
  units.emplace_back(1, '\3');      // create tree 0
  units.emplace_back(1, '\4');      // drop tree 0
  units.emplace_back("\6\1", 2);    // fork tree 0
  units.emplace_back("\x0e\1", 2);  // fork tree 1 from itself
  units.emplace_back();             // a counter that there is not
  PutVarint64(&units.back(), 2);
  PutVarint64(&units.back(), kTreeCounters);
  PutVarintSigned64(&units.back(), 1);
  units.emplace_back();  // a key longer than memory
  PutVarint64(&units.back(), 1);
  PutVarint64(&units.back(), std::numeric_limits<uint64_t>::max());
  for (const std::string& unit : units) {
    Recorder recorder;
    CHECK(WriteBatch::Iterate(unit, 1, &recorder).IsCorruption());
    CHECK(recorder.lines().empty());
  }
}

TEST_CASE("random bytes as a write unit are decoded or refused, and nothing else") {
  const uint64_t seed = 20240611;
  CAPTURE(seed);
  Random random(seed);
  uint64_t refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (uint64_t n = random.Uniform(24); n > 0; --n) {
      bytes += static_cast<char>(random.Uniform(round % 2 == 0 ? 8 : 256));
    }
    const uint32_t count = static_cast<uint32_t>(random.Uniform(5));
    Recorder recorder;
    const Status status = WriteBatch::Iterate(bytes, count, &recorder);
    CHECK((status.ok() ? recorder.lines().size() == count : status.IsCorruption()));
    refused += status.ok() ? 0 : 1;
  }
  CHECK(refused > 0);
  CHECK(refused < 20000);
}

TEST_CASE("the bytes of a write unit are those of its golden file") {
  const WriteBatch batch = Sample();
  support::CheckGolden("write_unit.hex", batch.rep(),
                       {{1, "create tree 7"},
                        {1, "put in tree 7"},
                        {4, "key \"key\""},
                        {6, "value \"value\""},
                        {1, "put in tree 0"},
                        {1, "empty key"},
                        {1, "empty value"},
                        {1, "delete in tree 7"},
                        {4, "key \"key\""},
                        {1, "add to a counter of tree 7"},
                        {1, "counter 3"},
                        {1, "-2, zigzag"},
                        {5, "drop tree 4294967295"},
                        {1, "fork tree 9"},
                        {2, "from tree 300"}});
}

}  // namespace lsm
