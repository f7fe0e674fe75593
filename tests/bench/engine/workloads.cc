// SPDX-License-Identifier: BSD-3-Clause
#include "tests/bench/engine/workloads.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

namespace bench {

void Die(std::string_view what) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kKeySize = 16;
constexpr size_t kValueSize = 100;
constexpr size_t kBatch = 16;

// A key as db_bench makes it: the number with its high byte first, then the digit 0.
class Key {
 public:
  // One more digit makes a key that is never written, beside one that may be.
  explicit Key(size_t size = kKeySize) : size_(size) { bytes_.fill('0'); }
  std::string_view Of(uint64_t number) {
    for (size_t i = 0; i < sizeof number; ++i) {
      bytes_[i] = static_cast<char>(number >> (8 * (sizeof number - 1 - i)) & 0xff);
    }
    return {bytes_.data(), size_};
  }

 private:
  const size_t size_;
  std::array<char, kKeySize + 1> bytes_;
};

// Values that do not compress: windows of a megabyte of random bytes.
class Values {
 public:
  Values() {
    std::mt19937_64 random(301);
    while (bytes_.size() < (size_t{1} << 20)) bytes_.push_back(static_cast<char>(random() & 0xff));
  }
  std::string_view Next() {
    if (at_ + kValueSize > bytes_.size()) at_ = 0;
    at_ += kValueSize;
    return std::string_view(bytes_).substr(at_ - kValueSize, kValueSize);
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

double ProcessCpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Run {
 public:
  Run(const Settings& settings, Engine* engine) : settings_(settings), engine_(engine) {}

  void Workload(std::string_view name) {
    // So that whoever measures this process knows where the workload begins.
    std::printf("begin %.*s\n", static_cast<int>(name.size()), name.data());
    std::fflush(stdout);
    struct Row {
      std::string_view name;
      void (Run::*run)();
    };
    static constexpr Row kRows[] = {
        {"fillseq", &Run::FillSeq},         {"fillrandom", &Run::FillRandom},
        {"overwrite", &Run::FillRandom},    {"deleterandom", &Run::DeleteRandom},
        {"readrandom", &Run::ReadRandom},   {"readrandombatch", &Run::ReadRandomBatch},
        {"readmissing", &Run::ReadMissing}, {"seekrandom", &Run::SeekRandom},
        {"readseq", &Run::ReadSeq},         {"readwhilewriting", &Run::ReadWhileWriting},
        {"compact", &Run::Compact},         {"settle", &Run::Settle},
    };
    for (const Row& row : kRows) {
      if (row.name != name) continue;
      found_ = 0;
      const Clock::time_point start = Clock::now();
      (this->*row.run)();
      Report(name, std::chrono::duration<double>(Clock::now() - start).count());
      return;
    }
    Die("there is no workload " + std::string(name));
  }

 private:
  void Report(std::string_view name, double seconds) const {
    const auto operations = static_cast<double>(operations_);
    std::printf("%-12.*s : %11.3f micros/op %.0f ops/sec %.3f seconds %.0f operations",
                static_cast<int>(name.size()), name.data(), seconds * 1e6 / operations,
                operations / seconds, seconds, operations);
    if (found_ != kNotLooked) {
      std::printf("; (%llu of %.0f found)", static_cast<unsigned long long>(found_), operations);
    }
    std::printf("\n");
    std::fflush(stdout);
  }

  void FillSeq() {
    Key key;
    for (uint64_t i = 0; i < settings_.keys; ++i) engine_->Put(key.Of(i), values_.Next());
    Done(settings_.keys);
  }

  void FillRandom() {
    Key key;
    for (uint64_t i = 0; i < settings_.keys; ++i) engine_->Put(key.Of(Any()), values_.Next());
    Done(settings_.keys);
  }

  void DeleteRandom() {
    Key key;
    for (uint64_t i = 0; i < settings_.keys; ++i) engine_->Delete(key.Of(Any()));
    Done(settings_.keys);
  }

  void Gets(Key key) {
    const std::unique_ptr<Reader> reader = engine_->NewReader();
    for (uint64_t i = 0; i < settings_.reads; ++i) found_ += reader->Get(key.Of(Any()));
    operations_ = settings_.reads;
  }
  void ReadRandom() { Gets(Key()); }
  void ReadMissing() { Gets(Key(kKeySize + 1)); }

  void ReadRandomBatch() {
    const std::unique_ptr<Reader> reader = engine_->NewReader();
    std::array<Key, kBatch> keys;
    std::array<std::string_view, kBatch> wanted;
    operations_ = settings_.reads / kBatch * kBatch;
    for (uint64_t i = 0; i < operations_; i += kBatch) {
      for (size_t k = 0; k < kBatch; ++k) wanted[k] = keys[k].Of(Any());
      found_ += reader->GetBatch(wanted);
    }
  }

  void SeekRandom() {
    const std::unique_ptr<Reader> reader = engine_->NewReader();
    Key key;
    for (uint64_t i = 0; i < settings_.reads; ++i) found_ += reader->Seek(key.Of(Any()));
    operations_ = settings_.reads;
  }

  void ReadSeq() { Done(std::max<uint64_t>(1, engine_->NewReader()->ReadAll())); }

  // Reads as readrandom does while another thread overwrites at the given rate.
  void ReadWhileWriting() {
    std::atomic<bool> ended = false;
    std::jthread writer([this, &ended] {
      constexpr auto kPause = std::chrono::milliseconds(10);
      Key key;
      Values values;
      std::mt19937_64 random(7);
      const Clock::time_point start = Clock::now();
      for (uint64_t written = 0; !ended; std::this_thread::sleep_for(kPause)) {
        const double due = std::chrono::duration<double>(Clock::now() - start).count() *
                           static_cast<double>(settings_.write_rate);
        while (static_cast<double>(written) < due && !ended) {
          engine_->Put(key.Of(random() % settings_.keys), values.Next());
          written += kKeySize + kValueSize;
        }
      }
    });
    Gets(Key());
    ended = true;
  }

  void Compact() {
    engine_->Compact();
    Done(1);
  }

  // Flushes, and waits until the background threads have nothing left to do.
  void Settle() {
    engine_->Flush();
    constexpr auto kQuiet = std::chrono::milliseconds(300);
    for (double before = -1, now = ProcessCpuSeconds(); now - before > 0.01;) {
      before = now;
      std::this_thread::sleep_for(kQuiet);
      now = ProcessCpuSeconds();
    }
    Done(1);
  }

  void Done(uint64_t operations) {
    operations_ = operations;
    found_ = kNotLooked;
  }
  uint64_t Any() { return random_() % settings_.keys; }

  static constexpr uint64_t kNotLooked = ~uint64_t{0};

  const Settings& settings_;
  Engine* const engine_;
  Values values_;
  std::mt19937_64 random_{std::random_device{}()};
  uint64_t operations_ = 0;
  uint64_t found_ = 0;
};

Settings Parse(int argc, char** argv) {
  Settings settings;
  struct Row {
    std::string_view name;
    uint64_t* number;
  };
  uint64_t bits = static_cast<uint64_t>(settings.bloom_bits);
  const Row rows[] = {{"--num", &settings.keys},
                      {"--reads", &settings.reads},
                      {"--cache_size", &settings.cache_bytes},
                      {"--write_buffer_size", &settings.memtable_bytes},
                      {"--bloom_bits", &bits},
                      {"--benchmark_write_rate_limit", &settings.write_rate}};
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string_view::npos) Die("not --name=value: " + std::string(argument));
    const std::string_view name = argument.substr(0, equals);
    const char* const value = argv[i] + equals + 1;
    if (name == "--db") settings.directory = value;
    if (name == "--benchmarks") settings.workloads = value;
    for (const Row& row : rows) {
      if (row.name == name) *row.number = std::strtoull(value, nullptr, 10);
    }
  }
  settings.bloom_bits = static_cast<int>(bits);
  if (settings.directory.empty() || settings.workloads.empty() || settings.keys == 0) {
    Die("--db, --benchmarks and --num are needed");
  }
  return settings;
}

}  // namespace

int RunWorkloads(int argc, char** argv,
                 const std::function<std::unique_ptr<Engine>(const Settings&)>& open) {
  const Settings settings = Parse(argc, argv);
  const std::unique_ptr<Engine> engine = open(settings);
  Run run(settings, engine.get());
  std::string_view rest = settings.workloads;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    run.Workload(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return 0;
}

}  // namespace bench
