// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/metamorphic_run.h"

#include <functional>
#include <memory>
#include <utility>

#include "lsm/db.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"

namespace crash {
namespace {

using lsm::Status;

constexpr char kDirectory[] = "db";
constexpr char kCheckpointDirectory[] = "checkpoint";

lsm::Options SmallOptions() {
  lsm::Options options;
  options.memtable_size = size_t{8} << 10;
  options.write_buffer_budget = size_t{1} << 20;
  options.block_cache_size = size_t{256} << 10;
  options.target_file_size = size_t{8} << 10;
  options.block_size = 512;
  options.wal_segment_size = size_t{32} << 10;
  options.wal_size_limit = size_t{256} << 10;
  options.max_open_files = 16;
  return options;
}

class Runner {
 public:
  Runner(const Configuration& configuration, uint64_t seed)
      : configuration_(configuration), fs_(std::make_unique<lsm::MemFileSystem>()) {
    options_ = configuration.options;
    options_.clock = &clock_;
    if (configuration.background == Configuration::Background::kStepped) {
      executor_ = std::make_unique<lsm::ManualExecutor>(seed);
    } else if (configuration.background == Configuration::Background::kAtOnce) {
      executor_ = std::make_unique<lsm::ManualExecutor>();
    }
    options_.executor = executor_.get();
  }
  ~Runner() {
    snapshots_.clear();
    db_.reset();
  }

  Status Open() {
    options_.file_system = fs_.get();
    auto db = lsm::DB::Open(options_, kDirectory);
    RETURN_IF_ERROR(db.status());
    db_ = std::move(*db);
    return {};
  }

  // The answer goes to `*answer`.
  Status Run(const Step& step, std::string* answer) {
    RETURN_IF_ERROR(Execute(step, answer));
    if (configuration_.background == Configuration::Background::kAtOnce) executor_->RunAll();
    return {};
  }

 private:
  Status Execute(const Step& step, std::string* answer) {
    switch (step.kind) {
      case Step::Kind::kWrite:
        return MakeWrite(step);
      case Step::Kind::kCreate:
      case Step::Kind::kDrop:
      case Step::Kind::kFork:
      case Step::Kind::kSwap:
        return ChangeTrees(step);
      case Step::Kind::kPin:
        snapshots_.push_back(db_->NewSnapshot());
        return {};
      case Step::Kind::kUnpin:
        snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(step.snapshot));
        return {};
      case Step::Kind::kGet:
      case Step::Kind::kCount:
      case Step::Kind::kWalk:
        return Read(step, answer);
      case Step::Kind::kFlush:
        return WithTree(step.tree, [this](lsm::TreeId tree) { return db_->Flush(tree); });
      case Step::Kind::kCompact:
        return WithTree(step.tree, [this](lsm::TreeId tree) { return db_->CompactTree(tree); });
      case Step::Kind::kCheckpoint:
        return ReadCheckpoint(answer);
      case Step::Kind::kReopen:
        RETURN_IF_ERROR(db_->Close());
        db_.reset();
        return Open();
      case Step::Kind::kKill:
        return Kill();
      case Step::Kind::kBackground:
        if (configuration_.background == Configuration::Background::kStepped) {
          for (size_t i = 0; i < step.jobs && executor_->RunOne(); ++i) {
          }
        }
        clock_.Advance(static_cast<int64_t>(step.jobs) * 300'000);
        return {};
      case Step::Kind::kReadAll:
        return ReadAll(db_.get(), answer);
    }
    return {};
  }

  // As DB::Write, but where that would sleep.
  Status Commit(const lsm::WriteBatch& unit) {
    if (db_->CurrentStall().state != lsm::WriteStall::State::kSlowdown) {
      return db_->Write(unit, /*sync=*/false);
    }
    const auto writer = db_->LockWriter();
    RETURN_IF_ERROR(writer->Commit(unit).status());
    return writer->CloseGroup().status();
  }

  static lsm::Result<lsm::TreeId> Resolve(lsm::ReadView* view, const std::string& name) {
    const lsm::Result<lsm::Lookup> found = view->Get(lsm::kDirectoryTree, name);
    RETURN_IF_ERROR(found.status());
    if (!found->value) return Status::NotFound("the directory does not know " + name);
    return static_cast<lsm::TreeId>(std::stoul(std::string(found->value->view())));
  }

  Status WithTree(const std::string& name, const std::function<Status(lsm::TreeId)>& use) {
    const lsm::Result<lsm::TreeId> tree = Resolve(db_->NewReadView().get(), name);
    RETURN_IF_ERROR(tree.status());
    return use(*tree);
  }

  Status MakeWrite(const Step& step) {
    lsm::WriteBatch unit;
    const auto view = db_->NewReadView();
    for (const Write& write : step.writes) {
      const lsm::Result<lsm::TreeId> tree = Resolve(view.get(), write.tree);
      RETURN_IF_ERROR(tree.status());
      if (write.is_delete) {
        unit.Delete(*tree, write.key);
      } else {
        unit.Put(*tree, write.key, write.value);
      }
      if (write.counted != 0) unit.AddCounter(*tree, 0, write.counted);
    }
    return Commit(unit);
  }

  Status ChangeTrees(const Step& step) {
    lsm::WriteBatch unit;
    const auto view = db_->NewReadView();
    lsm::TreeId tree = 0;
    if (step.kind == Step::Kind::kCreate) {
      tree = db_->NewTreeId();
      unit.CreateTree(tree);
      unit.Put(lsm::kDirectoryTree, step.tree, std::to_string(tree));
      return Commit(unit);
    }
    const lsm::Result<lsm::TreeId> found = Resolve(view.get(), step.tree);
    RETURN_IF_ERROR(found.status());
    tree = *found;
    if (step.kind == Step::Kind::kDrop) {
      unit.DropTree(tree);
      unit.Delete(lsm::kDirectoryTree, step.tree);
    } else if (step.kind == Step::Kind::kFork) {
      const lsm::TreeId fork = db_->NewTreeId();
      unit.ForkTree(fork, tree);
      unit.Put(lsm::kDirectoryTree, step.other, std::to_string(fork));
    } else {
      const lsm::Result<lsm::TreeId> other = Resolve(view.get(), step.other);
      RETURN_IF_ERROR(other.status());
      unit.Put(lsm::kDirectoryTree, step.tree, std::to_string(*other));
      unit.Put(lsm::kDirectoryTree, step.other, std::to_string(tree));
    }
    return Commit(unit);
  }

  Status Read(const Step& step, std::string* answer) {
    const auto view = step.snapshot == Step::kNow ? db_->NewReadView()
                                                  : db_->NewReadView(*snapshots_[step.snapshot]);
    const lsm::Result<lsm::TreeId> tree = Resolve(view.get(), step.tree);
    RETURN_IF_ERROR(tree.status());
    if (step.kind == Step::Kind::kGet) {
      const lsm::Result<lsm::Lookup> found = view->Get(*tree, step.key);
      RETURN_IF_ERROR(found.status());
      const bool there = found->value.has_value();
      *answer = PositionText(there, step.key, there ? found->value->view() : "");
      return {};
    }
    if (step.kind == Step::Kind::kCount) {
      const lsm::Result<lsm::TreeCounters> counters = view->Counters(*tree);
      RETURN_IF_ERROR(counters.status());
      *answer = std::to_string((*counters)[0]);
      return {};
    }
    return Walk(view.get(), *tree, step, answer);
  }

  static Status Walk(lsm::ReadView* view, lsm::TreeId tree, const Step& step, std::string* answer) {
    const lsm::Result<std::unique_ptr<lsm::Iterator>> made = view->NewIterator(tree, step.range);
    RETURN_IF_ERROR(made.status());
    lsm::Iterator* const it = made->get();
    for (const Move& move : step.moves) {
      if (it->Valid() || move.kind < Move::Kind::kNext) Make(move, it);
      RETURN_IF_ERROR(it->status());
      *answer +=
          it->Valid() ? PositionText(true, it->key(), it->value()) : PositionText(false, {}, {});
    }
    return {};
  }

  static void Make(const Move& move, lsm::Iterator* it) {
    switch (move.kind) {
      case Move::Kind::kSeekToFirst:
        return it->SeekToFirst();
      case Move::Kind::kSeekToLast:
        return it->SeekToLast();
      case Move::Kind::kSeek:
        return it->Seek(move.target);
      case Move::Kind::kSeekForPrev:
        return it->SeekForPrev(move.target);
      case Move::Kind::kNext:
        return it->Next();
      case Move::Kind::kPrev:
        return it->Prev();
    }
  }

  static Status ReadAll(lsm::DB* db, std::string* answer) {
    const auto view = db->NewReadView();
    Contents contents;
    const auto names = view->NewIterator(lsm::kDirectoryTree, {});
    RETURN_IF_ERROR(names.status());
    size_t trees = 1;
    for ((*names)->SeekToFirst(); (*names)->Valid(); (*names)->Next(), ++trees) {
      const auto id = static_cast<lsm::TreeId>(std::stoul(std::string((*names)->value())));
      Contents::Tree& tree = contents.trees[std::string((*names)->key())];
      const auto it = view->NewIterator(id, {});
      RETURN_IF_ERROR(it.status());
      for ((*it)->SeekToFirst(); (*it)->Valid(); (*it)->Next()) {
        tree.entries.emplace((*it)->key(), (*it)->value());
      }
      RETURN_IF_ERROR((*it)->status());
      const lsm::Result<lsm::TreeCounters> counters = view->Counters(id);
      RETURN_IF_ERROR(counters.status());
      tree.counted = (*counters)[0];
    }
    RETURN_IF_ERROR((*names)->status());
    if (trees != db->Trees().size()) return Status::Corruption("trees without a name");
    *answer = contents.ToString();
    return {};
  }

  Status ReadCheckpoint(std::string* answer) {
    RETURN_IF_ERROR(db_->Checkpoint(kCheckpointDirectory).status());
    {
      lsm::ManualExecutor executor;
      lsm::Options options = options_;
      options.executor = &executor;
      const auto copy = lsm::DB::Open(options, kCheckpointDirectory);
      RETURN_IF_ERROR(copy.status());
      RETURN_IF_ERROR(ReadAll(copy->get(), answer));
    }
    return lsm::RemoveDatabase(fs_.get(), kCheckpointDirectory);
  }

  Status Kill() {
    std::unique_ptr<lsm::MemFileSystem> image = fs_->AfterKill();
    db_.reset();  // ends on the old files, unseen by the image
    fs_ = std::move(image);
    return Open();
  }

  const Configuration& configuration_;
  lsm::ManualClock clock_;
  std::unique_ptr<lsm::MemFileSystem> fs_;
  std::unique_ptr<lsm::ManualExecutor> executor_;  // null: threads
  lsm::Options options_;
  std::unique_ptr<lsm::DB> db_;
  std::vector<std::unique_ptr<lsm::Snapshot>> snapshots_;
};

void MakeTiny(lsm::Options* o) {
  o->memtable_size = 1024;
  o->memtable_limit = 1;
  o->target_file_size = 1024;
  o->block_size = 64;
  o->wal_segment_size = 4096;
  o->wal_size_limit = 16384;
  o->l0_merge_trigger = 2;
  o->max_open_files = 2;
  o->block_cache_size = 2048;
  o->blob_value_size = 20;
}

struct Change {
  const char* name;
  void (*make)(lsm::Options* o);
};

constexpr Change kMemoryAndLog[] = {
    {"small", [](lsm::Options*) {}},
    {"all in memory", [](lsm::Options* o) { o->memtable_size = size_t{16} << 20; }},
    {"small memtables", [](lsm::Options* o) { o->memtable_size = 1024; }},
    {"many memtables",
     [](lsm::Options* o) {
       o->memtable_size = 2048;
       o->memtable_limit = 12;
     }},
    {"flushed by the budget",
     [](lsm::Options* o) {
       o->memtable_size = size_t{1} << 20;
       o->write_buffer_budget = size_t{40} << 10;
     }},
    {"flushed by the log",
     [](lsm::Options* o) {
       o->memtable_size = size_t{1} << 20;
       o->wal_segment_size = 4096;
       o->wal_size_limit = 12288;
     }},
    {"short log segments", [](lsm::Options* o) { o->wal_segment_size = 2048; }},
    {"nothing flushed by a close", [](lsm::Options* o) { o->flush_on_close = false; }},
};

constexpr Change kFiles[] = {
    {"no compression", [](lsm::Options* o) { o->compression = lsm::Compression::kNone; }},
    {"zstd", [](lsm::Options* o) { o->compression = lsm::Compression::kZstd; }},
    {"a record a block", [](lsm::Options* o) { o->block_size = 1; }},
    {"large blocks", [](lsm::Options* o) { o->block_size = 65536; }},
    {"whole keys", [](lsm::Options* o) { o->block_restart_interval = 1; }},
    {"long restart intervals", [](lsm::Options* o) { o->block_restart_interval = 64; }},
    {"no filters", [](lsm::Options* o) { o->filter_bits_per_key = 0; }},
    {"bad filters", [](lsm::Options* o) { o->filter_bits_per_key = 1; }},
    {"no block cache", [](lsm::Options* o) { o->block_cache_size = 0; }},
    {"one open file", [](lsm::Options* o) { o->max_open_files = 1; }},
    {"small files", [](lsm::Options* o) { o->target_file_size = 512; }},
    {"one run in L0", [](lsm::Options* o) { o->l0_merge_trigger = 1; }},
    {"many runs in L0",
     [](lsm::Options* o) {
       o->memtable_size = 1024;
       o->l0_merge_trigger = 12;
       o->l0_slowdown_trigger = 40;
       o->l0_stop_trigger = 80;
     }},
    {"values apart", [](lsm::Options* o) { o->blob_value_size = 1; }},
    {"big values apart, small files",
     [](lsm::Options* o) {
       o->blob_value_size = 50;
       o->target_file_size = 512;
       o->block_cache_size = 0;
     }},
    {"everything tiny", MakeTiny},
};

}  // namespace

std::vector<Configuration> Configurations() {
  using Background = Configuration::Background;
  std::vector<Configuration> all;
  const auto add = [&all](const char* name, Background background, const Change& change) {
    all.push_back({name, background, SmallOptions()});
    change.make(&all.back().options);
  };
  for (const Change& change : kMemoryAndLog) add(change.name, Background::kStepped, change);
  for (const Change& change : kFiles) add(change.name, Background::kStepped, change);
  add("at once", Background::kAtOnce, kMemoryAndLog[0]);
  add("at once, everything tiny", Background::kAtOnce, {"", MakeTiny});
  add("threads", Background::kThreads, kMemoryAndLog[0]);
  add("threads, everything tiny", Background::kThreads, {"", MakeTiny});
  return all;
}

std::string RunHistory(const std::vector<Step>& history, const Configuration& configuration,
                       uint64_t seed) {
  Runner runner(configuration, seed);
  if (Status opened = runner.Open(); !opened.ok()) return "open: " + opened.ToString();
  for (size_t i = 0; i < history.size(); ++i) {
    std::string answer;
    const Status ran = runner.Run(history[i], &answer);
    if (ran.ok() && answer == history[i].answer) continue;
    std::string what = "step " + std::to_string(i) + ", " + Describe(history[i]) + ": ";
    if (!ran.ok()) return what + ran.ToString();
    return what + "answers\n" + answer + "instead of\n" + history[i].answer;
  }
  return {};
}

}  // namespace crash
