// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/sst_files.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lsm/format/checksum.h"
#include "lsm/format/compression.h"
#include "lsm/format/table_format.h"
#include "lsm/sst/block.h"
#include "lsm/sst/table_file.h"
#include "lsm/sst/table_reader.h"

namespace lsm {
namespace {

SstRecord RecordAt(const InternalIterator& it) {
  return {std::string(it.user_key()), it.sequence(), it.type(), std::string(it.value())};
}

// Rewrites the checksum of the block at `handle` and returns its uncompressed contents, or nothing
// if it is beyond the file or does not decompress.
std::string ResealBlock(BlockHandle handle, uint64_t file_number, std::string* bytes) {
  if (!handle.Within(bytes->size())) return {};
  const std::string_view sealed(bytes->data() + handle.offset, handle.size + 1);
  const uint64_t checksum = Checksum(sealed, file_number, handle.offset);
  const auto type = static_cast<uint8_t>(sealed.back());
  EncodeFixed64(bytes->data() + handle.offset + handle.size + 1, checksum);
  const std::string_view stored = sealed.substr(0, handle.size);
  if (type == 0) return std::string(stored);
  OwnedBytes contents;
  if (DecompressBlock(type, stored, &contents) != nullptr) return {};
  return std::string(contents.view());
}

void ResealSlice(const SstSlice& slice, uint64_t file_number, std::string* bytes) {
  ResealBlock(slice.filter, file_number, bytes);
  ResealBlock(slice.properties, file_number, bytes);
  const std::string contents = ResealBlock(slice.index, file_number, bytes);
  OwnedBytes owned(contents.size());
  std::memcpy(owned.data.get(), contents.data(), contents.size());
  const char* why;
  const auto index = Block::Parse(std::move(owned), contents.size(), BlockKind::kIndex, &why);
  if (index == nullptr) return;
  Block::Iterator entry(index.get());
  for (entry.SeekToFirst(); entry.Valid(); entry.Next()) {
    std::string_view value = entry.value();
    BlockHandle handle;
    if (GetBlockHandle(&value, &handle)) ResealBlock(handle, file_number, bytes);
  }
}

// What contradicts itself in the reading of one slice.
std::string ExerciseSlice(const TableReader& reader, bool verified) {
  SstRecords forwards;
  const auto it = reader.NewIterator(true);
  for (it->SeekToFirst(); it->Valid(); it->Next()) forwards.push_back(RecordAt(*it));
  const auto back = reader.NewIterator(false);
  SstRecords backwards;
  for (back->SeekToLast(); back->Valid(); back->Prev()) backwards.push_back(RecordAt(*back));
  std::reverse(backwards.begin(), backwards.end());
  if (verified && !(it->status().ok() && back->status().ok())) return "a verified file fails";
  if (verified && forwards != backwards) return "forwards and backwards differ";
  const auto properties = reader.ReadProperties();
  if (verified && !properties.ok()) return "the properties of a verified file fail";
  if (verified && properties->entries != forwards.size()) return "the properties miscount";

  const auto seek = reader.NewIterator(true);
  for (const SstRecord& record : forwards) {
    PinnedValue value;
    const auto found = reader.Get(record.key, record.sequence, &value, nullptr);
    seek->Seek(record.key, record.sequence);
    const bool sought = seek->Valid() && RecordAt(*seek) == record;
    seek->SeekBefore(record.key);
    if (!verified) continue;
    if (!found.ok() || !found->found || found->sequence != record.sequence ||
        found->type != record.type || value.view() != record.value) {
      return "a record is not found";
    }
    if (!sought) return "seeking misses a record";
    if (!seek->status().ok() || (seek->Valid() && seek->user_key() >= record.key)) {
      return "seeking before a key fails";
    }
  }
  return "";
}

}  // namespace

Status WriteSst(FileSystem* fs, const std::string& path, uint64_t file_number,
                const TableBuilderOptions& options, const std::map<TreeId, SstRecords>& trees,
                std::vector<SliceSummary>* summaries) {
  auto file = fs->Create(path, /*truncate=*/true);
  RETURN_IF_ERROR(file.status());
  TableBuilder builder(options, std::move(*file), file_number);
  for (const auto& [tree, records] : trees) {
    builder.BeginSlice(tree);
    for (const SstRecord& r : records) {
      RETURN_IF_ERROR(builder.Add(r.key, r.sequence, r.type, r.value));
    }
    RETURN_IF_ERROR(builder.EndSlice());
  }
  RETURN_IF_ERROR(builder.Finish());
  if (summaries != nullptr) *summaries = builder.slices();
  return Status::Ok();
}

Result<SstRecords> ReadSst(FileSystem* fs, const std::string& path, uint64_t file_number,
                           TreeId tree) {
  const auto reader = TableReader::Open(fs, path, file_number, tree, nullptr);
  RETURN_IF_ERROR(reader.status());
  SstRecords records;
  const auto it = (*reader)->NewIterator(false);
  for (it->SeekToFirst(); it->Valid(); it->Next()) records.push_back(RecordAt(*it));
  RETURN_IF_ERROR(it->status());
  return records;
}

void ResealSst(uint64_t file_number, std::string* bytes) {
  if (bytes->size() < kSstFooterSize) return;
  const uint64_t footer_offset = bytes->size() - kSstFooterSize;
  const std::string_view footer_bytes(bytes->data() + footer_offset, kSstFooterSize);
  EncodeFixed64(bytes->data() + bytes->size() - 8,
                Checksum(footer_bytes.substr(0, kSstFooterSize - 8), file_number, footer_offset));
  SstFooter footer;
  if (DecodeSstFooter(footer_bytes, file_number, footer_offset, &footer) != nullptr) return;
  const std::string directory = ResealBlock(footer.directory, file_number, bytes);
  std::vector<SstSlice> slices;
  if (DecodeSstDirectory(directory, footer.slices, footer.directory.offset, &slices) != nullptr) {
    return;
  }
  for (const SstSlice& slice : slices) ResealSlice(slice, file_number, bytes);
}

std::string ExerciseSst(FileSystem* fs, const std::string& path, uint64_t file_number) {
  const bool verified = VerifySst(fs, path, file_number).ok();
  const Status dumped = DumpSst(fs, path, file_number, [](std::string_view) {});
  if (verified && !dumped.ok()) return "a verified file cannot be dumped";
  const auto file = TableFile::Open(fs, path, file_number);
  if (!file.ok()) return verified ? "a verified file does not open" : "";
  BlockCache cache(size_t{64} << 10);
  for (const SstSlice& slice : (*file)->slices()) {
    const auto reader = TableReader::Open(*file, slice.tree, &cache);
    if (!reader.ok()) {
      if (verified) return "a verified slice does not open";
      continue;
    }
    if (std::string fault = ExerciseSlice(**reader, verified); !fault.empty()) return fault;
  }
  return "";
}

}  // namespace lsm
