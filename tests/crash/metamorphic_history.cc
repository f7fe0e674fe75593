// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/metamorphic_history.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lsm/random.h"
#include "lsm/util/quote.h"

namespace crash {
namespace {

using Entries = std::map<std::string, std::string>;

// An iterator over a map, as lsm/iterator.h describes one.
class MapWalk {
 public:
  MapWalk(const Entries& all, const lsm::IterateOptions& range) {
    for (const auto& [key, value] : all) {
      const auto& lower = range.lower;
      const auto& upper = range.upper;
      if (lower && (lower->inclusive ? key < lower->key : key <= lower->key)) continue;
      if (upper && (upper->inclusive ? key > upper->key : key >= upper->key)) continue;
      if (key.starts_with(range.prefix)) entries_.emplace(key, value);
    }
    at_ = entries_.end();
  }

  bool Valid() const { return at_ != entries_.end(); }
  void Make(const Move& move) {
    switch (move.kind) {
      case Move::Kind::kSeekToFirst:
        at_ = entries_.begin();
        break;
      case Move::Kind::kSeekToLast:
        at_ = entries_.empty() ? entries_.end() : std::prev(entries_.end());
        break;
      case Move::Kind::kSeek:
        at_ = entries_.lower_bound(move.target);
        break;
      case Move::Kind::kSeekForPrev:
        at_ = entries_.upper_bound(move.target);
        at_ = at_ == entries_.begin() ? entries_.end() : std::prev(at_);
        break;
      case Move::Kind::kNext:
        ++at_;
        break;
      case Move::Kind::kPrev:
        at_ = at_ == entries_.begin() ? entries_.end() : std::prev(at_);
        break;
    }
  }
  std::string Text() const {
    return Valid() ? PositionText(true, at_->first, at_->second) : PositionText(false, {}, {});
  }

 private:
  Entries entries_;
  Entries::const_iterator at_;
};

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  std::vector<Step> Make(size_t count) {
    Add(Create(NewName()));
    while (steps_.size() < count) Add(Next());
    Add(Simple(Step::Kind::kReadAll));
    Add(Simple(Step::Kind::kReopen));
    Add(Simple(Step::Kind::kReadAll));
    return std::move(steps_);
  }

 private:
  void Add(Step step) {
    // A database cannot be closed while somebody looks at it.
    if (step.kind == Step::Kind::kReopen || step.kind == Step::Kind::kKill) {
      while (!snapshots_.empty()) Add(Unpin());
    }
    Execute(&step);
    steps_.push_back(std::move(step));
  }

  Step Next() {
    const uint64_t roll = random_.Uniform(1000);
    if (roll < 440) return MakeWrite();
    if (roll < 560) return MakeGet();
    if (roll < 640) return MakeWalk();
    if (roll < 660) return Read(Step::Kind::kCount);
    if (roll < 800) return Background();
    if (roll < 815) return now_.trees.size() < 8 ? Create(NewName()) : MakeWrite();
    if (roll < 850) return now_.trees.size() < 10 ? Fork() : Drop();
    if (roll < 865) return now_.trees.size() > 2 ? Drop() : MakeWrite();
    if (roll < 885) return Swap();
    if (roll < 905) return snapshots_.size() < 4 ? Simple(Step::Kind::kPin) : Unpin();
    if (roll < 920) return snapshots_.empty() ? MakeGet() : Unpin();
    if (roll < 950) return OfTree(Step::Kind::kFlush);
    if (roll < 965) return OfTree(Step::Kind::kCompact);
    if (roll < 972) return Simple(Step::Kind::kCheckpoint);
    if (roll < 985) return Simple(Step::Kind::kReopen);
    if (roll < 995) return Simple(Step::Kind::kKill);
    return Simple(Step::Kind::kReadAll);
  }

  static Step Simple(Step::Kind kind) {
    Step step;
    step.kind = kind;
    return step;
  }
  Step OfTree(Step::Kind kind) {
    Step step = Simple(kind);
    step.tree = AnyTree();
    return step;
  }
  Step Background() {
    Step step = Simple(Step::Kind::kBackground);
    step.jobs = 1 + random_.Uniform(6);
    return step;
  }
  Step Create(std::string name) {
    Step step = Simple(Step::Kind::kCreate);
    step.tree = std::move(name);
    return step;
  }
  Step Fork() {
    Step step = OfTree(Step::Kind::kFork);
    step.other = NewName();
    return step;
  }
  Step Drop() { return now_.trees.empty() ? Create(NewName()) : OfTree(Step::Kind::kDrop); }
  Step Swap() {
    Step step = OfTree(Step::Kind::kSwap);
    step.other = AnyTree();
    return step.tree == step.other ? MakeWrite() : step;
  }
  Step Unpin() {
    Step step = Simple(Step::Kind::kUnpin);
    step.snapshot = random_.Uniform(snapshots_.size());
    return step;
  }

  Step MakeWrite() {
    Step step = Simple(Step::Kind::kWrite);
    const uint64_t writes = random_.OneIn(5) ? 1 + random_.Uniform(12) : 1;
    for (uint64_t i = 0; i < writes; ++i) {
      Write write;
      write.tree = AnyTree();
      write.key = AnyKey();
      write.is_delete = random_.OneIn(3);
      if (!write.is_delete) write.value = AnyValue();
      if (random_.OneIn(4)) write.counted = static_cast<int64_t>(random_.Uniform(20)) - 9;
      step.writes.push_back(std::move(write));
    }
    return step;
  }

  // Chooses the view and a tree that it shows.
  Step Read(Step::Kind kind) {
    Step step = Simple(kind);
    if (!snapshots_.empty() && random_.OneIn(2)) step.snapshot = random_.Uniform(snapshots_.size());
    step.tree = AnyTreeOf(View(step.snapshot));
    return step;
  }
  Step MakeGet() {
    Step step = Read(Step::Kind::kGet);
    step.key = AnyKey();
    return step;
  }
  Step MakeWalk() {
    Step step = Read(Step::Kind::kWalk);
    if (random_.OneIn(4)) step.range.lower = lsm::Bound{AnyKey(), random_.OneIn(2)};
    if (random_.OneIn(4)) step.range.upper = lsm::Bound{AnyKey(), random_.OneIn(2)};
    if (random_.OneIn(4)) step.range.prefix = AnyKey().substr(0, random_.Uniform(4));
    step.range.fill_cache = random_.OneIn(2);
    MapWalk walk(View(step.snapshot).trees.at(step.tree).entries, step.range);
    for (uint64_t i = 0, count = 1 + random_.Uniform(40); i < count; ++i) {
      Move move;
      if (walk.Valid() && !random_.OneIn(8)) {
        move.kind = random_.OneIn(3) ? Move::Kind::kPrev : Move::Kind::kNext;
      } else {
        move.kind = static_cast<Move::Kind>(random_.Uniform(4));
        move.target = AnyKey();
      }
      walk.Make(move);
      step.answer += walk.Text();
      step.moves.push_back(std::move(move));
    }
    return step;
  }

  void Execute(Step* step) {
    switch (step->kind) {
      case Step::Kind::kWrite:
        for (const Write& write : step->writes) Apply(write);
        break;
      case Step::Kind::kCreate:
        now_.trees[step->tree];
        break;
      case Step::Kind::kDrop:
        now_.trees.erase(step->tree);
        break;
      case Step::Kind::kFork:
        now_.trees[step->other] = now_.trees.at(step->tree);
        break;
      case Step::Kind::kSwap:
        std::swap(now_.trees.at(step->tree), now_.trees.at(step->other));
        break;
      case Step::Kind::kPin:
        snapshots_.push_back(now_);
        break;
      case Step::Kind::kUnpin:
        snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(step->snapshot));
        break;
      case Step::Kind::kGet: {
        const Entries& entries = View(step->snapshot).trees.at(step->tree).entries;
        const auto found = entries.find(step->key);
        step->answer = PositionText(found != entries.end(), step->key,
                                    found != entries.end() ? found->second : "");
        break;
      }
      case Step::Kind::kCount:
        step->answer = std::to_string(View(step->snapshot).trees.at(step->tree).counted);
        break;
      case Step::Kind::kCheckpoint:
      case Step::Kind::kReadAll:
        step->answer = now_.ToString();
        break;
      default:
        break;
    }
  }

  void Apply(const Write& write) {
    Contents::Tree& tree = now_.trees.at(write.tree);
    if (write.is_delete) {
      tree.entries.erase(write.key);
    } else {
      tree.entries[write.key] = write.value;
    }
    tree.counted += write.counted;
  }

  const Contents& View(size_t snapshot) const {
    return snapshot == Step::kNow ? now_ : snapshots_[snapshot];
  }
  std::string NewName() { return "t" + std::to_string(next_name_++); }
  std::string AnyTree() {
    if (now_.trees.empty()) Add(Create(NewName()));
    return AnyTreeOf(now_);
  }
  std::string AnyTreeOf(const Contents& contents) {
    if (contents.trees.empty()) return AnyTree();
    const auto nth = static_cast<std::ptrdiff_t>(random_.Uniform(contents.trees.size()));
    return std::next(contents.trees.begin(), nth)->first;
  }
  std::string AnyKey() {
    if (random_.OneIn(40)) return random_.OneIn(2) ? std::string() : std::string(300, 'k');
    std::string key = random_.OneIn(3) ? "a" : "key:";
    key += std::to_string(random_.Uniform(90));
    if (random_.OneIn(10)) key += '\0';
    return key;
  }
  std::string AnyValue() {
    const uint64_t ordinal = next_value_++;
    const uint64_t roll = random_.Uniform(40);
    const size_t size = roll == 0 ? 5000 : roll < 4 ? 700 : random_.Uniform(60);
    std::string value = std::to_string(ordinal) + ":";
    while (value.size() < size) value += static_cast<char>(random_.Uniform(256));
    return random_.OneIn(50) ? std::string() : value;
  }

  lsm::Random random_;
  Contents now_;
  std::vector<Contents> snapshots_;
  std::vector<Step> steps_;
  uint64_t next_name_ = 0;
  uint64_t next_value_ = 0;
};

}  // namespace

const char* Name(Step::Kind kind) {
  constexpr const char* kNames[] = {"write",      "create",  "drop",       "fork",   "swap",
                                    "pin",        "unpin",   "get",        "count",  "walk",
                                    "flush",      "compact", "checkpoint", "reopen", "kill",
                                    "background", "read all"};
  return kNames[static_cast<size_t>(kind)];
}

std::string Describe(const Step& step) {
  std::string text = Name(step.kind);
  if (!step.tree.empty()) text += " " + step.tree;
  if (!step.other.empty()) text += " " + step.other;
  if (step.kind == Step::Kind::kGet) text += " " + lsm::Quoted(step.key);
  if (step.snapshot != Step::kNow) text += " of snapshot " + std::to_string(step.snapshot);
  for (const Write& write : step.writes) {
    text += " [" + write.tree + (write.is_delete ? " delete " : " put ") + lsm::Quoted(write.key);
    text += write.is_delete ? "]" : " " + std::to_string(write.value.size()) + " bytes]";
  }
  return text;
}

std::string Contents::ToString() const {
  std::string text;
  for (const auto& [name, tree] : trees) {
    text += name + " counted " + std::to_string(tree.counted) + "\n";
    for (const auto& [key, value] : tree.entries) text += PositionText(true, key, value);
  }
  return text;
}

std::string PositionText(bool valid, std::string_view key, std::string_view value) {
  if (!valid) return "(none)\n";
  std::string text(key);
  return text.append("=").append(value).append("\n");
}

std::vector<Step> MakeHistory(uint64_t seed, size_t steps) { return Maker(seed).Make(steps); }

}  // namespace crash
