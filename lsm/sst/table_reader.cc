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
  Rep(std::shared_ptr<const TableFile> file, const SstSlice& where,
      std::shared_ptr<const Block> index, BlockCache* cache)
      : slice(std::move(file), where, std::move(index), cache) {}

  TableSlice slice;
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
  Result<std::shared_ptr<const Block>> index = file->ReadBlock(where->index, BlockKind::kIndex);
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
  auto rep = std::make_unique<Rep>(std::move(file), *where, std::move(*index), cache);
  rep->filter = std::move(filter);
  return std::unique_ptr<TableReader>(new TableReader(std::move(rep)));
}

// 1. The filter says whether the key can be here at all.
// 2. The index names the only data block that can hold the newest visible record: FORMAT.md has a
//    key's versions that begin in a block end before the next one, or stand in the index.
Result<TableLookup> TableReader::Get(std::string_view key, SequenceNumber sequence,
                                     PinnedValue* value, bool* filtered) const {
  const TableSlice& slice = rep_->slice;
  const uint64_t hash = HashKey(key);
  const bool absent = rep_->filter.has_value() && !rep_->filter->MayContain(hash);
  if (filtered != nullptr) *filtered = absent;
  if (absent) return TableLookup();

  Block::Iterator index(slice.index());
  index.Seek(key, sequence);
  if (index.corruption() != nullptr) return slice.IndexCorruption(index.corruption());
  if (!index.Valid()) return TableLookup();

  const Result<BlockHandle> handle = slice.DataHandle(index);
  RETURN_IF_ERROR(handle.status());
  Result<std::shared_ptr<const Block>> block = slice.ReadDataBlock(*handle, true);
  RETURN_IF_ERROR(block.status());
  const Block::Found found = (*block)->Find(key, hash, sequence);
  if (found.corruption != nullptr) {
    return slice.file().Corruption("data block", handle->offset, found.corruption);
  }
  if (found.lookup.found && found.lookup.type == RecordType::kValue) {
    *value = PinnedValue(found.value, std::move(*block));
  }
  return found.lookup;
}

std::unique_ptr<InternalIterator> TableReader::NewIterator(bool fill_cache) const {
  return std::make_unique<TableIterator>(&rep_->slice, fill_cache);
}

Result<TableReader::Properties> TableReader::ReadProperties() const {
  constexpr const char* kWhat = "properties block";
  const TableFile& file = rep_->slice.file();
  const BlockHandle handle = rep_->slice.where().properties;
  size_t size;
  const Result<OwnedBytes> bytes = file.ReadContents(handle, kWhat, &size);
  RETURN_IF_ERROR(bytes.status());
  Properties properties;
  if (const char* why = DecodeSstProperties({bytes->data.get(), size}, &properties)) {
    return file.Corruption(kWhat, handle.offset, why);
  }
  return properties;
}

uint64_t TableReader::blocks_read() const { return rep_->slice.blocks_read(); }

}  // namespace lsm
