// SPDX-License-Identifier: BSD-3-Clause
// How fast keys are read that are not in memory: data ten times the memory of a control group, read
// at random by one reader that waits for each, and by one thread that reads in memory only and has
// 64 fetches in flight. The bars: 8 times the rate, and 1.1 device reads a miss.
//
//     cold_reads [--data-mb N] [--seconds N] [--directory D]
//
// Needs root, for the control group; the directory must be on a real device.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/random.h"
#include "lsm/util/check.h"
#include "tests/bench/engine/memory_cgroup.h"

namespace lsm::bench {
namespace {

constexpr size_t kValueSize = 100;
constexpr size_t kInFlight = 64;
constexpr size_t kPiece = 12288;  // the pages of a block of 8 KiB

struct Settings {
  uint64_t data_mb = 1024;
  int seconds = 5;
  std::string directory = "/var/tmp";
  uint64_t keys() const { return (data_mb << 20) / (kValueSize + 16); }
  uint64_t memory() const { return (data_mb << 20) / 10; }
};

std::string KeyOf(uint64_t i) {
  const std::string digits = std::to_string(i);
  return std::string(16 - digits.size(), '0') + digits;
}

Options OptionsFor(const Settings& settings) {
  Options options;
  // A tenth of the data is all there is: a third of it for blocks; index and filter of every file
  // take a few hundredths of the data.
  options.block_cache_size = settings.memory() / 3;
  options.memtable_size = size_t{4} << 20;
  options.wal_segment_size = size_t{4} << 20;
  options.write_buffer_budget = size_t{16} << 20;
  options.max_open_files = 4096;
  return options;
}

void Fill(const Settings& settings, const std::string& directory) {
  Options options = OptionsFor(settings);
  options.memtable_size = size_t{64} << 20;
  options.write_buffer_budget = size_t{256} << 20;
  auto db = DB::Open(options, directory);
  VARVE_CHECK(db.ok());
  Random random(1);
  for (uint64_t i = 0; i < settings.keys();) {
    WriteBatch unit;
    for (int n = 0; n < 100 && i < settings.keys(); ++n, ++i) {
      std::string value;
      while (value.size() < kValueSize) {
        const uint64_t word = random.Next64();
        value.append(reinterpret_cast<const char*>(&word), sizeof word);
      }
      unit.Put(0, KeyOf(i), value);
    }
    VARVE_CHECK((*db)->Write(unit, false).ok());
  }
  VARVE_CHECK((*db)->CompactTree(0).ok());
  VARVE_CHECK((*db)->Close().ok());
}

// So that the pages of its files are charged to whoever reads them next.
void DropFromPageCache(const std::string& directory) {
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    VARVE_CHECK(descriptor >= 0);
    VARVE_CHECK(::fsync(descriptor) == 0);
    VARVE_CHECK(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(descriptor);
  }
}

class Watch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

double CpuSeconds() {
  rusage used;
  VARVE_CHECK(::getrusage(RUSAGE_SELF, &used) == 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Outcome {
  double reads_per_second = 0;
  double device_reads_per_miss = 0;
  double cpu_micros_per_read = 0;
  uint64_t misses = 0;
};

// Counts from its making to Finish.
class Meter {
 public:
  Meter() : device_(MemoryCgroup::DeviceReads()), cpu_(CpuSeconds()) {}

  const Watch& watch() const { return watch_; }

  Outcome Finish(uint64_t reads, uint64_t misses) const {
    const auto count = static_cast<double>(reads);
    Outcome outcome;
    outcome.reads_per_second = count / watch_.seconds();
    outcome.cpu_micros_per_read = (CpuSeconds() - cpu_) * 1e6 / count;
    outcome.misses = misses;
    outcome.device_reads_per_miss =
        static_cast<double>(MemoryCgroup::DeviceReads() - device_) / static_cast<double>(misses);
    return outcome;
  }

 private:
  const uint64_t device_;
  const double cpu_;
  const Watch watch_;
};

// What the device itself gives: pieces of a block's size by threads that wait for each.
double ReadDevice(const std::string& directory, size_t threads, double seconds) {
  std::vector<std::pair<int, uint64_t>> files;  // descriptor and size
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    if (file.path().extension() != ".sst" || file.file_size() < kPiece) continue;
    const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    VARVE_CHECK(descriptor >= 0);
    files.emplace_back(descriptor, file.file_size());
  }
  std::atomic<uint64_t> reads{0};
  const Watch watch;
  std::vector<std::thread> workers;
  for (size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      Random random(t);
      void* const buffer = std::aligned_alloc(4096, kPiece);
      while (watch.seconds() < seconds) {
        const auto& [descriptor, size] = files[random.Uniform(files.size())];
        const uint64_t offset = random.Uniform((size - kPiece) / 4096 + 1) * 4096;
        VARVE_CHECK(::pread(descriptor, buffer, kPiece, static_cast<off_t>(offset)) > 0);
        reads.fetch_add(1, std::memory_order_relaxed);
      }
      std::free(buffer);
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (const auto& [descriptor, size] : files) ::close(descriptor);
  return static_cast<double>(reads.load()) / seconds;
}

// One reader that waits for every key.
Outcome ReadOneByOne(DB* db, const Settings& settings) {
  Random random(2);
  const uint64_t misses_before = db->Stats().block_cache_misses;
  const Meter meter;
  uint64_t reads = 0;
  const auto view = db->NewReadView();
  while (meter.watch().seconds() < settings.seconds) {
    const auto got = view->Get(0, KeyOf(random.Uniform(settings.keys())));
    VARVE_CHECK(got.ok() && got->value.has_value());
    ++reads;
  }
  return meter.Finish(reads, db->Stats().block_cache_misses - misses_before);
}

// What an event loop does: commands that lack something wait, the others go on.
class Loop {
 public:
  Loop(DB* db, uint64_t keys) : db_(db), keys_(keys), view_(db->NewReadView()) {
    view_->SetMemoryOnly(true);
  }

  uint64_t Run(const Watch& watch, double seconds) {
    Random random(3);
    while (watch.seconds() < seconds) {
      while (in_flight_ < kInFlight) Try({KeyOf(random.Uniform(keys_)), {}});
      Retry();
    }
    while (in_flight_ > 0) Retry();
    return reads_;
  }

 private:
  struct Command {
    std::string key;
    std::vector<std::shared_ptr<ColdRead>> kept;
  };

  void Try(Command command) {
    const auto got = view_->Get(0, command.key);
    if (got.ok()) {
      VARVE_CHECK(got->value.has_value());
      ++reads_;
      return;
    }
    VARVE_CHECK(got.status().IsWouldBlock());
    std::shared_ptr<ColdRead> missing = view_->TakeMissing();
    command.kept.push_back(missing);
    ++in_flight_;
    auto* const parked = new Command(std::move(command));
    db_->Fetch(std::move(missing), [this, parked](const Status& status) {
      VARVE_CHECK(status.ok());
      const std::lock_guard<std::mutex> lock(mutex_);
      ready_.push_back(parked);
      changed_.notify_one();
    });
  }

  // Waits for a command that can go on, and runs all such.
  void Retry() {
    std::deque<Command*> ready;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return !ready_.empty(); });
      ready.swap(ready_);
    }
    for (Command* const command : ready) {
      --in_flight_;
      Try(std::move(*command));
      delete command;
    }
  }

  DB* const db_;
  const uint64_t keys_;
  const std::unique_ptr<ReadView> view_;
  size_t in_flight_ = 0;
  uint64_t reads_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Command*> ready_;
};

Outcome ReadManyAtOnce(DB* db, const Settings& settings) {
  const uint64_t fetched_before = db->Stats().cold_fetches;
  const Meter meter;
  Loop loop(db, settings.keys());
  const uint64_t reads = loop.Run(meter.watch(), settings.seconds);
  return meter.Finish(reads, db->Stats().cold_fetches - fetched_before);
}

int Measure(const Settings& settings, const std::string& directory, const MemoryCgroup& group) {
  if (!group.Enter()) {
    std::fprintf(stderr, "the control group cannot be entered\n");
    return 2;
  }
  auto db = DB::Open(OptionsFor(settings), directory);
  VARVE_CHECK(db.ok());
  {
    // Opens every file and fills the caches.
    const auto view = (*db)->NewReadView();
    for (uint64_t i = 0; i < settings.keys(); i += 2000) {
      VARVE_CHECK(view->Get(0, KeyOf(i)).ok());
    }
  }
  const Outcome one = ReadOneByOne(db->get(), settings);
  const Outcome many = ReadManyAtOnce(db->get(), settings);
  const double ratio = many.reads_per_second / one.reads_per_second;
  bool held = true;
  const auto report = [&](const char* what, const Outcome& outcome) {
    std::printf(
        "%-22s %9.0f reads/s %9llu misses %7.1f us CPU a read %7.3f device reads a miss (bar <= "
        "1.1)\n",
        what, outcome.reads_per_second, static_cast<unsigned long long>(outcome.misses),
        outcome.cpu_micros_per_read, outcome.device_reads_per_miss);
    held = held && outcome.device_reads_per_miss <= 1.1;
  };
  report("one, waiting", one);
  report("64 in flight", many);
  std::printf("ratio %.1f (bar >= 8)\n", ratio);
  const double device_one = ReadDevice(directory, 1, 1);
  const double device_many = ReadDevice(directory, kInFlight, 1);
  std::printf("the device alone: %.0f and %.0f reads/s, ratio %.1f\n", device_one, device_many,
              device_many / device_one);
  held = held && ratio >= 8;
  std::printf("resident %llu MiB, group %llu MiB of %llu\n",
              static_cast<unsigned long long>(MemoryCgroup::ResidentBytes() >> 20),
              static_cast<unsigned long long>(group.UsedBytes() >> 20),
              static_cast<unsigned long long>(settings.memory() >> 20));
  std::fflush(stdout);
  VARVE_CHECK((*db)->Close().ok());
  return held ? 0 : 1;
}

int Main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--data-mb") settings.data_mb = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--seconds") settings.seconds = std::atoi(argv[i + 1]);
    if (name == "--directory") settings.directory = argv[i + 1];
  }
  std::string place = settings.directory + "/varve-cold-" + std::string(6, 'X');
  if (::mkdtemp(place.data()) == nullptr) {
    std::perror(place.c_str());
    return 2;
  }
  Fill(settings, place + "/db");
  DropFromPageCache(place + "/db");
  int result = 2;
  if (const auto group = MemoryCgroup::Create(settings.memory())) {
    const pid_t child = ::fork();
    if (child == 0) std::_Exit(Measure(settings, place + "/db", *group));
    int status = 0;
    if (child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status)) {
      result = WEXITSTATUS(status);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(place, ignored);
  return result;
}

}  // namespace
}  // namespace lsm::bench

int main(int argc, char** argv) { return lsm::bench::Main(argc, argv); }
