// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_reader.h"

#include <optional>
#include <utility>

#include "lsm/format/checksum.h"
#include "lsm/sst/filter.h"
#include "lsm/sst/table_file.h"
#include "lsm/sst/table_iterator.h"

namespace lsm {

struct TableReader::Rep {
  Rep(std::shared_ptr<const TableFile> file, BlockIndex index, const SstSlice& stands,
      BlockCache* cache)
      : where(stands), slice(std::move(file), std::move(index), cache) {}

  const SstSlice where;
  const TableSlice slice;
  std::optional<Filter> filter;
};

TableReader::TableReader(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
TableReader::~TableReader() = default;

Result<std::unique_ptr<TableReader>> TableReader::Open(FileSystem* fs, const std::string& path,
                                                       uint64_t file_number, TreeId tree,
                                                       BlockCache* cache) {
  Result<std::shared_ptr<const TableFile>> file = TableFile::Open(fs, path, file_number);
  RETURN_IF_ERROR(file.status());
  return Open(std::move(*file), tree, cache);
}

Result<std::unique_ptr<TableReader>> TableReader::Open(std::shared_ptr<const TableFile> file,
                                                       TreeId tree, BlockCache* cache) {
  const SstSlice* const where = file->FindSlice(tree);
  if (where == nullptr) {
    return Status::NotFound(file->path() + ": no slice of tree " + std::to_string(tree));
  }
  Result<BlockIndex> index = BlockIndex::Read(*file, where->index);
  RETURN_IF_ERROR(index.status());
  std::optional<Filter> filter;
  if (where->filter.size != 0) {
    constexpr const char* kWhat = "filter block";
    size_t size;
    const Result<OwnedBytes> bytes = file->ReadContents(where->filter, kWhat, &size);
    RETURN_IF_ERROR(bytes.status());
    filter.emplace();
    if (const char* why = Filter::Parse({bytes->data.get(), size}, &*filter)) {
      return file->Corruption(kWhat, where->filter.offset, why);
    }
  }
  auto rep = std::make_unique<Rep>(std::move(file), std::move(*index), *where, cache);
  rep->filter = std::move(filter);
  return std::unique_ptr<TableReader>(new TableReader(std::move(rep)));
}

Result<TableLookup> TableReader::Get(std::string_view key, uint64_t hash, SequenceNumber sequence,
                                     PinnedValue* value, bool* filtered) const {
  size_t block;
  return Get(key, hash, sequence, value, filtered, {}, &block);
}

Result<TableLookup> TableReader::GetFromMemory(std::string_view key, uint64_t hash,
                                               SequenceNumber sequence, PinnedValue* value,
                                               bool* filtered, size_t* missing) const {
  return Get(key, hash, sequence, value, filtered, {.cached_only = true}, missing);
}

size_t TableReader::BlockSize(size_t block) const {
  return rep_->slice.index().handle(block).size + kBlockTrailerSize;
}

Result<BlockCache::Pin> TableReader::PinBlock(size_t block) const {
  return rep_->slice.PinDataBlock(rep_->slice.index().handle(block));
}

// 1. The filter says whether the key can be here at all.
// 2. The index names the only data block that can hold the newest visible record: FORMAT.md has a
//    key's versions that begin in a block end before the next one, or stand in the index.
Result<TableLookup> TableReader::Get(std::string_view key, uint64_t hash, SequenceNumber sequence,
                                     PinnedValue* value, bool* filtered, BlockSource source,
                                     size_t* number) const {
  const TableSlice& slice = rep_->slice;
  const bool absent = !MayContain(hash);
  if (filtered != nullptr) *filtered = absent;
  if (absent) return TableLookup();

  *number = FindBlock(key, sequence);
  if (*number == kNoBlock) return TableLookup();
  const BlockHandle handle = slice.index().handle(*number);
  Result<std::shared_ptr<const Block>> block = slice.ReadDataBlock(handle, true, source);
  RETURN_IF_ERROR(block.status());
  const Block::Found found = (*block)->Find(key, hash, sequence);
  if (found.corruption != nullptr) {
    return slice.file().Corruption("data block", handle.offset, found.corruption);
  }
  if (found.lookup.found && found.lookup.type != RecordType::kTombstone) {
    *value = PinnedValue(found.value, std::move(*block));
  }
  return found.lookup;
}

Result<TableLookup> TableReader::Get(std::string_view key, SequenceNumber sequence,
                                     PinnedValue* value, bool* filtered) const {
  return Get(key, HashKey(key), sequence, value, filtered);
}

void TableReader::PrefetchFilter(uint64_t hash) const {
  if (rep_->filter.has_value()) rep_->filter->Prefetch(hash);
}

bool TableReader::MayContain(uint64_t hash) const {
  return !rep_->filter.has_value() || rep_->filter->MayContain(hash);
}

size_t TableReader::FindBlock(std::string_view key, SequenceNumber sequence) const {
  const BlockIndex& index = rep_->slice.index();
  const size_t number = index.Find(key, sequence);
  return number < index.size() ? number : kNoBlock;
}

void TableReader::PrefetchCacheEntry(size_t block) const { rep_->slice.PrefetchCacheEntry(block); }
void TableReader::PrefetchBlock(size_t block) const { rep_->slice.PrefetchBlock(block); }
std::shared_ptr<const Block> TableReader::PeekBlock(size_t block) const {
  return rep_->slice.PeekBlock(block);
}

std::unique_ptr<InternalIterator> TableReader::NewIterator(bool fill_cache,
                                                           MissingBlocks* missing) const {
  return std::make_unique<TableIterator>(&rep_->slice, fill_cache, ReadAhead::Adaptive(), missing);
}

Result<TableReader::Properties> TableReader::ReadProperties() const {
  constexpr const char* kWhat = "properties block";
  const TableFile& file = rep_->slice.file();
  const BlockHandle handle = rep_->where.properties;
  size_t size;
  const Result<OwnedBytes> bytes = file.ReadContents(handle, kWhat, &size);
  RETURN_IF_ERROR(bytes.status());
  Properties properties;
  if (const char* why = DecodeSstProperties({bytes->data.get(), size}, &properties)) {
    return file.Corruption(kWhat, handle.offset, why);
  }
  return properties;
}

size_t TableReader::MemoryUsage() const {
  constexpr size_t kBookkeeping = 256;  // this object, and its places in the table cache
  const size_t filter = rep_->filter.has_value() ? rep_->filter->MemoryUsage() : 0;
  return sizeof(Rep) + rep_->slice.index().MemoryUsage() + filter + kBookkeeping;
}

uint64_t TableReader::blocks_read() const { return rep_->slice.blocks_read(); }

}  // namespace lsm
