// SPDX-License-Identifier: BSD-3-Clause
// Whether Options::memory_limit holds: the largest resident size of a process that writes, reads
// and scans ten times the limit, in a control group that leaves little beside it for the page
// cache. The bar: 1.05 times the limit.
//
//     memory_limit [--limit-mb N] [--seconds N] [--directory D]

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "lsm/db.h"
#include "lsm/random.h"
#include "lsm/util/check.h"
#include "tests/bench/engine/memory_cgroup.h"

// As the server has it.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:200,muzzy_decay_ms:0";

namespace lsm::bench {
namespace {

struct Settings {
  uint64_t limit_mb = 128;
  int seconds = 20;
  std::string directory = "/var/tmp";
  uint64_t limit() const { return limit_mb << 20; }
};

// Most are small; some are not, so that the allocator meets many sizes.
size_t ValueSize(Random* random) {
  if (random->OneIn(1000)) return 20'000 + random->Uniform(50'000);
  return random->OneIn(20) ? 1000 + random->Uniform(3000) : 60 + random->Uniform(120);
}
constexpr uint64_t kMeanValue = 340;

std::string KeyOf(uint64_t i) {
  const std::string digits = std::to_string(i * 0x9e3779b97f4a7c15u);
  return std::string(20 - digits.size(), '0') + digits;
}

class Load {
 public:
  Load(DB* db, uint64_t keys) : db_(db), keys_(keys) {}

  void Fill() {
    for (uint64_t i = 0; i < keys_;) {
      WriteBatch unit;
      for (int n = 0; n < 16 && i < keys_; ++n, ++i) Put(i, &unit);
      VARVE_CHECK(db_->Write(unit, false).ok());
    }
  }

  // Half of it writes, the rest reads, and now and then a scan.
  void Mix(double seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
      WriteBatch unit;
      for (int n = 0; n < 16; ++n) Put(random_.Uniform(keys_), &unit);
      VARVE_CHECK(db_->Write(unit, false).ok());
      const auto view = db_->NewReadView();
      for (int n = 0; n < 16; ++n) {
        const auto got = view->Get(0, KeyOf(random_.Uniform(keys_)));
        VARVE_CHECK(got.ok() && got->value.has_value());
      }
      operations_ += 32;
      if (random_.OneIn(200)) Scan(view.get());
    }
  }

  uint64_t operations() const { return operations_; }

 private:
  void Put(uint64_t i, WriteBatch* unit) {
    std::string value;
    for (const size_t size = ValueSize(&random_); value.size() < size;) {
      const uint64_t word = random_.Next64();
      value.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    unit->Put(0, KeyOf(i), value);
  }

  void Scan(ReadView* view) {
    auto iterator = view->NewIterator(0, {});
    VARVE_CHECK(iterator.ok());
    (*iterator)->Seek(KeyOf(random_.Uniform(keys_)));
    for (int n = 0; n < 2000 && (*iterator)->Valid(); ++n) (*iterator)->Next();
  }

  DB* const db_;
  const uint64_t keys_;
  Random random_{7};
  uint64_t operations_ = 0;
};

// Looks at the process's size a hundred times a second.
class Watcher {
 public:
  explicit Watcher(DB* db) : db_(db), thread_([this] { Run(); }) {}
  ~Watcher() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint64_t largest() const { return largest_; }
  // The engine's figures at that time.
  const DbStats& stats() const { return stats_; }

 private:
  void Run() {
    while (!stop_) {
      const uint64_t resident = MemoryCgroup::ResidentBytes();
      if (resident > largest_) {
        largest_ = resident;
        stats_ = db_->Stats();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  DB* const db_;
  std::atomic<bool> stop_{false};
  uint64_t largest_ = 0;
  DbStats stats_;
  std::thread thread_;
};

void Report(const char* what, const Watcher& watcher, const Settings& settings) {
  const auto mb = [](uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  const DbStats& stats = watcher.stats();
  std::printf(
      "%-6s resident at most %.1f MiB = %.3f of the limit (bar <= 1.05); then memtables %.1f, "
      "tables %.1f, blocks %.1f of %.1f MiB\n",
      what, mb(watcher.largest()), mb(watcher.largest()) / mb(settings.limit()),
      mb(stats.memtable_bytes), mb(stats.table_bytes), mb(stats.block_cache_bytes),
      mb(stats.block_cache_capacity));
}

int Measure(const Settings& settings, const std::string& directory, const MemoryCgroup& group) {
  if (!group.Enter()) {
    std::fprintf(stderr, "the control group cannot be entered\n");
    return 2;
  }
  Options options;
  options.memory_limit = settings.limit();
  auto db = DB::Open(options, directory);
  VARVE_CHECK(db.ok());
  Load load(db->get(), settings.limit() * 10 / kMeanValue);
  uint64_t largest = 0;
  {
    Watcher watcher(db->get());
    load.Fill();
    watcher.Stop();
    Report("fill", watcher, settings);
    largest = watcher.largest();
  }
  {
    Watcher watcher(db->get());
    load.Mix(settings.seconds);
    watcher.Stop();
    Report("mixed", watcher, settings);
    largest = std::max(largest, watcher.largest());
  }
  const DbStats stats = (*db)->Stats();
  std::printf("%llu operations mixed; %.1f MiB in files; stalls: %llu slow, %llu stop\n",
              static_cast<unsigned long long>(load.operations()),
              static_cast<double>(stats.sst_bytes) / (1 << 20),
              static_cast<unsigned long long>(stats.stall_slowdowns),
              static_cast<unsigned long long>(stats.stall_stops));
  std::fflush(stdout);
  VARVE_CHECK((*db)->Close().ok());
  return largest <= settings.limit() / 20 * 21 ? 0 : 1;
}

int Main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--limit-mb") settings.limit_mb = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--seconds") settings.seconds = std::atoi(argv[i + 1]);
    if (name == "--directory") settings.directory = argv[i + 1];
  }
  std::string place = settings.directory + "/varve-memory-" + std::string(6, 'X');
  if (::mkdtemp(place.data()) == nullptr) {
    std::perror(place.c_str());
    return 2;
  }
  int result = 2;
  if (const auto group = MemoryCgroup::Create(settings.limit() / 4 * 5)) {
    const pid_t child = ::fork();
    if (child == 0) std::_Exit(Measure(settings, place + "/db", *group));
    int status = 0;
    if (child > 0 && ::waitpid(child, &status, 0) == child) {
      if (WIFEXITED(status)) result = WEXITSTATUS(status);
      if (WIFSIGNALED(status)) std::fprintf(stderr, "killed by signal %d\n", WTERMSIG(status));
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(place, ignored);
  return result;
}

}  // namespace
}  // namespace lsm::bench

int main(int argc, char** argv) { return lsm::bench::Main(argc, argv); }
