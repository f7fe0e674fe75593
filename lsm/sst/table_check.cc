// SPDX-License-Identifier: BSD-3-Clause
// VerifySst and DumpSst: both walk a file from its first byte to its last.

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "lsm/format/checksum.h"
#include "lsm/sst/filter.h"
#include "lsm/sst/table_file.h"
#include "lsm/sst/table_iterator.h"
#include "lsm/sst/table_reader.h"

namespace lsm {
namespace {

// Checks one slice, whose first block must begin at *position, and moves *position behind it.
class SliceVerifier {
 public:
  SliceVerifier(std::shared_ptr<const TableFile> file, const SstSlice& where, uint64_t* position)
      : file_(std::move(file)), where_(where), position_(position) {}

  Status Run();

 private:
  // `handle` must begin where the block before it ended.
  Status Follow(BlockHandle handle, const char* what);
  Status ReadFilter();
  Status CheckDataBlock(const TableSlice& slice, BlockHandle handle);
  Status CheckRecord(const Block::Iterator& record, BlockHandle handle);
  // The last index entry, now that the first record of the next block is known.
  Status CheckIndexEntry(const Block::Iterator* next_record);
  Status CheckProperties();

  const std::shared_ptr<const TableFile> file_;
  const SstSlice where_;
  uint64_t* const position_;
  ReadAhead ahead_ = ReadAhead::Full();
  std::optional<Filter> filter_;
  SstProperties counted_;
  std::string last_key_;  // of the last record
  SequenceNumber last_sequence_ = 0;
  bool index_entry_due_ = false;  // the last block's, kept here until the next block is read
  std::string index_key_;
  SequenceNumber index_sequence_ = 0;
};

Status SliceVerifier::Follow(BlockHandle handle, const char* what) {
  if (handle.offset != *position_) {
    return file_->Corruption(what, handle.offset, "there is a gap before it, or an overlap");
  }
  *position_ = handle.end();
  return Status::Ok();
}

Status SliceVerifier::ReadFilter() {
  if (where_.filter.size == 0) return Status::Ok();
  size_t size;
  const Result<OwnedBytes> bytes = file_->ReadContents(where_.filter, "filter block", &size);
  RETURN_IF_ERROR(bytes.status());
  filter_.emplace();
  if (const char* why = Filter::Parse({bytes->data.get(), size}, &*filter_)) {
    return file_->Corruption("filter block", where_.filter.offset, why);
  }
  return Status::Ok();
}

Status SliceVerifier::CheckRecord(const Block::Iterator& record, BlockHandle handle) {
  const auto corrupt = [&](const char* why) {
    return file_->Corruption("data block", handle.offset, why);
  };
  if (counted_.entries == 0) {
    counted_.smallest_key.assign(record.user_key());
    counted_.smallest_sequence = counted_.largest_sequence = record.sequence();
  } else if (CompareInternal(last_key_, last_sequence_, record.user_key(), record.sequence()) >=
             0) {
    return corrupt("keys are out of order");
  }
  if (filter_.has_value() && !filter_->MayContain(HashKey(record.user_key()))) {
    return corrupt("the filter does not know one of its keys");
  }
  last_key_.assign(record.user_key());
  last_sequence_ = record.sequence();
  ++counted_.entries;
  if (record.type() == RecordType::kTombstone) ++counted_.tombstones;
  counted_.raw_key_bytes += record.user_key().size();
  counted_.raw_value_bytes += record.value().size();
  counted_.smallest_sequence = std::min(counted_.smallest_sequence, record.sequence());
  counted_.largest_sequence = std::max(counted_.largest_sequence, record.sequence());
  return Status::Ok();
}

Status SliceVerifier::CheckIndexEntry(const Block::Iterator* next_record) {
  if (!std::exchange(index_entry_due_, false)) return Status::Ok();
  const bool reaches = CompareInternal(last_key_, last_sequence_, index_key_, index_sequence_) <= 0;
  const bool is_last = index_key_ == last_key_ && index_sequence_ == last_sequence_;
  const bool ends = is_last || next_record == nullptr || index_key_ < next_record->user_key();
  if (reaches && ends) return Status::Ok();
  return file_->Corruption("index block", where_.index.offset,
                           "a key does not part its data block from the next");
}

Status SliceVerifier::CheckDataBlock(const TableSlice& slice, BlockHandle handle) {
  RETURN_IF_ERROR(Follow(handle, "data block"));
  const Result<std::shared_ptr<const Block>> block = slice.ReadDataBlock(handle, false, &ahead_);
  RETURN_IF_ERROR(block.status());
  if (const char* why = (*block)->Check()) {
    return file_->Corruption("data block", handle.offset, why);
  }
  ++counted_.data_blocks;
  Block::Iterator record(block->get());
  record.SeekToFirst();
  RETURN_IF_ERROR(CheckIndexEntry(&record));
  for (; record.Valid(); record.Next()) RETURN_IF_ERROR(CheckRecord(record, handle));
  return Status::Ok();
}

Status SliceVerifier::CheckProperties() {
  counted_.largest_key = last_key_;
  size_t size;
  const Result<OwnedBytes> bytes =
      file_->ReadContents(where_.properties, "properties block", &size);
  RETURN_IF_ERROR(bytes.status());
  SstProperties stored;
  const char* why = DecodeSstProperties({bytes->data.get(), size}, &stored);
  if (why == nullptr && stored != counted_) why = "they differ from the records";
  if (why == nullptr) return Status::Ok();
  return file_->Corruption("properties block", where_.properties.offset, why);
}

Status SliceVerifier::Run() {
  Result<BlockIndex> index = BlockIndex::Read(*file_, where_.index);
  RETURN_IF_ERROR(index.status());
  if (const char* why = index->block().Check()) {
    return file_->Corruption("index block", where_.index.offset, why);
  }
  RETURN_IF_ERROR(ReadFilter());
  const TableSlice slice(file_, std::move(*index), nullptr);
  Block::Iterator entry(&slice.index().block());
  entry.SeekToFirst();
  for (size_t i = 0; i < slice.index().size(); ++i, entry.Next()) {
    RETURN_IF_ERROR(CheckDataBlock(slice, slice.index().handle(i)));
    index_key_.assign(entry.user_key());
    index_sequence_ = entry.sequence();
    index_entry_due_ = true;
  }
  RETURN_IF_ERROR(CheckIndexEntry(nullptr));
  if (filter_.has_value()) RETURN_IF_ERROR(Follow(where_.filter, "filter block"));
  RETURN_IF_ERROR(Follow(where_.properties, "properties block"));
  RETURN_IF_ERROR(Follow(where_.index, "index block"));
  return CheckProperties();
}

// Bytes as text in quotes: what is not printable ASCII as \xHH, and long ones cut.
std::string Quoted(std::string_view bytes) {
  constexpr size_t kShown = 64;
  std::string out = "\"";
  for (const char c : bytes.substr(0, kShown)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      char hex[5];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      out += hex;
    }
  }
  out += '"';
  if (bytes.size() > kShown) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

std::string HandleText(BlockHandle handle) {
  return std::to_string(handle.offset) + "+" + std::to_string(handle.size);
}

std::string PropertiesText(const SstProperties& p) {
  return "properties entries=" + std::to_string(p.entries) +
         " tombstones=" + std::to_string(p.tombstones) +
         " data_blocks=" + std::to_string(p.data_blocks) +
         " raw_key_bytes=" + std::to_string(p.raw_key_bytes) +
         " raw_value_bytes=" + std::to_string(p.raw_value_bytes) +
         " sequences=" + std::to_string(p.smallest_sequence) + ".." +
         std::to_string(p.largest_sequence) + " keys=" + Quoted(p.smallest_key) + ".." +
         Quoted(p.largest_key);
}

const char* CompressionName(uint8_t type) {
  switch (static_cast<Compression>(type)) {
    case Compression::kNone:
      return "none";
    case Compression::kLz4:
      return "lz4";
    case Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

using LineSink = std::function<void(std::string_view line)>;

Status DumpDataBlock(const TableFile& file, BlockHandle handle, const LineSink& line) {
  size_t size;
  uint8_t compression;
  Result<OwnedBytes> bytes = file.ReadContents(handle, "data block", &size, &compression);
  RETURN_IF_ERROR(bytes.status());
  const char* why;
  const std::shared_ptr<const Block> block =
      Block::Parse(std::move(*bytes), size, BlockKind::kData, &why);
  if (block == nullptr) return file.Corruption("data block", handle.offset, why);
  line("block " + HandleText(handle) + " " + CompressionName(compression) +
       " uncompressed=" + std::to_string(size));
  Block::Iterator record(block.get());
  for (record.SeekToFirst(); record.Valid(); record.Next()) {
    std::string text = Quoted(record.user_key()) + " @" + std::to_string(record.sequence());
    text +=
        record.type() == RecordType::kTombstone ? " tombstone" : " value " + Quoted(record.value());
    line(text);
  }
  if (record.corruption() == nullptr) return Status::Ok();
  return file.Corruption("data block", handle.offset, record.corruption());
}

Status DumpSlice(const std::shared_ptr<const TableFile>& file, const SstSlice& where,
                 const LineSink& line) {
  line("slice tree=" + std::to_string(where.tree) + " index=" + HandleText(where.index) +
       " filter=" + (where.filter.size == 0 ? "none" : HandleText(where.filter)) +
       " properties=" + HandleText(where.properties));
  Result<std::unique_ptr<TableReader>> reader = TableReader::Open(file, where.tree, nullptr);
  RETURN_IF_ERROR(reader.status());
  const Result<SstProperties> properties = (*reader)->ReadProperties();
  RETURN_IF_ERROR(properties.status());
  line(PropertiesText(*properties));
  const Result<BlockIndex> index = BlockIndex::Read(*file, where.index);
  RETURN_IF_ERROR(index.status());
  for (size_t i = 0; i < index->size(); ++i) {
    RETURN_IF_ERROR(DumpDataBlock(*file, index->handle(i), line));
  }
  return Status::Ok();
}

}  // namespace

Status VerifySst(FileSystem* fs, const std::string& path, uint64_t file_number) {
  const Result<std::shared_ptr<const TableFile>> file =
      TableFile::Open(fs, path, file_number, AccessPattern::kSequential);
  RETURN_IF_ERROR(file.status());
  uint64_t position = 0;
  for (const SstSlice& slice : (*file)->slices()) {
    RETURN_IF_ERROR(SliceVerifier(*file, slice, &position).Run());
  }
  if (position != (*file)->footer().directory.offset) {
    return (*file)->Corruption("slice directory", (*file)->footer().directory.offset,
                               "there is a gap before it, or an overlap");
  }
  return Status::Ok();
}

Status DumpSst(FileSystem* fs, const std::string& path, uint64_t file_number,
               const std::function<void(std::string_view line)>& line) {
  const Result<std::shared_ptr<const TableFile>> file =
      TableFile::Open(fs, path, file_number, AccessPattern::kSequential);
  RETURN_IF_ERROR(file.status());
  line("sst file=" + std::to_string((*file)->number()) + " size=" +
       std::to_string((*file)->size()) + " slices=" + std::to_string((*file)->slices().size()) +
       " directory=" + HandleText((*file)->footer().directory));
  for (const SstSlice& slice : (*file)->slices()) {
    RETURN_IF_ERROR(DumpSlice(*file, slice, line));
  }
  return Status::Ok();
}

}  // namespace lsm
