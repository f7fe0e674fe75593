// SPDX-License-Identifier: BSD-3-Clause
// The oracle itself: it must tell prefixes apart, and see every kind of wrong answer.
#include "tests/support/model_db.h"

#include <doctest/doctest.h>

#include "lsm/random.h"

namespace lsm {
namespace {

// Answers reads from a content, as a database that is right about it would.
class ContentIterator : public Iterator {
 public:
  explicit ContentIterator(const TreeContent* content)
      : entries_(content->entries), at_(entries_.end()) {}

  bool Valid() const override { return at_ != entries_.end(); }
  Status status() const override { return {}; }
  void SeekToFirst() override { at_ = entries_.begin(); }
  void SeekToLast() override { StepBackFrom(entries_.end()); }
  void Seek(std::string_view target) override { at_ = entries_.lower_bound(std::string(target)); }
  void SeekForPrev(std::string_view target) override {
    StepBackFrom(entries_.upper_bound(std::string(target)));
  }
  void Next() override { ++at_; }
  void Prev() override { StepBackFrom(at_); }
  std::string_view key() const override { return at_->first; }
  std::string_view value() const override { return at_->second; }
  SequenceNumber sequence() const override { return 1; }
  int num_active_iterators() const override { return 1; }

 private:
  using Entries = std::map<std::string, std::string>;
  void StepBackFrom(Entries::const_iterator at) {
    at_ = at == entries_.begin() ? entries_.end() : std::prev(at);
  }

  const Entries& entries_;
  Entries::const_iterator at_;
};

class ContentView : public ReadView {
 public:
  explicit ContentView(DbContent content) : content_(std::move(content)) {}

  Result<Lookup> Get(TreeId tree, std::string_view key) override {
    const auto found = content_[tree].entries.find(std::string(key));
    Lookup lookup;
    if (found != content_[tree].entries.end()) lookup.value = PinnedValue(found->second);
    return lookup;
  }
  Result<std::unique_ptr<Iterator>> NewIterator(TreeId tree, const IterateOptions&) override {
    return std::unique_ptr<Iterator>(std::make_unique<ContentIterator>(&content_[tree]));
  }
  Result<TreeCounters> Counters(TreeId tree) override { return content_[tree].counters; }
  SequenceNumber sequence() const override { return 1; }
  void Prefetch(TreeId, std::span<const std::string_view>) override {}
  void SetMemoryOnly(bool) override {}
  void NoteMissing(TreeId, std::span<const std::string_view>) override {}
  std::shared_ptr<ColdRead> TakeMissing() override { return nullptr; }
  void Refresh() override {}

 private:
  DbContent content_;
};

WriteBatch PutOne(TreeId tree, std::string_view key, std::string_view value) {
  WriteBatch unit;
  unit.Put(tree, key, value);
  return unit;
}

// Tree 0 with "a", tree 1 with "b", then "a" gone and counted.
ModelDb SmallModel() {
  ModelDb model;
  WriteBatch first = PutOne(0, "a", "1");
  first.CreateTree(1);
  model.Apply(first);
  model.Apply(PutOne(1, "b", "2"));
  WriteBatch third;
  third.Delete(0, "a");
  third.AddCounter(0, 2, -1);
  model.Apply(third);
  return model;
}

bool Mentions(const Status& status, std::string_view text) {
  return status.message().find(text) != std::string_view::npos;
}

}  // namespace

TEST_CASE("the content after every prefix is that of applying it alone") {
  const ModelDb model = SmallModel();
  CHECK(model.After(0) == DbContent{{0, {}}});
  CHECK(model.After(1) == DbContent{{0, {{{"a", "1"}}, {}}}, {1, {}}});
  CHECK(model.After(2) == DbContent{{0, {{{"a", "1"}}, {}}}, {1, {{{"b", "2"}}, {}}}});
  CHECK(model.After(3) == DbContent{{0, {{}, {0, 0, -1, 0}}}, {1, {{{"b", "2"}}, {}}}});
  CHECK(model.After(3) == model.content());
}

TEST_CASE("a random history finds each of its prefixes by content, and none for a changed one") {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    ModelDb model;
    std::map<TreeId, bool> alive = {{1, false}, {2, false}};
    for (size_t n = 1; n <= 100; ++n) {
      WriteBatch unit = PutOne(0, "ordinal", std::to_string(n));
      for (auto& [tree, lives] : alive) {
        if (random.OneIn(10)) {
          lives ? unit.DropTree(tree) : unit.CreateTree(tree);
          lives = !lives;
        }
        if (!lives) continue;
        const std::string key = std::to_string(random.Uniform(10));
        random.OneIn(3) ? unit.Delete(tree, key) : unit.Put(tree, key, std::to_string(n));
        unit.AddCounter(tree, random.Uniform(kTreeCounters), static_cast<int64_t>(n) - 50);
      }
      CHECK(model.Apply(unit) == n);
    }
    for (size_t n = 0; n <= 100; ++n) {
      DbContent content = model.After(n);
      auto prefix = model.FindPrefix(content, 0, 100);
      REQUIRE(prefix.ok());
      CHECK(prefix->shortest == n);
      CHECK(prefix->longest == n);
      ContentView view(content);
      CHECK(model.CheckReads(&view, n).ok());
      if (n % 20 != 0) continue;
      content[0].entries["intruder"] = "x";
      CHECK(model.FindPrefix(content, 0, 100).status().IsCorruption());
    }
    CHECK(model.After(100) == model.content());
  }
}

TEST_CASE("units without effect make several prefixes equal") {
  ModelDb model = SmallModel();
  WriteBatch nothing;
  nothing.Delete(0, "absent");
  model.Apply(nothing);
  auto prefix = model.FindPrefix(model.content(), 0, 4);
  REQUIRE(prefix.ok());
  CHECK(prefix->shortest == 3);
  CHECK(prefix->longest == 4);
  prefix = model.FindPrefix(model.content(), 0, 3);
  REQUIRE(prefix.ok());
  CHECK(prefix->longest == 3);
}

TEST_CASE("a prefix that is too short says which one it is") {
  const ModelDb model = SmallModel();
  const Status lost = model.FindPrefix(model.After(1), 2, 3).status();
  CHECK(lost.IsCorruption());
  CHECK(Mentions(lost, "after unit 1, which is not among units 2 to 3"));
}

TEST_CASE("a content that is no prefix is described by its differences from the nearest one") {
  const ModelDb model = SmallModel();
  DbContent mixed = model.After(3);
  mixed[1].entries["b"] = "\x01wrong";
  mixed[0].counters[2] = 7;
  mixed[9];
  const Status status = model.FindPrefix(mixed, 0, 3).status();
  CHECK(status.IsCorruption());
  CHECK(Mentions(status, "nearest among units 0 to 3 is that after unit 3"));
  CHECK(Mentions(status, R"(tree 1: key "b" has value "\x01wrong" instead of "2")"));
  CHECK(Mentions(status, "tree 0: counter 2 is 7 instead of -1"));
  CHECK(Mentions(status, "tree 9 should not be there"));
  CHECK(Difference(model.After(1), {}) == "tree 0 is missing\ntree 1 is missing\n");
}

TEST_CASE("half of a unit is no prefix") {
  ModelDb model = SmallModel();
  DbContent half = model.After(2);
  half[0].entries.erase("a");  // of unit 3, but its counter is missing
  CHECK(model.FindPrefix(half, 0, 3).status().IsCorruption());
}

TEST_CASE("units that a crash took are forgotten, and others take their ordinals") {
  ModelDb model = SmallModel();
  model.ForgetAfter(1);
  CHECK(model.units() == 1);
  CHECK(model.content() == model.After(1));
  CHECK(model.Apply(PutOne(1, "c", "3")) == 2);
  auto prefix = model.FindPrefix({{0, {{{"a", "1"}}, {}}}, {1, {{{"c", "3"}}, {}}}}, 0, 2);
  REQUIRE(prefix.ok());
  CHECK(prefix->longest == 2);
}

TEST_CASE("what a view shows is read whole") {
  const ModelDb model = SmallModel();
  ContentView view(model.content());
  auto content = ReadContent(&view, {1});
  REQUIRE(content.ok());
  CHECK(*content == model.content());
}

TEST_CASE("wrong answers to points, scans and counters are seen") {
  ModelDb model = SmallModel();
  const auto check = [&model](DbContent content) {
    ContentView view(std::move(content));
    return model.CheckReads(&view, model.units());
  };
  CHECK(check(model.content()).ok());
  DbContent content = model.content();
  content[0].entries["a"] = "1";
  CHECK(Mentions(check(content), R"(tree 0: get "a" finds a value)"));
  content = model.content();
  content[1].entries["b"] = "other";
  CHECK(Mentions(check(content), R"(tree 1: get "b" finds "other" instead of "2")"));
  content = model.content();
  content[1].entries.clear();
  CHECK(Mentions(check(content), R"(tree 1: get "b" finds nothing)"));
  content = model.content();
  content[1].entries["never written"] = "x";
  CHECK(
      Mentions(check(content), R"(end of forward scan finds "never written" instead of nothing)"));
  content = model.content();
  content[1].counters[0] = 1;
  CHECK(Mentions(check(content), "tree 1: counters differ"));
}

}  // namespace lsm
