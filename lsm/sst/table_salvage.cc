// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_salvage.h"

#include <algorithm>
#include <utility>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"
#include "lsm/io/file_window.h"
#include "lsm/options.h"
#include "lsm/sst/block.h"
#include "lsm/sst/block_index.h"

namespace lsm {
namespace {

// A block that is larger is not found by its checksum: where nothing is whole, so much is hashed,
// and kept in memory, in vain.
constexpr uint64_t kMaxSearched = uint64_t{8} << 20;

class SliceCursor final : public SalvageCursor {
 public:
  SliceCursor(const TableFile* file, const SalvagedSlice* slice, TreeId tree,
              const FaultSink* fault)
      : file_(file), slice_(slice), tree_(tree), fault_(fault) {
    NextBlock();
  }

  bool Valid() const override { return record_.Valid(); }
  void Next() override {
    last_key_.assign(record_.user_key());
    last_sequence_ = record_.sequence();
    any_ = true;
    record_.Next();
    Settle();
  }
  std::string_view user_key() const override { return record_.user_key(); }
  SequenceNumber sequence() const override { return record_.sequence(); }
  RecordType type() const override { return record_.type(); }
  std::string_view value() const override { return record_.value(); }

 private:
  // To the first record of the next whole block.
  void NextBlock() {
    record_.Reset(nullptr);
    while (next_ < slice_->blocks.size()) {
      const SalvagedSlice::DataBlock& where = slice_->blocks[next_++];
      Result<std::shared_ptr<const Block>> read = file_->ReadBlock(where.handle, BlockKind::kData);
      const char* why = read.ok() ? (*read)->Check() : nullptr;
      if (!read.ok() || why != nullptr) {
        Report(read.ok() ? file_->Corruption("data block", where.handle.offset, why)
                         : read.status());
        continue;
      }
      block_ = std::move(*read);
      record_.Reset(block_.get());
      record_.SeekToFirst();
      if (any_ &&
          CompareInternal(last_key_, last_sequence_, record_.user_key(), record_.sequence()) >= 0) {
        Report(file_->Corruption("data block", where.handle.offset, "keys are out of order"));
        continue;
      }
      return;
    }
    record_.Reset(nullptr);
  }
  void Settle() {
    if (!record_.Valid()) NextBlock();
  }

  // About the block before next_.
  void Report(const Status& status) {
    SstKeyRange keys{tree_, std::nullopt, std::nullopt};
    if (next_ >= 2 && !slice_->blocks[next_ - 2].last_key.empty()) {
      keys.after = slice_->blocks[next_ - 2].last_key;
    } else if (any_) {
      keys.after = last_key_;
    }
    const std::string& through = slice_->blocks[next_ - 1].last_key;
    if (!through.empty()) keys.through = through;
    (*fault_)({status, std::move(keys)});
  }

  const TableFile* const file_;
  const SalvagedSlice* const slice_;
  const TreeId tree_;
  const FaultSink* const fault_;
  size_t next_ = 0;  // the block behind the current one
  std::shared_ptr<const Block> block_;
  Block::Iterator record_;
  bool any_ = false;
  std::string last_key_;
  SequenceNumber last_sequence_ = 0;
};

}  // namespace

// Finds blocks by their checksums.
class TableSalvage::Search {
 public:
  Search(FileWindow window, uint64_t file_number)
      : window_(std::move(window)), number_(file_number) {}

  // The block that begins at `offset` and ends at `limit` or before.
  std::optional<BlockHandle> At(uint64_t offset, uint64_t limit) {
    const uint64_t end = std::min(limit, window_.size());
    if (offset + kBlockTrailerSize > end) return std::nullopt;
    const uint64_t room = std::min(end - offset, kMaxSearched);
    const Result<std::string_view> read = window_.Read(offset, room);
    if (!read.ok()) return std::nullopt;
    const std::string_view bytes = *read;
    constexpr auto kLastType = static_cast<uint8_t>(Compression::kZstd);
    GrowingChecksum checksum(number_, offset);
    uint64_t summed = 0;
    for (uint64_t size = 0; size + kBlockTrailerSize <= bytes.size(); ++size) {
      // Few bytes can be a type: most ends are ruled out without a checksum.
      if (static_cast<uint8_t>(bytes[size]) > kLastType) continue;
      checksum.Append(bytes.substr(summed, size + 1 - summed));
      summed = size + 1;
      if (DecodeFixed64(bytes.data() + size + 1) == checksum.Value()) {
        return BlockHandle{offset, size};
      }
    }
    return std::nullopt;
  }

 private:
  FileWindow window_;
  const uint64_t number_;
};

TableSalvage::Part TableSalvage::PartOf(BlockHandle handle,
                                        std::optional<SstProperties>* properties) const {
  const Result<std::shared_ptr<const Block>> data = file_->ReadBlock(handle, BlockKind::kData);
  if (data.ok() && (*data)->Check() == nullptr) return Part::kData;
  size_t size;
  const Result<OwnedBytes> bytes = file_->ReadContents(handle, "block", &size);
  SstProperties decoded;
  if (bytes.ok() && DecodeSstProperties({bytes->data.get(), size}, &decoded) == nullptr) {
    *properties = std::move(decoded);
    return Part::kProperties;
  }
  const Result<std::shared_ptr<const Block>> index = file_->ReadBlock(handle, BlockKind::kIndex);
  return index.ok() && (*index)->Check() == nullptr ? Part::kIndex : Part::kFilter;
}

Result<std::shared_ptr<const TableSalvage>> TableSalvage::Open(FileSystem* fs,
                                                               const std::string& path,
                                                               uint64_t file_number,
                                                               const FaultSink& fault) {
  Status damage;
  Result<std::shared_ptr<const TableFile>> file =
      TableFile::OpenDamaged(fs, path, file_number, &damage);
  RETURN_IF_ERROR(file.status());
  Result<FileWindow> window = FileWindow::Open(fs, path);
  RETURN_IF_ERROR(window.status());
  Search search(std::move(*window), file_number);
  std::shared_ptr<TableSalvage> salvage(new TableSalvage(std::move(*file)));
  if (!damage.ok()) {
    fault({damage, std::nullopt});
    salvage->SearchFile(&search, fault);
  }
  uint64_t begin = 0;
  for (const SstSlice& where : salvage->file_->slices()) {
    salvage->slices_.push_back(salvage->ReadSlice(where, begin, &search, fault));
    begin = where.index.end();
  }
  return std::shared_ptr<const TableSalvage>(std::move(salvage));
}

SalvagedSlice TableSalvage::ReadSlice(const SstSlice& where, uint64_t begin, Search* search,
                                      const FaultSink& fault) const {
  SalvagedSlice slice;
  slice.tree = where.tree;
  size_t size;
  const Result<OwnedBytes> bytes = file_->ReadContents(where.properties, "properties block", &size);
  SstProperties properties;
  if (!bytes.ok()) {
    fault({bytes.status(), std::nullopt});
  } else if (const char* why = DecodeSstProperties({bytes->data.get(), size}, &properties)) {
    fault({file_->Corruption("properties block", where.properties.offset, why), std::nullopt});
  } else {
    slice.properties = std::move(properties);
  }
  const Result<BlockIndex> index = BlockIndex::Read(*file_, where.index);
  if (index.ok()) {
    Block::Iterator entry(&index->block());
    entry.SeekToFirst();
    for (size_t i = 0; i < index->size() && entry.Valid(); ++i, entry.Next()) {
      slice.blocks.push_back({index->handle(i), std::string(entry.user_key())});
    }
    return slice;
  }
  fault({index.status(), std::nullopt});
  const uint64_t end = where.filter.size != 0 ? where.filter.offset : where.properties.offset;
  while (begin < end) {
    const std::optional<BlockHandle> block = search->At(begin, end);
    if (!block) {
      fault({file_->Corruption("data block", begin, "without the index its end is not found"),
             SstKeyRange{where.tree, std::nullopt, std::nullopt}});
      break;
    }
    slice.blocks.push_back({*block, ""});
    begin = block->end();
  }
  return slice;
}

void TableSalvage::SearchFile(Search* search, const FaultSink& fault) {
  SalvagedSlice slice;
  // The slice directory, which is not whole, and the footer are behind the last slice.
  uint64_t position = 0;
  while (position < file_->size()) {
    const std::optional<BlockHandle> block = search->At(position, file_->size());
    if (!block) break;
    position = block->end();
    switch (PartOf(*block, &slice.properties)) {
      case Part::kData:
        slice.blocks.push_back({*block, ""});
        break;
      case Part::kIndex:
        slices_.push_back(std::exchange(slice, {}));
        break;
      case Part::kFilter:
      case Part::kProperties:
        break;
    }
  }
  if (slice.blocks.empty()) return;
  fault({file_->Corruption("block", position, "its end is not found; what follows is lost"),
         std::nullopt});
  slices_.push_back(std::move(slice));
}

std::unique_ptr<SalvageCursor> TableSalvage::NewCursor(size_t slice, TreeId tree,
                                                       const FaultSink& fault) const {
  return std::make_unique<SliceCursor>(file_.get(), &slices_[slice], tree, &fault);
}

}  // namespace lsm
