// SPDX-License-Identifier: BSD-3-Clause
// Files, not readers, are counted and evicted: the readers of a file's slices share its handle. A
// file is opened without the lock; of two threads that open the same one, the later to finish uses
// what the earlier has left.

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

struct OpenFile {
  uint64_t number = 0;
  std::shared_ptr<const TableFile> file;
  std::unordered_map<TreeId, std::shared_ptr<const TableReader>> readers;

  // Whether somebody else refers to it. New references are made under the lock only.
  bool InUse() const {
    if (file.use_count() > static_cast<long>(1 + readers.size())) return true;
    return std::any_of(readers.begin(), readers.end(),
                       [](const auto& entry) { return entry.second.use_count() > 1; });
  }
};

}  // namespace

struct TableCache::Rep {
  Rep(FileSystem* file_system, std::string dir, int max_open_files, BlockCache* cache)
      : fs(file_system),
        directory(std::move(dir)),
        limit(static_cast<size_t>(std::max(max_open_files, 1))),
        blocks(cache) {}

  // The file, which becomes the most recently used one; null if it is not open.
  OpenFile* Touch(uint64_t number) REQUIRES_LOCK(mutex) {
    const auto it = by_number.find(number);
    if (it == by_number.end()) return nullptr;
    order.splice(order.begin(), order, it->second);
    return &*it->second;
  }

  // The file, put in unless somebody else has done so meanwhile.
  OpenFile* Add(uint64_t number, std::shared_ptr<const TableFile> file) REQUIRES_LOCK(mutex) {
    if (OpenFile* const open = Touch(number)) return open;
    order.push_front({number, std::move(file), {}});
    by_number[number] = order.begin();
    return &order.front();
  }

  // Moves what is beyond the limit to `victims`, which the caller closes without the lock. Files in
  // use become the most recently used ones: each is looked at once.
  void Shrink(std::list<OpenFile>* victims) REQUIRES_LOCK(mutex) {
    for (size_t looked = order.size(); looked > 0 && order.size() > limit; --looked) {
      const auto last = std::prev(order.end());
      if (last->InUse()) {
        order.splice(order.begin(), order, last);
        continue;
      }
      by_number.erase(last->number);
      victims->splice(victims->end(), order, last);
    }
  }

  FileSystem* const fs;
  const std::string directory;
  const size_t limit;
  BlockCache* const blocks;

  mutable Mutex mutex;
  std::list<OpenFile> order GUARDED_BY(mutex);  // most recently used first
  std::unordered_map<uint64_t, std::list<OpenFile>::iterator> by_number GUARDED_BY(mutex);
};

TableCache::TableCache(FileSystem* fs, std::string directory, int max_open_files,
                       BlockCache* blocks)
    : rep_(std::make_unique<Rep>(fs, std::move(directory), max_open_files, blocks)) {}
TableCache::~TableCache() = default;

Result<std::shared_ptr<const TableReader>> TableCache::Find(uint64_t file_number,
                                                            TreeId slice_tree) {
  Rep& r = *rep_;
  std::shared_ptr<const TableFile> file;
  {
    MutexLock lock(&r.mutex);
    if (const OpenFile* open = r.Touch(file_number)) {
      const auto it = open->readers.find(slice_tree);
      if (it != open->readers.end()) return it->second;
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
  RETURN_IF_ERROR(made.status());
  std::shared_ptr<const TableReader> reader = std::move(*made);

  std::list<OpenFile> victims;
  MutexLock lock(&r.mutex);
  OpenFile* const open = r.Add(file_number, std::move(file));
  reader = open->readers.try_emplace(slice_tree, std::move(reader)).first->second;
  r.Shrink(&victims);
  return reader;
}

Result<std::shared_ptr<const TableFile>> TableCache::FindBlobFile(uint64_t file_number,
                                                                  bool cached_only) {
  Rep& r = *rep_;
  {
    MutexLock lock(&r.mutex);
    if (const OpenFile* open = r.Touch(file_number)) return open->file;
  }
  if (cached_only) return Status::WouldBlock("a blob file is not open");
  Result<std::shared_ptr<const TableFile>> opened = TableFile::OpenNamed(
      r.fs, BlobFileName(r.directory, file_number), file_number, AccessPattern::kRandom);
  RETURN_IF_ERROR(opened.status());
  std::list<OpenFile> victims;
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
  if (open == nullptr) return nullptr;
  const auto it = open->readers.find(slice_tree);
  return it == open->readers.end() ? nullptr : it->second;
}

void TableCache::Evict(uint64_t file_number) {
  std::list<OpenFile> victims;  // closed after the lock
  MutexLock lock(&rep_->mutex);
  const auto it = rep_->by_number.find(file_number);
  if (it == rep_->by_number.end()) return;
  victims.splice(victims.end(), rep_->order, it->second);
  rep_->by_number.erase(it);
}

int TableCache::open_files() const {
  MutexLock lock(&rep_->mutex);
  return static_cast<int>(rep_->order.size());
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
