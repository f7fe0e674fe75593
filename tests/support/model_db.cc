// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/model_db.h"

#include <functional>
#include <iterator>
#include <utility>

#include "lsm/util/check.h"

namespace lsm {
namespace {

constexpr size_t kMaxDifferences = 8;

// Bytes as they may be printed, shortened.
std::string Shown(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  constexpr size_t kMaxShown = 40;
  std::string shown = "\"";
  for (const char c : bytes.substr(0, kMaxShown)) {
    if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
      shown += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      shown += "\\x";
      shown += kHex[byte >> 4];
      shown += kHex[byte & 15];
    }
  }
  shown += '"';
  if (bytes.size() > kMaxShown) shown += " (" + std::to_string(bytes.size()) + " bytes)";
  return shown;
}

std::string TreeName(TreeId tree) { return "tree " + std::to_string(tree); }

uint64_t Hash(const std::string& bytes) { return std::hash<std::string>()(bytes); }

// Each thing that a content holds, as a number of its own; their sum does not depend on the order.
uint64_t EntryHash(TreeId tree, std::string_view key, std::string_view value) {
  std::string bytes = "e" + std::to_string(tree) + "," + std::to_string(key.size()) + ",";
  bytes += key;
  bytes += value;
  return Hash(bytes);
}
uint64_t CounterHash(TreeId tree, size_t counter, int64_t value) {
  if (value == 0) return 0;
  return Hash("c" + std::to_string(tree) + "," + std::to_string(counter) + "," +
              std::to_string(value));
}
uint64_t TreeHash(TreeId tree, const TreeContent& content) {
  uint64_t sum = Hash("t" + std::to_string(tree));
  for (const auto& [key, value] : content.entries) sum += EntryHash(tree, key, value);
  for (size_t i = 0; i < kTreeCounters; ++i) sum += CounterHash(tree, i, content.counters[i]);
  return sum;
}

// Collects differences up to a limit, and counts them all.
class Differences {
 public:
  void Add(const std::string& line) {
    if (count_++ < kMaxDifferences) text_ += line + "\n";
  }
  size_t count() const { return count_; }
  std::string Text() const {
    if (count_ <= kMaxDifferences) return text_;
    return text_ + "and " + std::to_string(count_ - kMaxDifferences) + " more\n";
  }

 private:
  std::string text_;
  size_t count_ = 0;
};

void CompareTrees(TreeId tree, const TreeContent& expected, const TreeContent& actual,
                  Differences* differences) {
  const std::string in_tree = TreeName(tree) + ": ";
  for (const auto& [key, value] : expected.entries) {
    const auto found = actual.entries.find(key);
    if (found == actual.entries.end()) {
      differences->Add(in_tree + "key " + Shown(key) + " is missing");
    } else if (found->second != value) {
      differences->Add(in_tree + "key " + Shown(key) + " has value " + Shown(found->second) +
                       " instead of " + Shown(value));
    }
  }
  for (const auto& [key, value] : actual.entries) {
    if (!expected.entries.contains(key)) {
      differences->Add(in_tree + "key " + Shown(key) + " should not be there");
    }
  }
  for (size_t i = 0; i < kTreeCounters; ++i) {
    if (expected.counters[i] == actual.counters[i]) continue;
    differences->Add(in_tree + "counter " + std::to_string(i) + " is " +
                     std::to_string(actual.counters[i]) + " instead of " +
                     std::to_string(expected.counters[i]));
  }
}

Differences Compare(const DbContent& expected, const DbContent& actual) {
  Differences differences;
  for (const auto& [tree, content] : expected) {
    const auto found = actual.find(tree);
    if (found == actual.end()) {
      differences.Add(TreeName(tree) + " is missing");
    } else {
      CompareTrees(tree, content, found->second, &differences);
    }
  }
  for (const auto& [tree, content] : actual) {
    if (!expected.contains(tree)) differences.Add(TreeName(tree) + " should not be there");
  }
  return differences;
}

Status Disagreement(TreeId tree, const std::string& what) {
  return Status::Corruption(TreeName(tree) + ": " + what);
}

// A point read of `key`, where `expected` is null if it must be absent.
Status CheckGet(ReadView* view, TreeId tree, const std::string& key, const std::string* expected) {
  Result<Lookup> lookup = view->Get(tree, key);
  RETURN_IF_ERROR(lookup.status());
  if (lookup->value.has_value() != (expected != nullptr)) {
    return Disagreement(
        tree, "get " + Shown(key) + (expected != nullptr ? " finds nothing" : " finds a value"));
  }
  if (expected != nullptr && lookup->value->view() != *expected) {
    return Disagreement(tree, "get " + Shown(key) + " finds " + Shown(lookup->value->view()) +
                                  " instead of " + Shown(*expected));
  }
  return {};
}

// That the iterator stands on `expected`, or nowhere if that is the end.
Status CheckPosition(TreeId tree, const Iterator& iterator, const std::string& how,
                     const TreeContent& content,
                     std::map<std::string, std::string>::const_iterator expected) {
  RETURN_IF_ERROR(iterator.status());
  const bool valid = expected != content.entries.end();
  if (iterator.Valid() != valid) {
    return Disagreement(tree,
                        how + (valid ? " finds nothing instead of " + Shown(expected->first)
                                     : " finds " + Shown(iterator.key()) + " instead of nothing"));
  }
  if (!valid) return {};
  if (iterator.key() != expected->first || iterator.value() != expected->second) {
    return Disagreement(tree, how + " finds " + Shown(iterator.key()) + " = " +
                                  Shown(iterator.value()) + " instead of " +
                                  Shown(expected->first) + " = " + Shown(expected->second));
  }
  return {};
}

Status CheckScans(ReadView* view, TreeId tree, const TreeContent& content,
                  const std::set<std::string>& seek_targets) {
  auto made = view->NewIterator(tree, {});
  RETURN_IF_ERROR(made.status());
  Iterator& iterator = **made;
  const auto& entries = content.entries;

  iterator.SeekToFirst();
  for (auto expected = entries.begin(); expected != entries.end(); ++expected) {
    RETURN_IF_ERROR(CheckPosition(tree, iterator, "forward scan", content, expected));
    iterator.Next();
  }
  RETURN_IF_ERROR(CheckPosition(tree, iterator, "end of forward scan", content, entries.end()));

  iterator.SeekToLast();
  for (auto behind = entries.end(); behind != entries.begin();) {
    --behind;
    RETURN_IF_ERROR(CheckPosition(tree, iterator, "backward scan", content, behind));
    iterator.Prev();
  }
  RETURN_IF_ERROR(CheckPosition(tree, iterator, "end of backward scan", content, entries.end()));

  for (const std::string& target : seek_targets) {
    iterator.Seek(target);
    RETURN_IF_ERROR(CheckPosition(tree, iterator, "seek " + Shown(target), content,
                                  entries.lower_bound(target)));
    iterator.SeekForPrev(target);
    auto before = entries.upper_bound(target);
    before = before == entries.begin() ? entries.end() : std::prev(before);
    RETURN_IF_ERROR(
        CheckPosition(tree, iterator, "backward seek " + Shown(target), content, before));
  }
  return {};
}

}  // namespace

Result<DbContent> ReadContent(ReadView* view, const std::vector<TreeId>& trees) {
  DbContent content;
  std::set<TreeId> all(trees.begin(), trees.end());
  all.insert(kDirectoryTree);
  for (const TreeId tree : all) {
    TreeContent& read = content[tree];
    Result<TreeCounters> counters = view->Counters(tree);
    RETURN_IF_ERROR(counters.status());
    read.counters = *counters;
    auto made = view->NewIterator(tree, {});
    RETURN_IF_ERROR(made.status());
    Iterator& iterator = **made;
    for (iterator.SeekToFirst(); iterator.Valid(); iterator.Next()) {
      const auto [at, is_new] =
          read.entries.emplace(std::string(iterator.key()), std::string(iterator.value()));
      if (!is_new || std::next(at) != read.entries.end()) {
        return Disagreement(tree, "the scan shows " + Shown(iterator.key()) + " out of order");
      }
    }
    RETURN_IF_ERROR(iterator.status());
  }
  return content;
}

Result<DbContent> ReadContent(DB* db) {
  const std::unique_ptr<ReadView> view = db->NewReadView();
  return ReadContent(view.get(), db->Trees());
}

std::string Difference(const DbContent& expected, const DbContent& actual) {
  return Compare(expected, actual).Text();
}

// Applies a unit to a content and keeps its fingerprint up to date.
class ModelDb::Applier : public WriteBatch::Handler {
 public:
  // Keys that are put are added to `keys`.
  Applier(DbContent* content, uint64_t* fingerprint, std::set<std::string>* keys)
      : content_(content), fingerprint_(fingerprint), keys_(keys) {}

  Status Put(TreeId tree, std::string_view key, std::string_view value) override {
    TreeContent* const in = Find(tree);
    Erase(tree, in, std::string(key));
    in->entries.emplace(std::string(key), std::string(value));
    keys_->emplace(key);
    *fingerprint_ += EntryHash(tree, key, value);
    return {};
  }
  Status Delete(TreeId tree, std::string_view key) override {
    Erase(tree, Find(tree), std::string(key));
    return {};
  }
  Status AddCounter(TreeId tree, size_t counter, int64_t delta) override {
    int64_t& value = Find(tree)->counters[counter];
    *fingerprint_ -= CounterHash(tree, counter, value);
    value += delta;
    *fingerprint_ += CounterHash(tree, counter, value);
    return {};
  }
  Status CreateTree(TreeId tree) override {
    const auto [at, is_new] = content_->try_emplace(tree);
    VARVE_CHECK(is_new);
    *fingerprint_ += TreeHash(tree, at->second);
    return {};
  }
  Status DropTree(TreeId tree) override {
    *fingerprint_ -= TreeHash(tree, *Find(tree));
    content_->erase(tree);
    return {};
  }
  Status ForkTree(TreeId tree, TreeId source) override {
    const auto [at, is_new] = content_->emplace(tree, *Find(source));
    VARVE_CHECK(is_new);
    *fingerprint_ += TreeHash(tree, at->second);
    return {};
  }

 private:
  TreeContent* Find(TreeId tree) {
    const auto found = content_->find(tree);
    VARVE_CHECK(found != content_->end());
    return &found->second;
  }
  void Erase(TreeId tree, TreeContent* in, const std::string& key) {
    const auto found = in->entries.find(key);
    if (found == in->entries.end()) return;
    *fingerprint_ -= EntryHash(tree, key, found->second);
    in->entries.erase(found);
  }

  DbContent* const content_;
  uint64_t* const fingerprint_;
  std::set<std::string>* const keys_;
};

uint64_t ModelDb::Fingerprint(const DbContent& content) {
  uint64_t sum = 0;
  for (const auto& [tree, in] : content) sum += TreeHash(tree, in);
  return sum;
}

size_t ModelDb::Apply(const WriteBatch& unit) {
  uint64_t fingerprint = fingerprints_.back();
  Applier applier(&content_, &fingerprint, &keys_);
  VARVE_CHECK(WriteBatch::Iterate(unit.rep(), unit.count(), &applier).ok());
  units_.push_back(unit);
  fingerprints_.push_back(fingerprint);
  return units_.size();
}

DbContent ModelDb::After(size_t n) const {
  VARVE_CHECK(n <= units_.size());
  DbContent content = EmptyContent();
  uint64_t unused_fingerprint = 0;
  std::set<std::string> unused_keys;
  Applier applier(&content, &unused_fingerprint, &unused_keys);
  for (size_t i = 0; i < n; ++i) {
    VARVE_CHECK(WriteBatch::Iterate(units_[i].rep(), units_[i].count(), &applier).ok());
  }
  return content;
}

void ModelDb::ForgetAfter(size_t n) {
  content_ = After(n);
  units_.resize(n);
  fingerprints_.resize(n + 1);
}

Result<ModelDb::Prefix> ModelDb::FindPrefix(const DbContent& content, size_t at_least,
                                            size_t at_most) const {
  VARVE_CHECK(at_least <= at_most && at_most <= units_.size());
  const uint64_t fingerprint = Fingerprint(content);
  size_t longest = at_most + 1;
  size_t shortest = at_most + 1;
  for (size_t n = at_most + 1; n-- > at_least;) {
    if (fingerprints_[n] != fingerprint) continue;
    if (longest > at_most) longest = n;
    shortest = n;
  }
  if (longest > at_most) return Status::Corruption(DescribeNearest(content, at_least, at_most));
  const std::string difference = Difference(After(longest), content);
  if (!difference.empty()) return Status::Corruption(difference);
  return Prefix{shortest, longest};
}

// 1. If it is a prefix that is not allowed, that says all. 2. Otherwise the allowed prefix with the
// fewest differences is shown, of several the longest.
std::string ModelDb::DescribeNearest(const DbContent& content, size_t at_least,
                                     size_t at_most) const {
  const std::string allowed =
      "units " + std::to_string(at_least) + " to " + std::to_string(at_most);
  const uint64_t fingerprint = Fingerprint(content);
  for (size_t n = 0; n < fingerprints_.size(); ++n) {
    if (fingerprints_[n] != fingerprint) continue;
    return "the content is that after unit " + std::to_string(n) + ", which is not among " +
           allowed;
  }
  DbContent candidate = After(at_least);
  uint64_t unused_fingerprint = 0;
  std::set<std::string> unused_keys;
  Applier applier(&candidate, &unused_fingerprint, &unused_keys);
  size_t best = at_least;
  Differences best_differences = Compare(candidate, content);
  for (size_t n = at_least + 1; n <= at_most; ++n) {
    const WriteBatch& unit = units_[n - 1];
    VARVE_CHECK(WriteBatch::Iterate(unit.rep(), unit.count(), &applier).ok());
    Differences differences = Compare(candidate, content);
    if (differences.count() > best_differences.count()) continue;
    best = n;
    best_differences = std::move(differences);
  }
  return "the content is no prefix of the units; nearest among " + allowed +
         " is that after unit " + std::to_string(best) + ", from which it differs:\n" +
         best_differences.Text();
}

Status ModelDb::CheckReads(ReadView* view, size_t n) const {
  const DbContent expected = After(n);
  for (const auto& [tree, in] : expected) {
    for (const std::string& key : keys_) {
      const auto found = in.entries.find(key);
      const bool present = found != in.entries.end();
      RETURN_IF_ERROR(CheckGet(view, tree, key, present ? &found->second : nullptr));
    }
    RETURN_IF_ERROR(CheckScans(view, tree, in, keys_));
    Result<TreeCounters> counters = view->Counters(tree);
    RETURN_IF_ERROR(counters.status());
    if (*counters != in.counters) return Disagreement(tree, "counters differ");
  }
  return {};
}

}  // namespace lsm
