// SPDX-License-Identifier: BSD-3-Clause
// usage: repair_test [--seed S] [--step N]
//
// Makes small databases with SST files, a log and a manifest, changes every byte of each file (or
// every N-th), one at a time, and demands of each:
//   - varve-tool's check names the file, or the change is harmless: everything reads as before;
//   - its repair makes a database in which every key is as it was, but for those with a record in
//     the damaged data block, a value in the damaged block of a blob file, or a unit in the damaged
//     group of the log;
//   - that check finds nothing in the repaired one, and that the damaged one was left as it was.
// Without its manifest a database may get back what was deleted, and has other counters.

#include "lsm/tool/repair.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/format/file_names.h"
#include "lsm/sst/table_salvage.h"
#include "lsm/tool/check.h"
#include "lsm/wal/log_salvage.h"
#include "tests/crash/unit_maker.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"
#include "tests/support/model_db.h"

namespace crash {
namespace {

constexpr char kDirectory[] = "/db";
constexpr char kRepaired[] = "/repaired";

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

template <typename T>
T Need(lsm::Result<T> result) {
  if (!result.ok()) Die(result.status().ToString());
  return std::move(result).value();
}

// What a damage may take along.
struct Excused : public lsm::WriteBatch::Handler {
  std::set<std::pair<lsm::TreeId, std::string>> keys;
  std::set<lsm::TreeId> counters;
  std::set<lsm::TreeId> trees;  // made or dropped
  bool manifest_lost = false;

  lsm::Status Put(lsm::TreeId tree, std::string_view key, std::string_view) override {
    keys.emplace(tree, key);
    return {};
  }
  lsm::Status Delete(lsm::TreeId tree, std::string_view key) override { return Put(tree, key, ""); }
  lsm::Status AddCounter(lsm::TreeId tree, size_t, int64_t) override {
    counters.insert(tree);
    return {};
  }
  lsm::Status CreateTree(lsm::TreeId tree) override {
    trees.insert(tree);
    return {};
  }
  lsm::Status DropTree(lsm::TreeId tree) override { return CreateTree(tree); }
  lsm::Status ForkTree(lsm::TreeId tree, lsm::TreeId) override { return CreateTree(tree); }
};

// What is wrong with `actual`, empty if nothing is.
std::string Compare(const lsm::DbContent& expected, const lsm::DbContent& actual,
                    const Excused& excused) {
  for (const auto& [tree, in] : expected) {
    const std::string name = "tree " + std::to_string(tree);
    const auto found = actual.find(tree);
    if (found == actual.end()) {
      if (in.entries.empty() && (excused.manifest_lost || excused.trees.contains(tree))) continue;
      return name + " is lost";
    }
    for (const auto& [key, value] : in.entries) {
      if (excused.keys.contains({tree, key})) continue;
      const auto entry = found->second.entries.find(key);
      if (entry == found->second.entries.end()) return name + ": lost: " + key;
      if (entry->second != value) return name + ": another value: " + key;
    }
    if (excused.manifest_lost) continue;
    for (const auto& [key, value] : found->second.entries) {
      if (in.entries.contains(key) || excused.keys.contains({tree, key})) continue;
      return name + ": came back: " + key;
    }
    if (in.counters != found->second.counters && !excused.counters.contains(tree)) {
      return name + ": other counters";
    }
  }
  for (const auto& [tree, in] : actual) {
    if (expected.contains(tree) || excused.manifest_lost || excused.trees.contains(tree)) continue;
    return "tree " + std::to_string(tree) + " came back";
  }
  return "";
}

class LineCollector final : public lsm::tool::Report {
 public:
  void Fault(std::string_view line) override { faults += std::string(line) + "\n"; }
  void Remark(std::string_view line) override { remarks += std::string(line) + "\n"; }
  void Progress(uint64_t, uint64_t) override {}

  std::string faults;
  std::string remarks;
};

class RepairTest {
 public:
  RepairTest(bool flushed, uint64_t seed, uint64_t step)
      : flushed_(flushed), seed_(seed), step_(step), random_(seed) {}

  bool Run() {
    MakeDatabase();
    ReadLog();
    for (const std::string& path : original_->Files()) {
      if (path.ends_with("LOCK")) continue;
      const std::string contents = original_->Contents(path);
      // A segment ends in zeros that were never written; a few of them stand for all.
      uint64_t size = contents.size();
      if (path.ends_with(".wal")) {
        size = std::min<uint64_t>(size, contents.find_last_not_of('\0') + 64);
      }
      for (uint64_t offset = 0; offset < size; offset += step_) Damage(path, contents, offset);
    }
    std::printf("%s, seed %llu: %llu damages: %llu detected, %llu harmless; %llu violations\n",
                flushed_ ? "all in SST files" : "the newest in the log", Number(seed_),
                Number(damages_), Number(detected_), Number(damages_ - detected_),
                Number(violations_));
    return violations_ == 0 && detected_ > 0;
  }

 private:
  static unsigned long long Number(uint64_t value) { return value; }

  lsm::Options Options(lsm::MemFileSystem* fs, lsm::ManualExecutor* executor) {
    lsm::Options options;
    options.file_system = fs;
    options.clock = &clock_;
    options.executor = executor;
    options.flush_on_close = flushed_;
    options.memtable_size = 4096;
    options.block_size = 512;
    options.target_file_size = 4096;
    options.wal_segment_size = 8192;
    options.wal_size_limit = 32768;
    options.block_cache_size = 0;
    options.blob_value_size = 100;
    return options;
  }

  void MakeDatabase() {
    constexpr int kUnits = 120;
    lsm::MemFileSystem fs;
    lsm::ManualExecutor executor;
    const std::unique_ptr<lsm::DB> db = Need(lsm::DB::Open(Options(&fs, &executor), kDirectory));
    lsm::ModelDb model;
    for (int i = 0; i < kUnits; ++i) {
      const lsm::WriteBatch unit = MakeUnit(db.get(), model.content(), model.units() + 1, &random_,
                                            {.forks = false});  // a lost record would be lost twice
      if (!db->Write(unit, false).ok()) Die("write failed");
      model.Apply(unit);
      if (i % 8 == 0) executor.RunAll();
    }
    if (!db->Close().ok()) Die("close failed");
    original_ = fs.AfterKill();
    content_ = model.content();
  }

  // Which unit did what, and which bytes of the log it needs.
  void ReadLog() {
    lsm::LogSalvageInput input;
    input.fs = original_.get();
    input.directory = kDirectory;
    for (const std::string& path : original_->Files()) {
      uint64_t number = 0;
      const auto kind = lsm::ParseFileName(path.substr(path.rfind('/') + 1), &number);
      if (kind == lsm::FileKind::kWal) input.segments.push_back(number);
    }
    Need(lsm::SalvageLog(
        input,
        [this](lsm::SequenceNumber sequence, uint32_t operations, std::string_view unit) {
          units_[sequence] = {operations, std::string(unit)};
          return lsm::Status();
        },
        [](std::string_view line) { Die(std::string(line)); }));
  }

  Excused ExcusedBy(const std::string& path, uint64_t offset) {
    Excused excused;
    uint64_t number = 0;
    switch (lsm::ParseFileName(path.substr(path.rfind('/') + 1), &number)) {
      case lsm::FileKind::kManifest:
        excused.manifest_lost = true;
        break;
      case lsm::FileKind::kSst:
        ExcuseBlock(path, number, offset, &excused);
        break;
      case lsm::FileKind::kBlob:
        ExcuseValue(number, offset, &excused);
        break;
      case lsm::FileKind::kWal:
        ExcuseGroup(path, offset, &excused);
        break;
      default:
        break;
    }
    return excused;
  }

  // Calls `visit` with each record of an SST file, its tree and the block that it is in.
  template <typename Visit>
  void ForEachRecord(const std::string& path, uint64_t number, const Visit& visit) {
    const lsm::FaultSink none = [](const lsm::SstFault& fault) { Die(fault.status.ToString()); };
    const auto salvage = Need(lsm::TableSalvage::Open(original_.get(), path, number, none));
    const auto file = Need(lsm::TableFile::Open(original_.get(), path, number));
    for (const lsm::SalvagedSlice& slice : salvage->slices()) {
      for (const lsm::SalvagedSlice::DataBlock& block : slice.blocks) {
        const auto data = Need(file->ReadBlock(block.handle, lsm::BlockKind::kData));
        lsm::Block::Iterator record(data.get());
        for (record.SeekToFirst(); record.Valid(); record.Next()) {
          visit(*slice.tree, block.handle, record);
        }
      }
    }
  }

  static bool Covers(lsm::BlockHandle block, uint64_t offset) {
    return block.offset <= offset && offset < block.end();
  }

  void ExcuseBlock(const std::string& path, uint64_t number, uint64_t offset, Excused* excused) {
    ForEachRecord(
        path, number,
        [&](lsm::TreeId tree, lsm::BlockHandle block, const lsm::Block::Iterator& record) {
          if (Covers(block, offset)) excused->keys.emplace(tree, record.user_key());
        });
  }

  // The key whose value is there.
  void ExcuseValue(uint64_t number, uint64_t offset, Excused* excused) {
    for (const std::string& path : original_->Files()) {
      uint64_t table = 0;
      const auto kind = lsm::ParseFileName(path.substr(path.rfind('/') + 1), &table);
      if (kind != lsm::FileKind::kSst) continue;
      ForEachRecord(path, table,
                    [&](lsm::TreeId tree, lsm::BlockHandle, const lsm::Block::Iterator& record) {
                      lsm::BlobPointer pointer;
                      if (record.type() != lsm::RecordType::kBlob ||
                          lsm::DecodeBlobPointer(record.value(), &pointer) != nullptr ||
                          pointer.file != number || !Covers(pointer.block, offset)) {
                        return;
                      }
                      excused->keys.emplace(tree, record.user_key());
                    });
    }
  }

  void ExcuseGroup(const std::string& path, uint64_t offset, Excused* excused) {
    Need(lsm::DumpLogSegment(original_.get(), path, [&](const lsm::LogGroupInfo& group) {
      if (offset < group.offset || offset >= group.offset + group.size) return;
      // Of a unit in fragments, each is needed.
      const uint32_t units = std::max<uint32_t>(group.units, 1);
      for (uint32_t i = 0; i < units; ++i) {
        const auto unit = units_.find(group.first_sequence + i);
        if (unit == units_.end()) continue;
        const auto& [operations, bytes] = unit->second;
        if (!lsm::WriteBatch::Iterate(bytes, operations, excused).ok()) Die("a malformed unit");
      }
    }));
  }

  void Damage(const std::string& path, const std::string& contents, uint64_t offset) {
    ++damages_;
    const std::string where = path + ", byte " + std::to_string(offset) + ": ";
    auto image = original_->AfterKill();
    // A copy of its own: the image shares its bytes with the original.
    image->SetContents(path, contents);
    image->Damage(path, offset, static_cast<uint8_t>(1 + random_.Uniform(255)));
    LineCollector found;
    const auto checked = lsm::tool::CheckDatabase(image.get(), kDirectory, &found);
    if (!checked.ok()) return Violate(where + "check: " + checked.status().ToString());
    if (checked->faults == 0) {
      CheckHarmless(image.get(), where);
    } else {
      ++detected_;
      const std::string name = path.substr(path.rfind('/') + 1);
      if (found.faults.find(name) == std::string::npos) {
        Violate(where + "check does not name the file: " + found.faults);
      }
    }
    CheckRepair(image.get(), where, ExcusedBy(path, offset));
  }

  lsm::DbContent ContentOf(lsm::MemFileSystem* fs, const char* directory) {
    lsm::ManualExecutor executor;
    auto db = lsm::DB::Open(Options(fs, &executor), directory);
    if (!db.ok()) {
      Violate(db.status().ToString());
      return {};
    }
    auto content = lsm::ReadContent(db->get());
    if (!content.ok()) Violate(content.status().ToString());
    return content.ok() ? std::move(*content) : lsm::DbContent();
  }

  void CheckHarmless(lsm::MemFileSystem* fs, const std::string& where) {
    const std::string wrong = Compare(content_, ContentOf(fs->AfterKill().get(), kDirectory), {});
    if (!wrong.empty()) Violate(where + "check finds nothing, but " + wrong);
  }

  void CheckRepair(lsm::MemFileSystem* fs, const std::string& where, const Excused& excused) {
    const auto files = Snapshot(*fs);
    lsm::ManualExecutor executor;
    LineCollector lost;
    const auto repaired =
        lsm::tool::RepairDatabase(Options(fs, &executor), kDirectory, kRepaired, &lost);
    if (!repaired.ok()) return Violate(where + "repair: " + repaired.status().ToString());
    if (Snapshot(*fs) != files) Violate(where + "repair changed its input");
    LineCollector found;
    const auto checked = lsm::tool::CheckDatabase(fs, kRepaired, &found);
    if (!checked.ok() || checked->faults > 0) Violate(where + "repaired: " + found.faults);
    const std::string wrong = Compare(content_, ContentOf(fs, kRepaired), excused);
    if (!wrong.empty()) Violate(where + wrong + "; repair said: " + lost.faults + lost.remarks);
  }

  // The damaged database's files.
  static std::map<std::string, std::string> Snapshot(const lsm::MemFileSystem& fs) {
    std::map<std::string, std::string> files;
    for (const std::string& path : fs.Files()) {
      if (path.find(kDirectory + 1) <= 1) files[path] = fs.Contents(path);
    }
    return files;
  }

  void Violate(const std::string& what) {
    if (++violations_ <= 10) {
      std::printf("VIOLATION (%s, seed %llu): %s\n", flushed_ ? "flushed" : "logged", Number(seed_),
                  what.c_str());
    }
  }

  const bool flushed_;
  const uint64_t seed_;
  const uint64_t step_;
  lsm::Random random_;
  lsm::ManualClock clock_;
  std::unique_ptr<lsm::MemFileSystem> original_;
  lsm::DbContent content_;
  std::map<lsm::SequenceNumber, std::pair<uint32_t, std::string>> units_;
  uint64_t damages_ = 0;
  uint64_t detected_ = 0;
  uint64_t violations_ = 0;
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
  if (step == 0) return 2;
  bool right = true;
  for (const bool flushed : {true, false}) {
    right = crash::RepairTest(flushed, seed, step).Run() && right;
  }
  return right ? 0 : 1;
}
