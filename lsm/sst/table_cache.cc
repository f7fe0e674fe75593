// SPDX-License-Identifier: BSD-3-Clause
// Two limits, two orders of last use: files, whose handles are counted, and readers of slices,
// whose memory is. A file takes its readers along; a file whose last reader goes for want of memory
// goes with it. A file is opened without the lock; of two threads that open the same one, the later
// to finish uses what the earlier has left.

#include "lsm/sst/table_cache.h"

#include <algorithm>
#include <bit>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lsm/format/file_names.h"
#include "lsm/sst/block.h"
#include "lsm/sst/table_file.h"
#include "lsm/util/mutex.h"

namespace lsm {
namespace {

struct OpenReader {
  uint64_t file = 0;
  TreeId tree = 0;
  size_t memory = 0;
  std::shared_ptr<const TableReader> reader;
};
using Readers = std::list<OpenReader>;

struct OpenFile {
  uint64_t number = 0;
  std::shared_ptr<const TableFile> file;
  std::unordered_map<TreeId, Readers::iterator> readers;

  // Whether somebody else refers to it. New references are made under the lock only.
  bool InUse() const {
    if (file.use_count() > static_cast<long>(1 + readers.size())) return true;
    return std::any_of(readers.begin(), readers.end(),
                       [](const auto& entry) { return entry.second->reader.use_count() > 1; });
  }
};
using Files = std::list<OpenFile>;

// What is taken out under the lock and closed without it; readers before their files.
struct Victims {
  Files files;
  Readers readers;
};

}  // namespace

struct TableCache::Rep {
  Rep(FileSystem* file_system, std::string dir, int max_open_files, BlockCache* cache,
      MemoryBudget* memory_budget)
      : fs(file_system),
        directory(std::move(dir)),
        limit(static_cast<size_t>(std::max(max_open_files, 1))),
        blocks(cache),
        budget(memory_budget) {}

  // The file, which becomes the most recently used one; null if it is not open.
  OpenFile* Touch(uint64_t number) REQUIRES_LOCK(mutex) {
    const auto it = by_number.find(number);
    if (it == by_number.end()) return nullptr;
    files.splice(files.begin(), files, it->second);
    return &*it->second;
  }

  // The same for a reader of one of the file's slices.
  std::shared_ptr<const TableReader> TouchReader(const OpenFile& file, TreeId tree)
      REQUIRES_LOCK(mutex) {
    const auto it = file.readers.find(tree);
    if (it == file.readers.end()) return nullptr;
    readers.splice(readers.begin(), readers, it->second);
    return it->second->reader;
  }

  // The file, put in unless somebody else has done so meanwhile.
  OpenFile* Add(uint64_t number, std::shared_ptr<const TableFile> file) REQUIRES_LOCK(mutex) {
    if (OpenFile* const open = Touch(number)) return open;
    memory += file->MemoryUsage();
    files.push_front({number, std::move(file), {}});
    by_number[number] = files.begin();
    return &files.front();
  }

  void AddReader(OpenFile* file, TreeId tree, std::shared_ptr<const TableReader> reader)
      REQUIRES_LOCK(mutex) {
    const size_t bytes = reader->MemoryUsage();
    memory += bytes;
    readers.push_front({file->number, tree, bytes, std::move(reader)});
    file->readers[tree] = readers.begin();
  }

  // Takes a file and its readers out.
  void Remove(Files::iterator file, Victims* victims) REQUIRES_LOCK(mutex) {
    for (const auto& [tree, reader] : file->readers) {
      memory -= reader->memory;
      victims->readers.splice(victims->readers.end(), readers, reader);
    }
    memory -= file->file->MemoryUsage();
    by_number.erase(file->number);
    victims->files.splice(victims->files.end(), files, file);
  }

  // Closes what is beyond the limits. What is in use becomes the most recently used: each file and
  // reader is looked at once.
  void Shrink(Victims* victims) REQUIRES_LOCK(mutex) {
    for (size_t looked = files.size(); looked > 0 && files.size() > limit; --looked) {
      const auto last = std::prev(files.end());
      if (last->InUse()) {
        files.splice(files.begin(), files, last);
      } else {
        Remove(last, victims);
      }
    }
    const size_t memory_limit = budget == nullptr ? SIZE_MAX : budget->table_limit();
    for (size_t looked = readers.size(); looked > 0 && memory > memory_limit; --looked) {
      const auto last = std::prev(readers.end());
      if (last->reader.use_count() > 1) {
        readers.splice(readers.begin(), readers, last);
        continue;
      }
      const Files::iterator file = by_number.at(last->file);
      memory -= last->memory;
      file->readers.erase(last->tree);
      victims->readers.splice(victims->readers.end(), readers, last);
      if (file->readers.empty() && file->file.use_count() <= 2) Remove(file, victims);
    }
  }

  // REQUIRES: the lock is not held.
  void Tell(size_t bytes) {
    if (budget != nullptr) budget->SetTables(bytes);
  }

  FileSystem* const fs;
  const std::string directory;
  const size_t limit;
  BlockCache* const blocks;
  MemoryBudget* const budget;  // may be null

  mutable Mutex mutex;
  // Most recently used first.
  Files files GUARDED_BY(mutex);
  Readers readers GUARDED_BY(mutex);
  std::unordered_map<uint64_t, Files::iterator> by_number GUARDED_BY(mutex);
  size_t memory GUARDED_BY(mutex) = 0;  // of all files and readers
};

TableCache::TableCache(FileSystem* fs, std::string directory, int max_open_files,
                       BlockCache* blocks, MemoryBudget* budget)
    : rep_(std::make_unique<Rep>(fs, std::move(directory), max_open_files, blocks, budget)) {}
TableCache::~TableCache() = default;

Result<std::shared_ptr<const TableReader>> TableCache::Find(uint64_t file_number,
                                                            TreeId slice_tree) {
  Rep& r = *rep_;
  std::shared_ptr<const TableFile> file;
  {
    MutexLock lock(&r.mutex);
    if (const OpenFile* open = r.Touch(file_number)) {
      if (auto reader = r.TouchReader(*open, slice_tree)) return reader;
      file = open->file;
    }
  }
  if (file == nullptr) {
    Result<std::shared_ptr<const TableFile>> opened = TableFile::OpenNamed(
        r.fs, SstFileName(r.directory, file_number), file_number, AccessPattern::kRandom);
    RETURN_IF_ERROR(opened.status());
    file = std::move(*opened);
  }
  Result<std::unique_ptr<TableReader>> made = TableReader::Open(file, slice_tree, r.blocks);
  if (made.status().IsNotFound()) {
    // To whoever reads a tree, kNotFound would say that there is no such tree.
    return file->Corruption(
        "slice directory", file->footer().directory.offset,
        "a version names a slice of tree " + std::to_string(slice_tree) + ", but there is none");
  }
  RETURN_IF_ERROR(made.status());
  std::shared_ptr<const TableReader> reader = std::move(*made);

  Victims victims;
  size_t memory;
  {
    MutexLock lock(&r.mutex);
    OpenFile* const open = r.Add(file_number, std::move(file));
    if (auto earlier = r.TouchReader(*open, slice_tree)) {
      reader = std::move(earlier);
    } else {
      r.AddReader(open, slice_tree, reader);
    }
    r.Shrink(&victims);
    memory = r.memory;
  }
  r.Tell(memory);
  return reader;
}

Result<std::shared_ptr<const TableFile>> TableCache::FindBlobFile(uint64_t file_number,
                                                                  bool cached_only) {
  Rep& r = *rep_;
  {
    MutexLock lock(&r.mutex);
    if (const OpenFile* open = r.Touch(file_number)) {
      if (open->file->slices().empty()) return open->file;
      return Status::Corruption(open->file->path() + ": offset 0: a record points to it as values");
    }
  }
  if (cached_only) return Status::WouldBlock("a blob file is not open");
  Result<std::shared_ptr<const TableFile>> opened = TableFile::OpenNamed(
      r.fs, BlobFileName(r.directory, file_number), file_number, AccessPattern::kRandom);
  RETURN_IF_ERROR(opened.status());
  if (!(*opened)->slices().empty()) {
    return Status::Corruption((*opened)->path() + ": offset 0: slices in a file of values");
  }
  Victims victims;
  MutexLock lock(&r.mutex);
  std::shared_ptr<const TableFile> file = r.Add(file_number, std::move(*opened))->file;
  r.Shrink(&victims);
  return file;
}

Result<PinnedValue> TableCache::ReadBlob(const BlobPointer& pointer, bool fill_cache,
                                         bool cached_only) {
  BlockCache* const blocks = rep_->blocks;
  const uint64_t offset = pointer.block.offset;
  std::shared_ptr<const Block> block = blocks->Lookup(pointer.file, offset);
  if (block == nullptr) {
    const Result<std::shared_ptr<const TableFile>> file = FindBlobFile(pointer.file, cached_only);
    RETURN_IF_ERROR(file.status());
    BlockSource source;
    source.cached_only = cached_only;
    Result<std::shared_ptr<const Block>> read =
        (*file)->ReadBlock(pointer.block, BlockKind::kValue, source);
    RETURN_IF_ERROR(read.status());
    block = std::move(*read);
    if (fill_cache) blocks->Insert(pointer.file, offset, block, block->charge());
  }
  if (!block->is_value()) {
    return Status::Corruption(BlobFileName(rep_->directory, pointer.file) + ": offset " +
                              std::to_string(offset) + ": a record points to what is no value");
  }
  const std::string_view value = block->value();
  return PinnedValue(value, std::move(block));
}

Result<BlockCache::Pin> TableCache::PinBlob(const BlobPointer& pointer) {
  const uint64_t offset = pointer.block.offset;
  BlockCache::Pin pin = rep_->blocks->PinIfPresent(pointer.file, offset);
  if (!pin.empty()) return pin;
  const Result<std::shared_ptr<const TableFile>> file =
      FindBlobFile(pointer.file, /*cached_only=*/false);
  RETURN_IF_ERROR(file.status());
  Result<std::shared_ptr<const Block>> block = (*file)->ReadBlock(pointer.block, BlockKind::kValue);
  RETURN_IF_ERROR(block.status());
  const size_t charge = (*block)->charge();
  return rep_->blocks->InsertPinned(pointer.file, offset, std::move(*block), charge);
}

std::shared_ptr<const TableReader> TableCache::FindOpen(uint64_t file_number, TreeId slice_tree) {
  MutexLock lock(&rep_->mutex);
  const OpenFile* const open = rep_->Touch(file_number);
  return open == nullptr ? nullptr : rep_->TouchReader(*open, slice_tree);
}

void TableCache::Evict(uint64_t file_number) {
  Victims victims;
  size_t memory;
  {
    MutexLock lock(&rep_->mutex);
    const auto it = rep_->by_number.find(file_number);
    if (it == rep_->by_number.end()) return;
    rep_->Remove(it->second, &victims);
    memory = rep_->memory;
  }
  rep_->Tell(memory);
}

void TableCache::ShrinkToLimits() {
  Victims victims;
  size_t memory;
  {
    MutexLock lock(&rep_->mutex);
    rep_->Shrink(&victims);
    memory = rep_->memory;
  }
  rep_->Tell(memory);
}

int TableCache::open_files() const {
  MutexLock lock(&rep_->mutex);
  return static_cast<int>(rep_->files.size());
}

size_t TableCache::memory_bytes() const {
  MutexLock lock(&rep_->mutex);
  return rep_->memory;
}

PinnedTables::Place* PinnedTables::PlaceOf(uint64_t file_number, TreeId slice_tree) {
  constexpr size_t kTries = 4;
  if (places_.empty()) places_.resize(kPlaces);
  for (size_t i = 0; i < kTries; ++i) {
    Place& place = places_[(file_number + i) % kPlaces];
    if (place.reader == nullptr) return &place;
    if (place.file == file_number && place.tree == slice_tree) return &place;
  }
  return nullptr;
}

void PinnedTables::Keep(Place* place, uint64_t file_number, TreeId slice_tree,
                        std::shared_ptr<const TableReader> reader) {
  *place = {file_number, slice_tree, std::move(reader)};
  used_ |= uint64_t{1} << (place - places_.data());
}

Result<const TableReader*> PinnedTables::Find(uint64_t file_number, TreeId slice_tree) {
  Place* const place = PlaceOf(file_number, slice_tree);
  if (place != nullptr && place->reader != nullptr) return place->reader.get();
  Result<std::shared_ptr<const TableReader>> reader = tables_->Find(file_number, slice_tree);
  RETURN_IF_ERROR(reader.status());
  const TableReader* const found = reader->get();
  if (place != nullptr) {
    Keep(place, file_number, slice_tree, std::move(*reader));
  } else {
    unplaced_ = std::move(*reader);
  }
  return found;
}

const TableReader* PinnedTables::FindOpen(uint64_t file_number, TreeId slice_tree) {
  Place* const place = PlaceOf(file_number, slice_tree);
  if (place == nullptr) return nullptr;
  if (place->reader == nullptr) {
    std::shared_ptr<const TableReader> reader = tables_->FindOpen(file_number, slice_tree);
    if (reader == nullptr) return nullptr;
    Keep(place, file_number, slice_tree, std::move(reader));
  }
  return place->reader.get();
}

const TableReader* PinnedTables::FindInMemory(uint64_t file_number, TreeId slice_tree) {
  if (PlaceOf(file_number, slice_tree) != nullptr) return FindOpen(file_number, slice_tree);
  unplaced_ = tables_->FindOpen(file_number, slice_tree);
  return unplaced_.get();
}

void PinnedTables::Clear() {
  for (; used_ != 0; used_ &= used_ - 1) {
    places_[static_cast<size_t>(std::countr_zero(used_))].reader = nullptr;
  }
  unplaced_ = nullptr;
}

}  // namespace lsm
