// SPDX-License-Identifier: BSD-3-Clause
// usage: many_trees DIRECTORY [TREES [WRITES [FORK_KEYS]]]
//
// What many trees and forks cost. In a new database in DIRECTORY:
//   1. 100,000 trees that hold nothing: memory a tree.
//   2. TREES (10,000) trees with WRITES (1,000) small records each, once with the trees taken in
//      turn, once tree by tree: time, resident memory, SST files, flushes.
//   3. Reopening each after its process was killed, and after it was closed.
//   4. Dropping half of the trees: bytes on disk before and after.
//   5. Forking a tree of FORK_KEYS (10,000,000) keys while its newest are in memory: latency.
// Prints one line a figure. The database is left behind.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lsm/db.h"

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void Need(const lsm::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

double ResidentMebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmRSS:") continue;
    double kibibytes = 0;
    status >> kibibytes;
    return kibibytes / 1024;
  }
  return 0;
}

std::unique_ptr<lsm::DB> Open(const std::string& directory) {
  auto opened = lsm::DB::Open(lsm::Options(), directory);
  Need(opened.status());
  return std::move(*opened);
}

std::vector<lsm::TreeId> MakeTrees(lsm::DB* db, size_t count) {
  std::vector<lsm::TreeId> trees;
  for (size_t i = 0; i < count; ++i) {
    trees.push_back(db->NewTreeId());
    lsm::WriteBatch unit;
    unit.CreateTree(trees.back());
    Need(db->Write(unit, false));
  }
  return trees;
}

// The i-th key of a tree: all differ, in no order.
std::string Key(uint64_t i) {
  char key[17];
  std::snprintf(key, sizeof(key), "%016llx",
                static_cast<unsigned long long>(i * 0x9e3779b97f4a7c15ull));
  return std::string(key, 16);
}

void Put(lsm::DB* db, lsm::TreeId tree, uint64_t i) {
  lsm::WriteBatch unit;
  unit.Put(tree, Key(i), std::string(64, static_cast<char>('a' + i % 26)));
  Need(db->Write(unit, false));
}

void MeasureIdleTrees(const std::string& directory) {
  constexpr size_t kTrees = 100'000;
  const auto db = Open(directory + "/idle");
  const double before = ResidentMebibytes();
  MakeTrees(db.get(), kTrees);
  const double bytes = (ResidentMebibytes() - before) * 1024 * 1024 / kTrees;
  std::printf("idle tree: %.0f bytes of resident memory\n", bytes);
}

// In a process of its own, which is killed at the end.
void LoadAndDie(const std::string& directory, size_t count, size_t writes, bool in_turn) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child < 0) Die("fork failed");
  if (child > 0) {
    int status = 0;
    if (::waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) Die("the load failed");
    return;
  }
  const auto db = Open(directory);
  const std::vector<lsm::TreeId> trees = MakeTrees(db.get(), count);
  const auto start = Clock::now();
  double peak = 0;
  const uint64_t total = uint64_t{count} * writes;
  for (uint64_t i = 0; i < total; ++i) {
    Put(db.get(), in_turn ? trees[i % count] : trees[i / writes], in_turn ? i / count : i % writes);
    if (i % count == 0) peak = std::max(peak, ResidentMebibytes());
  }
  const double took = SecondsSince(start);
  const lsm::DbStats stats = db->Stats();
  std::printf("load: %.1f s, %.0f writes/s; peak resident %.0f MiB; %llu files, %llu flushes\n",
              took, static_cast<double>(total) / took, peak,
              static_cast<unsigned long long>(stats.sst_files),
              static_cast<unsigned long long>(stats.flushes));
  std::fflush(stdout);
  ::kill(::getpid(), SIGKILL);
}

void MeasureLoad(const std::string& directory, size_t count, size_t writes, bool in_turn) {
  std::printf("%s:\n", in_turn ? "trees in turn" : "tree by tree");
  LoadAndDie(directory, count, writes, in_turn);
  auto start = Clock::now();
  auto db = Open(directory);
  std::printf("reopening after kill -9: %.2f s\n", SecondsSince(start));
  std::vector<lsm::TreeId> trees = db->Trees();
  std::erase(trees, lsm::kDirectoryTree);
  if (trees.size() != count) Die("trees are missing");
  start = Clock::now();
  Need(db->Close());
  std::printf("close: %.2f s\n", SecondsSince(start));
  db.reset();
  start = Clock::now();
  db = Open(directory);
  std::printf("reopening: %.2f s\n", SecondsSince(start));
  const uint64_t before = db->Stats().sst_bytes;
  start = Clock::now();
  for (size_t i = 0; i < trees.size(); i += 2) {
    lsm::WriteBatch unit;
    unit.DropTree(trees[i]);
    Need(db->Write(unit, false));
  }
  std::printf("dropping half: %.2f s\n", SecondsSince(start));
  for (int second = 0; second < 30; ++second) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    if (db->Stats().sst_bytes * 100 < before * 60) break;
  }
  const lsm::DbStats stats = db->Stats();
  std::printf("bytes in files: %llu before, %llu after; %llu files\n",
              static_cast<unsigned long long>(before),
              static_cast<unsigned long long>(stats.sst_bytes),
              static_cast<unsigned long long>(stats.sst_files));
}

void MeasureFork(const std::string& directory, uint64_t keys) {
  const auto db = Open(directory + "/fork");
  const lsm::TreeId source = MakeTrees(db.get(), 1).front();
  for (uint64_t i = 0; i < keys; ++i) Put(db.get(), source, i);
  std::vector<double> micros;
  for (uint64_t i = 0; i < 20; ++i) {
    Put(db.get(), source, keys + i);  // so that there is something to freeze
    const lsm::TreeId fork = db->NewTreeId();
    lsm::WriteBatch unit;
    unit.ForkTree(fork, source);
    const auto start = Clock::now();
    Need(db->Write(unit, false));
    micros.push_back(SecondsSince(start) * 1e6);
    unit.Clear();
    unit.DropTree(fork);
    Need(db->Write(unit, false));
  }
  std::printf("fork of %llu keys: first %.0f us", static_cast<unsigned long long>(keys), micros[0]);
  std::sort(micros.begin(), micros.end());
  std::printf(", median %.0f us, longest %.0f us\n", micros[micros.size() / 2], micros.back());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Die("usage: many_trees DIRECTORY [TREES [WRITES [FORK_KEYS]]]");
  const auto number = [&](int at, uint64_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  const std::string directory = argv[1];
  Need(lsm::FileSystem::Posix()->CreateDirectory(directory));
  MeasureFork(directory, number(4, 10'000'000));
  for (const bool in_turn : {true, false}) {
    MeasureLoad(directory + (in_turn ? "/load" : "/load2"), number(2, 10'000), number(3, 1'000),
                in_turn);
  }
  MeasureIdleTrees(directory);
}
