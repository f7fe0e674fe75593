// SPDX-License-Identifier: BSD-3-Clause
// CheckSst, VerifySst and DumpSst: all walk a file from its first byte to its last.

#include "lsm/sst/table_check.h"

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

// Checks one slice, whose first block must begin at *position, and moves *position behind it.
// After a fault it goes on with the next part.
class SliceVerifier {
 public:
  SliceVerifier(std::shared_ptr<const TableFile> file, const SstSlice& where, const SstCheck& check,
                uint64_t* position)
      : file_(std::move(file)), where_(where), check_(check), position_(position) {}

  CheckedSlice Run();

 private:
  // Reports what is not OK.
  void Note(const Status& status, std::optional<SstKeyRange> keys = std::nullopt);
  // `handle` must begin where the block before it ended.
  Status Follow(BlockHandle handle, const char* what);
  Status ReadFilter();
  void CheckData(const BlockIndex& index);
  Status CheckDataBlock(const TableSlice& slice, BlockHandle handle);
  Status CheckRecord(const Block::Iterator& record, BlockHandle handle);
  // The last index entry, now that the first record of the next block is known.
  Status CheckIndexEntry(const Block::Iterator* next_record);
  Status CheckProperties();

  const std::shared_ptr<const TableFile> file_;
  const SstSlice where_;
  const SstCheck& check_;
  uint64_t* const position_;
  ReadAhead ahead_ = ReadAhead::Full();
  std::optional<Filter> filter_;
  bool whole_ = true;
  SstProperties counted_;
  std::string last_key_;  // of the last record
  SequenceNumber last_sequence_ = 0;
  bool index_entry_due_ = false;  // the last block's, kept here until the next block is read
  std::string index_key_;
  SequenceNumber index_sequence_ = 0;
};

void SliceVerifier::Note(const Status& status, std::optional<SstKeyRange> keys) {
  if (status.ok()) return;
  whole_ = false;
  check_.fault({status, std::move(keys)});
}

Status SliceVerifier::Follow(BlockHandle handle, const char* what) {
  const uint64_t expected = std::exchange(*position_, handle.end());
  if (check_.progress) check_.progress(*position_);
  if (handle.offset == expected) return Status::Ok();
  return file_->Corruption(what, handle.offset, "there is a gap before it, or an overlap");
}

Status SliceVerifier::ReadFilter() {
  if (where_.filter.size == 0) return Status::Ok();
  size_t size;
  const Result<OwnedBytes> bytes = file_->ReadContents(where_.filter, "filter block", &size);
  RETURN_IF_ERROR(bytes.status());
  Filter filter;
  if (const char* why = Filter::Parse({bytes->data.get(), size}, &filter)) {
    return file_->Corruption("filter block", where_.filter.offset, why);
  }
  filter_ = std::move(filter);
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
  if (record.type() == RecordType::kBlob && check_.pointer) {
    check_.pointer(where_.tree, record.user_key(), record.value());
  }
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
  const Result<std::shared_ptr<const Block>> block =
      slice.ReadDataBlock(handle, false, {.ahead = &ahead_});
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
  if (why == nullptr && whole_ && stored != counted_) why = "they differ from the records";
  if (why == nullptr) return Status::Ok();
  return file_->Corruption("properties block", where_.properties.offset, why);
}

void SliceVerifier::CheckData(const BlockIndex& index) {
  const TableSlice slice(file_, index, nullptr);
  Block::Iterator entry(&index.block());
  entry.SeekToFirst();
  SstKeyRange keys{where_.tree, std::nullopt, std::nullopt};
  for (size_t i = 0; i < index.size() && entry.Valid(); ++i, entry.Next()) {
    keys.after = std::exchange(keys.through, std::string(entry.user_key()));
    const Status status = CheckDataBlock(slice, index.handle(i));
    Note(status, keys);
    index_key_.assign(entry.user_key());
    index_sequence_ = entry.sequence();
    index_entry_due_ = status.ok();
  }
  Note(CheckIndexEntry(nullptr));
}

CheckedSlice SliceVerifier::Run() {
  Note(ReadFilter());
  const Result<BlockIndex> index = BlockIndex::Read(*file_, where_.index);
  const char* const why = index.ok() ? index->block().Check() : nullptr;
  if (!index.ok()) {
    Note(index.status(), SstKeyRange{where_.tree, std::nullopt, std::nullopt});
    *position_ = where_.filter.size != 0 ? where_.filter.offset : where_.properties.offset;
  } else if (why != nullptr) {
    Note(file_->Corruption("index block", where_.index.offset, why));
    *position_ = where_.filter.size != 0 ? where_.filter.offset : where_.properties.offset;
  } else {
    CheckData(*index);
  }
  if (where_.filter.size != 0) Note(Follow(where_.filter, "filter block"));
  Note(Follow(where_.properties, "properties block"));
  Note(Follow(where_.index, "index block"));
  Note(CheckProperties());
  return {where_.tree, whole_, std::move(counted_)};
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

namespace {

Result<std::vector<BlockHandle>> ReadBlobDirectory(const TableFile& file) {
  const BlockHandle directory = file.footer().directory;
  size_t size;
  const Result<OwnedBytes> bytes = file.ReadContents(directory, "directory", &size);
  RETURN_IF_ERROR(bytes.status());
  std::vector<BlockHandle> values;
  if (const char* why = DecodeBlobDirectory({bytes->data.get(), size}, directory.offset, &values)) {
    return file.Corruption("directory", directory.offset, why);
  }
  return values;
}

// A blob file: one value after the other, as many as its directory says.
void CheckValues(const TableFile& file, const SstCheck& check) {
  const Result<std::vector<BlockHandle>> values = ReadBlobDirectory(file);
  if (!values.ok()) return check.fault({values.status(), std::nullopt});
  for (const BlockHandle value : *values) {
    if (const Status read = file.ReadBlock(value, BlockKind::kValue).status(); !read.ok()) {
      check.fault({read, std::nullopt});
      if (check.damaged) check.damaged(value);
    }
    if (check.progress) check.progress(value.end());
  }
}

}  // namespace

std::string SstKeyRange::Text() const {
  std::string text = "keys of tree " + std::to_string(tree);
  text += after ? " behind " + Quoted(*after) : " from the first on";
  text += through ? " up to " + Quoted(*through) : " up to the last";
  return text;
}

Result<std::vector<CheckedSlice>> CheckSst(FileSystem* fs, const std::string& path,
                                           uint64_t file_number, const SstCheck& check) {
  const Result<std::shared_ptr<const TableFile>> file =
      TableFile::Open(fs, path, file_number, AccessPattern::kSequential);
  RETURN_IF_ERROR(file.status());
  std::vector<CheckedSlice> slices;
  if ((*file)->slices().empty() != check.values) {
    return (*file)->Corruption("footer", (*file)->size() - kSstFooterSize,
                               check.values ? "slices in a file of values" : "it has no slice");
  }
  if (check.values) {
    CheckValues(**file, check);
    return slices;
  }
  uint64_t position = 0;
  for (const SstSlice& slice : (*file)->slices()) {
    slices.push_back(SliceVerifier(*file, slice, check, &position).Run());
  }
  const uint64_t directory = (*file)->footer().directory.offset;
  if (position != directory) {
    check.fault({(*file)->Corruption("slice directory", directory,
                                     "there is a gap before it, or an overlap"),
                 std::nullopt});
  }
  return slices;
}

Result<std::vector<BlockHandle>> ListValues(FileSystem* fs, const std::string& path,
                                            uint64_t file_number) {
  const Result<std::shared_ptr<const TableFile>> file = TableFile::Open(fs, path, file_number);
  RETURN_IF_ERROR(file.status());
  if (!(*file)->slices().empty()) {
    return (*file)->Corruption("footer", (*file)->size() - kSstFooterSize,
                               "slices in a file of values");
  }
  return ReadBlobDirectory(**file);
}

Status VerifySst(FileSystem* fs, const std::string& path, uint64_t file_number) {
  Status first;
  const SstCheck check{[&first](const SstFault& fault) {
                         if (first.ok()) first = fault.status;
                       },
                       {}};
  RETURN_IF_ERROR(CheckSst(fs, path, file_number, check).status());
  return first;
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
