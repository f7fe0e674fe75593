// SPDX-License-Identifier: BSD-3-Clause
// usage: write_amplification --directory DIR [--keys N] [--rounds N]
//
// How many bytes reach the disk for each byte that a caller writes, and how much disk the data
// take:
//   1. Load N keys of 16 bytes with values of 100 random bytes, in random order.
//   2. Overwrite keys chosen uniformly, N times `rounds`. Memtables of 64 MB, a budget of 128 MB.
//   3. Wait until nothing is written any more, so that no debt is left out; count.
//   4. Delete every key, wait again, and look at what is left on disk. No command is given that
//      would compact anything.
//
// DIR must not exist; it is removed at the end.

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "lsm/db.h"
#include "tests/bench/engine/overwriter.h"

namespace bench {
namespace {

uint64_t WrittenBytes(const lsm::DbStats& stats) {
  return stats.wal_bytes_written + stats.flush_bytes_written + stats.compaction_bytes_written;
}

// What the directory takes, as du counts.
uint64_t DiskBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    struct stat info;
    if (::stat(entry.path().c_str(), &info) == 0)
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

class Run {
 public:
  Run(std::string directory, uint64_t keys, uint64_t rounds)
      : directory_(std::move(directory)), keys_(keys), rounds_(rounds) {
    lsm::Options options;
    options.memtable_size = size_t{64} << 20;
    options.write_buffer_budget = size_t{128} << 20;
    overwriter_ = std::make_unique<Overwriter>(options, directory_);
    db_ = overwriter_->db();
  }

  void All() {
    Load();
    overwriter_->WaitForQuiet();
    Show("loaded");
    const uint64_t before = WrittenBytes(db_->Stats());
    Overwrite();
    std::printf("before the debt is paid: %.2f bytes written a byte\n", Amplification(before));
    Demand(db_->FlushAll());
    overwriter_->WaitForQuiet();
    Show("overwritten");
    std::printf("write amplification %.2f with the log (bar 8)\n", Amplification(before));
    const lsm::DbStats stats = db_->Stats();
    std::printf("space %.3f times the live data in files (bar 1.3)\n",
                static_cast<double>(stats.sst_bytes) / LiveBytes());
    Delete();
    overwriter_->WaitForQuiet();
    Show("deleted");
    std::printf("%.1f %% of the live data's bytes are left in files\n",
                static_cast<double>(db_->Stats().sst_bytes) / LiveBytes() * 100);
    Demand(db_->Close());
  }

 private:
  double LiveBytes() const { return static_cast<double>(keys_ * (kKeySize + kValueSize)); }
  double Amplification(uint64_t before) const {
    return static_cast<double>(WrittenBytes(db_->Stats()) - before) /
           (LiveBytes() * static_cast<double>(rounds_));
  }

  void Load() {
    // A bijection of [0, 2^n): every key once, in no order.
    uint64_t mask = 1;
    while (mask < keys_) mask = mask * 2 + 1;
    for (uint64_t i = 0; i <= mask; ++i) {
      const uint64_t key = (i * 0x9e3779b97f4a7c15u ^ (i * 0x9e3779b97f4a7c15u & mask) >> 7) & mask;
      if (key < keys_) overwriter_->Put(key);
    }
  }
  void Overwrite() {
    for (uint64_t i = 0; i < keys_ * rounds_; ++i) {
      overwriter_->Put(overwriter_->random()->Uniform(keys_));
      if (i % (keys_ / 4 + 1) == 0) Show("overwriting");
    }
  }
  void Delete() {
    for (uint64_t i = 0; i < keys_; ++i) {
      unit_.Clear();
      unit_.Delete(lsm::kDirectoryTree, KeyOf(i));
      Demand(db_->Write(unit_, /*sync=*/false));
    }
  }

  void Show(const char* what) {
    const lsm::DbStats stats = db_->Stats();
    std::fprintf(stderr,
                 "%-12s log %6.2f GB, flushed %6.2f, compacted %6.2f; %llu files of %.3f GB, disk "
                 "%.3f GB, L0 %llu\n",
                 what, Gigabytes(stats.wal_bytes_written), Gigabytes(stats.flush_bytes_written),
                 Gigabytes(stats.compaction_bytes_written),
                 static_cast<unsigned long long>(stats.sst_files), Gigabytes(stats.sst_bytes),
                 Gigabytes(DiskBytes(directory_)),
                 static_cast<unsigned long long>(stats.l0_files_max));
  }
  static double Gigabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }

  const std::string directory_;
  const uint64_t keys_;
  const uint64_t rounds_;
  std::unique_ptr<Overwriter> overwriter_;
  lsm::DB* db_ = nullptr;
  lsm::WriteBatch unit_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  std::string directory;
  uint64_t keys = 10'000'000;
  uint64_t rounds = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--directory") == 0) directory = argv[i + 1];
    if (std::strcmp(argv[i], "--keys") == 0) keys = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (directory.empty() || keys == 0 || rounds == 0 || std::filesystem::exists(directory)) {
    std::fprintf(stderr, "usage: write_amplification --directory NEW [--keys N] [--rounds N]\n");
    return 2;
  }
  std::make_unique<bench::Run>(directory, keys, rounds)->All();
  std::filesystem::remove_all(directory);
  return 0;
}
