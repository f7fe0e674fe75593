// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_builder.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "lsm/format/checksum.h"
#include "lsm/format/compression.h"
#include "lsm/format/table_format.h"
#include "lsm/sst/block_builder.h"
#include "lsm/sst/filter.h"
#include "lsm/util/check.h"
#include "lsm/util/quote.h"

namespace lsm {
namespace {

// Blocks go to the file in writes of about this many bytes.
constexpr size_t kWriteSize = size_t{256} << 10;

// An index is searched by bisection alone.
constexpr int kIndexRestartInterval = 1;

TableBuilderOptions Sane(TableBuilderOptions options) {
  options.block_size = std::clamp(options.block_size, size_t{1}, size_t{256} << 20);
  options.block_restart_interval = std::max(options.block_restart_interval, 1);
  options.filter_bits_per_key = std::clamp(options.filter_bits_per_key, 0, 64);
  return options;
}

// The shortest internal key that is fit for the index between the last key of a block and the
// first key of the next one: at or after the former, and with a user key before that of the latter
// unless it is the former itself. So a key's versions that begin in a block also end before the
// next block, or reach the index as they are.
std::string IndexKey(std::string_view last, std::string_view next) {
  const std::string_view last_user = last.substr(0, last.size() - kInternalTrailerSize);
  const std::string_view next_user = next.substr(0, next.size() - kInternalTrailerSize);
  const size_t limit = std::min(last_user.size(), next_user.size());
  size_t shared = 0;
  while (shared < limit && last_user[shared] == next_user[shared]) ++shared;
  std::string key;
  if (shared + 1 < std::min(last_user.size(), next_user.size())) {
    AppendInternalKey(&key, next_user.substr(0, shared + 1), kMaxSequence, RecordType::kValue);
  } else {
    key.assign(last);
  }
  return key;
}

}  // namespace

struct TableBuilder::Rep {
  Rep(const TableBuilderOptions& wanted, std::unique_ptr<WritableFile> target, uint64_t number)
      : options(Sane(wanted)),
        file(std::move(target)),
        file_number(number),
        block(BlockKind::kData, options.block_restart_interval),
        index(BlockKind::kIndex, kIndexRestartInterval) {}

  // Where the next byte goes.
  uint64_t offset() const { return written + unwritten.size(); }

  void Write(std::string_view bytes);
  void WriteOut() {
    Write(unwritten);
    unwritten.clear();
  }
  // Appends trailer and block to the file. `contents` is undefined afterwards.
  BlockHandle WriteBlock(std::string* contents, Compression compression);
  BlockHandle WriteRawBlock(std::string* contents, uint8_t type);
  void FinishDataBlock();
  // Enters the last data block into the index. `next`: the internal key behind it, empty if none.
  void FinishIndexEntry(std::string_view next);

  const TableBuilderOptions options;
  std::unique_ptr<WritableFile> file;
  const uint64_t file_number;
  Status status;  // the first error; nothing is written after it

  uint64_t written = 0;
  std::string unwritten;   // blocks that wait for a write of good size
  std::string compressed;  // scratch

  // The open slice.
  bool slice_open = false;
  uint64_t slice_begin = 0;
  SliceSummary summary;
  SstProperties properties;
  BlockBuilder block;
  BlockBuilder index;
  FilterBuilder filter;
  bool index_entry_due = false;  // last_handle and last_key are not in the index yet
  BlockHandle last_handle;
  std::string last_key;  // internal, of the last finished data block
  std::string key;       // scratch

  std::vector<BlockHandle> values;  // of a blob file
  std::vector<SstSlice> directory;
  std::vector<SliceSummary> summaries;
};

void TableBuilder::Rep::Write(std::string_view bytes) {
  if (!status.ok() || bytes.empty()) return;
  status = file->WriteAt(written, bytes);
  written += bytes.size();
}

BlockHandle TableBuilder::Rep::WriteRawBlock(std::string* contents, uint8_t type) {
  const BlockHandle handle{offset(), contents->size()};
  AppendBlockTrailer(contents, type, file_number, handle.offset);
  if (contents->size() < kWriteSize) {
    unwritten.append(*contents);
    if (unwritten.size() >= kWriteSize) WriteOut();
  } else {
    WriteOut();
    Write(*contents);
  }
  return handle;
}

BlockHandle TableBuilder::Rep::WriteBlock(std::string* contents, Compression compression) {
  const Compression used = CompressBlock(compression, options.zstd_level, *contents, &compressed);
  std::string* const stored = used == Compression::kNone ? contents : &compressed;
  const BlockHandle handle = WriteRawBlock(stored, static_cast<uint8_t>(used));
  if (compressed.capacity() > kWriteSize) std::string().swap(compressed);
  return handle;
}

void TableBuilder::Rep::FinishDataBlock() {
  if (block.empty()) return;
  last_key.assign(block.last_key());
  last_handle = WriteBlock(block.Finish(), options.compression);
  block.Reset();
  index_entry_due = true;
  ++properties.data_blocks;
}

void TableBuilder::Rep::FinishIndexEntry(std::string_view next) {
  if (!index_entry_due) return;
  index_entry_due = false;
  const std::string index_key = next.empty() ? last_key : IndexKey(last_key, next);
  std::string handle;
  PutBlockHandle(&handle, last_handle);
  if (index.UpperBound(index_key, handle) > kMaxBlockSize) {
    if (status.ok()) status = Status::InvalidArgument("the keys are too large for one SST index");
    return;
  }
  index.Add(index_key, handle);
}

TableBuilder::TableBuilder(const TableBuilderOptions& options, std::unique_ptr<WritableFile> file,
                           uint64_t file_number)
    : rep_(std::make_unique<Rep>(options, std::move(file), file_number)) {}

TableBuilder::~TableBuilder() = default;

Result<BlobPointer> TableBuilder::AddValue(std::string_view value) {
  Rep& r = *rep_;
  VARVE_CHECK(!r.slice_open && r.directory.empty());
  if (!r.status.ok()) return r.status;
  if (value.size() > kMaxValueSize) {
    return r.status = Status::InvalidArgument("a value is larger than the limit");
  }
  std::string contents(value);
  r.values.push_back(r.WriteBlock(&contents, r.options.compression));
  RETURN_IF_ERROR(r.status);
  return BlobPointer{r.file_number, r.values.back()};
}

void TableBuilder::BeginSlice(TreeId tree) {
  Rep& r = *rep_;
  VARVE_CHECK(!r.slice_open && r.values.empty());
  VARVE_CHECK(r.summaries.empty() || r.summaries.back().tree < tree);
  r.slice_open = true;
  r.slice_begin = r.offset();
  r.summary = {};
  r.summary.tree = tree;
  r.properties = {};
  r.last_key.clear();
}

Status TableBuilder::Add(std::string_view user_key, SequenceNumber sequence, RecordType type,
                         std::string_view value) {
  Rep& r = *rep_;
  VARVE_CHECK(r.slice_open);
  VARVE_CHECK(type != RecordType::kPatch);
  if (!r.status.ok()) return r.status;
  if (user_key.size() > kMaxKeySize || value.size() > kMaxValueSize) {
    return r.status = Status::InvalidArgument("a record is larger than the limit");
  }
  const std::string_view last = r.block.empty() ? r.last_key : r.block.last_key();
  if (!last.empty()) {
    const uint64_t trailer = DecodeFixed64(last.data() + last.size() - kInternalTrailerSize);
    if (CompareInternal(last.substr(0, last.size() - kInternalTrailerSize), trailer >> 8, user_key,
                        sequence) >= 0) {
      return r.status = Status::Corruption("records are out of order at key " + Quoted(user_key));
    }
  }
  r.key.clear();
  AppendInternalKey(&r.key, user_key, sequence, type);

  // A record that does not fit the block goes into the next one, so that a block larger than
  // block_size holds one record only.
  if (r.block.UpperBound(r.key, value) > r.options.block_size) r.FinishDataBlock();
  if (r.block.empty()) r.FinishIndexEntry(r.key);
  if (r.options.filter_bits_per_key > 0) r.filter.Add(HashKey(user_key));
  r.block.Add(r.key, value);
  if (r.block.Size() >= r.options.block_size) r.FinishDataBlock();

  SliceSummary& s = r.summary;
  if (s.entries == 0) {
    s.smallest_key.assign(user_key);
    s.smallest_sequence = s.largest_sequence = sequence;
  }
  s.smallest_sequence = std::min(s.smallest_sequence, sequence);
  s.largest_sequence = std::max(s.largest_sequence, sequence);
  ++s.entries;
  if (type == RecordType::kTombstone) ++s.tombstones;
  if (type == RecordType::kBlob) {
    BlobPointer pointer;
    if (const char* why = DecodeBlobPointer(value, &pointer)) {
      return r.status = Status::Corruption(why);
    }
    SliceSummary::Blobs& blobs = s.blobs[pointer.file];
    ++blobs.values;
    blobs.bytes += pointer.stored_size();
  }
  r.properties.raw_key_bytes += user_key.size();
  r.properties.raw_value_bytes += value.size();
  return r.status;
}

Status TableBuilder::EndSlice() {
  Rep& r = *rep_;
  VARVE_CHECK(r.slice_open);
  r.slice_open = false;
  SliceSummary& s = r.summary;
  if (s.entries == 0) return r.status;
  r.FinishDataBlock();
  r.FinishIndexEntry({});
  s.largest_key.assign(r.last_key, 0, r.last_key.size() - kInternalTrailerSize);

  SstSlice slice;
  slice.tree = s.tree;
  if (r.options.filter_bits_per_key > 0) {
    std::string filter = r.filter.Build(r.options.filter_bits_per_key);
    slice.filter = r.WriteBlock(&filter, Compression::kNone);
    r.filter.Reset();
  }
  r.properties.entries = s.entries;
  r.properties.tombstones = s.tombstones;
  r.properties.smallest_sequence = s.smallest_sequence;
  r.properties.largest_sequence = s.largest_sequence;
  r.properties.smallest_key = s.smallest_key;
  r.properties.largest_key = s.largest_key;
  std::string properties = EncodeSstProperties(r.properties);
  slice.properties = r.WriteBlock(&properties, Compression::kNone);
  slice.index = r.WriteBlock(r.index.Finish(), r.options.compression);
  r.index.Reset();
  s.bytes = r.offset() - r.slice_begin;
  r.directory.push_back(slice);
  r.summaries.push_back(std::move(s));
  return r.status;
}

Status TableBuilder::Finish() {
  Rep& r = *rep_;
  VARVE_CHECK(!r.slice_open);
  std::string directory = EncodeBlobDirectory(r.values);
  for (const SstSlice& slice : r.directory) PutSstSlice(&directory, slice);
  SstFooter footer;
  footer.directory = r.WriteBlock(&directory, Compression::kNone);
  footer.file_number = r.file_number;
  footer.slices = static_cast<uint32_t>(r.directory.size());
  r.unwritten.append(EncodeSstFooter(footer, r.offset()));
  r.WriteOut();
  if (r.status.ok()) r.status = r.file->Sync();
  if (r.status.ok()) r.status = r.file->Close();
  return r.status;
}

uint64_t TableBuilder::FileSize() const {
  return rep_->offset() + (rep_->block.empty() ? 0 : rep_->block.Size());
}

const std::vector<SliceSummary>& TableBuilder::slices() const { return rep_->summaries; }

}  // namespace lsm
