// SPDX-License-Identifier: BSD-3-Clause
// usage: damage_test [--seed S] [--step N]
//
// Makes small databases, damages each file of theirs in every way below, one way at a time, and
// opens and reads what is left:
//   - every byte, with each of several masks (or every N-th byte, to be quicker);
//   - every length to which the file can be cut;
//   - the file is gone.
// Either opening or a read answers Corruption and names the file - for a changed byte also an
// offset - or nothing is wrong at all: every value as it was written, nothing missing, nothing
// back. A value that is wrong, missing or back without an error is a violation; so is a crash.
//
// The databases: closed cleanly with everything in SST files; closed cleanly with the newest part
// only in the log; killed after a sync and one more unit, which alone may be lost as a torn tail.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lsm/db.h"
#include "tests/crash/unit_maker.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/model_db.h"

namespace crash {
namespace {

constexpr char kDirectory[] = "/db";

enum class Ending { kFlushed, kLogged, kKilled };
const char* Name(Ending ending) {
  switch (ending) {
    case Ending::kFlushed:
      return "closed, all in SST files";
    case Ending::kLogged:
      return "closed, the newest in the log";
    case Ending::kKilled:
      return "killed";
  }
  return "";
}

struct Tally {
  uint64_t damages = 0;
  uint64_t refused = 0;   // by Open
  uint64_t reported = 0;  // by a read
  uint64_t harmless = 0;
  uint64_t violations = 0;
};

class DamageTest {
 public:
  DamageTest(Ending ending, uint64_t seed, uint64_t step)
      : ending_(ending), seed_(seed), step_(step), random_(seed) {}

  bool Run() {
    MakeDatabase();
    uint64_t bytes = 0;
    for (const std::string& path : original_->Files()) {
      if (path.ends_with("LOCK")) continue;
      const std::string contents = original_->Contents(path);
      bytes += UsedSize(path, contents);
      FlipBytes(path, contents);
      Cut(path, contents);
      Delete(path);
    }
    std::printf(
        "%-30s seed %llu, %llu bytes in files: %llu damages: %llu refused, %llu reported "
        "by reads, %llu harmless, %llu violations\n",
        Name(ending_), Number(seed_), Number(bytes), Number(tally_.damages), Number(tally_.refused),
        Number(tally_.reported), Number(tally_.harmless), Number(tally_.violations));
    return tally_.violations == 0;
  }

 private:
  static unsigned long long Number(uint64_t value) { return value; }

  lsm::Options Options(lsm::MemFileSystem* fs, lsm::ManualExecutor* executor) {
    lsm::Options options;
    options.file_system = fs;
    options.clock = &clock_;
    options.executor = executor;
    options.flush_on_close = ending_ == Ending::kFlushed;
    options.memtable_size = 4096;
    options.block_size = 512;
    options.target_file_size = 4096;
    options.wal_segment_size = 8192;
    options.wal_size_limit = 32768;
    options.block_cache_size = 0;
    return options;
  }

  void WriteUnits(lsm::DB* db, lsm::ManualExecutor* executor, int units) {
    for (int i = 0; i < units; ++i) {
      const lsm::WriteBatch unit = MakeUnit(db, model_.content(), model_.units() + 1, &random_);
      if (!db->Write(unit, false).ok()) std::abort();
      model_.Apply(unit);
      if (i % 8 == 0) executor->RunAll();
    }
  }

  void MakeDatabase() {
    auto fs = std::make_unique<lsm::MemFileSystem>();
    lsm::ManualExecutor executor;
    auto opened = lsm::DB::Open(Options(fs.get(), &executor), kDirectory);
    if (!opened.ok()) std::abort();
    std::unique_ptr<lsm::DB> db = std::move(*opened);
    WriteUnits(db.get(), &executor, 100);
    if (ending_ == Ending::kKilled) {
      if (!db->SyncWal().ok()) std::abort();
      least_ = model_.units();
      WriteUnits(db.get(), &executor, 1);
      original_ = fs->AfterKill();
    } else {
      least_ = model_.units();
      if (!db->Close().ok()) std::abort();
      original_ = fs->AfterKill();
    }
    db.reset();
  }

  // A segment ends in zeros that were never written; a few of them stand for all.
  static uint64_t UsedSize(const std::string& path, const std::string& contents) {
    if (!path.ends_with(".wal")) return contents.size();
    const size_t last = contents.find_last_not_of('\0');
    return std::min<uint64_t>(contents.size(), (last == std::string::npos ? 0 : last) + 64);
  }

  void FlipBytes(const std::string& path, const std::string& contents) {
    for (uint64_t offset = 0; offset < UsedSize(path, contents); offset += step_) {
      for (const uint8_t mask : {uint8_t{0x01}, uint8_t{0x80}, uint8_t{0xff}}) {
        auto image = original_->AfterKill();
        // A copy of its own: the image shares its bytes with the original.
        image->SetContents(path, contents);
        image->Damage(path, offset, mask);
        Check(image.get(), path, "byte " + std::to_string(offset) + " xor " + std::to_string(mask),
              true);
      }
    }
  }

  void Cut(const std::string& path, const std::string& contents) {
    for (uint64_t size = 0; size < UsedSize(path, contents); size += step_) {
      auto image = original_->AfterKill();
      image->SetContents(path, std::string_view(contents).substr(0, size));
      Check(image.get(), path, "cut to " + std::to_string(size), false);
    }
  }

  void Delete(const std::string& path) {
    auto image = original_->AfterKill();
    image->Delete(path);
    Check(image.get(), path, "deleted", false);
  }

  void Check(lsm::MemFileSystem* fs, const std::string& path, const std::string& damage,
             bool name_offset) {
    ++tally_.damages;
    lsm::ManualExecutor executor;
    auto opened = lsm::DB::Open(Options(fs, &executor), kDirectory);
    if (!opened.ok()) {
      ++tally_.refused;
      DemandNamed(opened.status(), path, damage, name_offset);
      return;
    }
    const std::unique_ptr<lsm::DB> db = std::move(*opened);
    const auto content = lsm::ReadContent(db.get());
    lsm::Status status = content.status();
    if (content.ok()) {
      const auto prefix = model_.FindPrefix(*content, least_, model_.units());
      if (!prefix.ok()) return Violate(path, damage, std::string(prefix.status().message()));
      const auto view = db->NewReadView();
      status = model_.CheckReads(view.get(), prefix->shortest);
    }
    if (status.ok()) {
      ++tally_.harmless;
    } else {
      ++tally_.reported;
      DemandNamed(status, path, damage, name_offset);
    }
  }

  // An error has to be Corruption, of this file, at some offset. A manifest that was cut between
  // two edits looks whole, and shows by the files that it names and that are gone, or by those that
  // it does not name: then one of these is named. A read that is wrong without an error names no
  // file.
  void DemandNamed(const lsm::Status& status, const std::string& path, const std::string& damage,
                   bool name_offset) {
    const std::string error = status.ToString();
    const std::string name = path.substr(path.rfind('/') + 1);
    const bool between_edits =
        name.starts_with("MANIFEST") && (damage.starts_with("cut") || damage == "deleted");
    if (!status.IsCorruption()) {
      Violate(path, damage, "not reported as corruption: " + error);
    } else if (error.find(name) == std::string::npos &&
               (!between_edits ||
                error.find(": offset 0: the manifest names") == std::string::npos)) {
      Violate(path, damage, "file not named: " + error);
    } else if (name_offset && error.find("offset") == std::string::npos) {
      Violate(path, damage, "no offset named: " + error);
    }
  }

  void Violate(const std::string& path, const std::string& damage, const std::string& fault) {
    if (++tally_.violations <= 10) {
      std::printf("VIOLATION (%s, seed %llu): %s, %s: %s\n", Name(ending_), Number(seed_),
                  path.c_str(), damage.c_str(), fault.c_str());
    }
  }

  const Ending ending_;
  const uint64_t seed_;
  const uint64_t step_;
  lsm::Random random_;
  lsm::ManualClock clock_;
  lsm::ModelDb model_;
  std::unique_ptr<lsm::MemFileSystem> original_;
  uint64_t least_ = 0;  // units that must be there
  Tally tally_;
};

}  // namespace
}  // namespace crash

int main(int argc, char** argv) {
  uint64_t seed = 1;
  uint64_t step = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--step") == 0) step = std::strtoull(argv[i + 1], nullptr, 10);
  }
  std::atomic<bool> right = step > 0;
  {
    // The databases share nothing.
    std::vector<std::jthread> threads;
    for (const crash::Ending ending :
         {crash::Ending::kFlushed, crash::Ending::kLogged, crash::Ending::kKilled}) {
      threads.emplace_back([&right, ending, seed, step] {
        if (!crash::DamageTest(ending, seed, step).Run()) right = false;
      });
    }
  }
  return right ? 0 : 1;
}
