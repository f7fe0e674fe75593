// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/table_format.h"

#include <array>
#include <cassert>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"

namespace lsm {
namespace {

constexpr std::string_view kMagic = "VARVESST";
constexpr size_t kChecksummed = kSstFooterSize - 8;

// The numeric properties, by name; with the two keys they are all there are. Ascending.
struct NumericProperty {
  std::string_view name;
  uint64_t SstProperties::*field;
};
constexpr std::array<NumericProperty, 7> kNumericProperties = {{
    {"data_blocks", &SstProperties::data_blocks},
    {"entries", &SstProperties::entries},
    {"largest_sequence", &SstProperties::largest_sequence},
    {"raw_key_bytes", &SstProperties::raw_key_bytes},
    {"raw_value_bytes", &SstProperties::raw_value_bytes},
    {"smallest_sequence", &SstProperties::smallest_sequence},
    {"tombstones", &SstProperties::tombstones},
}};
struct KeyProperty {
  std::string_view name;
  std::string SstProperties::*field;
};
constexpr std::array<KeyProperty, 2> kKeyProperties = {{
    {"largest_key", &SstProperties::largest_key},
    {"smallest_key", &SstProperties::smallest_key},
}};
constexpr size_t kKnownProperties = kNumericProperties.size() + kKeyProperties.size();

// Counts a property that it knows in `*known`. False if the value is malformed.
bool DecodeProperty(std::string_view name, std::string_view value, SstProperties* properties,
                    size_t* known) {
  for (const NumericProperty& numeric : kNumericProperties) {
    if (numeric.name != name) continue;
    ++*known;
    return GetVarint64(&value, &(properties->*numeric.field)) && value.empty();
  }
  for (const KeyProperty& key : kKeyProperties) {
    if (key.name != name) continue;
    ++*known;
    (properties->*key.field).assign(value);
    return true;
  }
  return true;
}

}  // namespace

void PutBlockHandle(std::string* to, BlockHandle handle) {
  PutVarint64(to, handle.offset);
  PutVarint64(to, handle.size);
}

bool GetBlockHandle(std::string_view* input, BlockHandle* handle) {
  return GetVarint64(input, &handle->offset) && GetVarint64(input, &handle->size);
}

void AppendBlockTrailer(std::string* contents, uint8_t compression, uint64_t file,
                        uint64_t offset) {
  contents->push_back(static_cast<char>(compression));
  PutFixed64(contents, Checksum(*contents, file, offset));
}

void PutSstSlice(std::string* to, const SstSlice& slice) {
  PutVarint32(to, slice.tree);
  PutBlockHandle(to, slice.index);
  PutBlockHandle(to, slice.filter);
  PutBlockHandle(to, slice.properties);
}

const char* DecodeSstDirectory(std::string_view contents, uint32_t count, uint64_t directory_offset,
                               std::vector<SstSlice>* slices) {
  slices->clear();
  while (!contents.empty()) {
    SstSlice slice;
    if (!GetVarint32(&contents, &slice.tree) || !GetBlockHandle(&contents, &slice.index) ||
        !GetBlockHandle(&contents, &slice.filter) ||
        !GetBlockHandle(&contents, &slice.properties)) {
      return "malformed slice";
    }
    if (!slices->empty() && slice.tree <= slices->back().tree) return "slices are out of order";
    if (!slice.index.Within(directory_offset) || !slice.properties.Within(directory_offset) ||
        (slice.filter.size != 0 && !slice.filter.Within(directory_offset))) {
      return "a slice's block lies outside of the file";
    }
    slices->push_back(slice);
  }
  if (slices->size() != count) return "number of slices differs from the footer's";
  return nullptr;
}

std::string EncodeBlobPointer(const BlobPointer& pointer) {
  std::string bytes;
  PutVarint64(&bytes, pointer.file);
  PutBlockHandle(&bytes, pointer.block);
  return bytes;
}

const char* DecodeBlobPointer(std::string_view bytes, BlobPointer* pointer) {
  if (!GetVarint64(&bytes, &pointer->file) || !GetBlockHandle(&bytes, &pointer->block) ||
      !bytes.empty()) {
    return "malformed blob pointer";
  }
  if (pointer->file == 0 || pointer->file == UINT64_MAX) return "impossible number of a blob file";
  return pointer->block.Within(UINT64_MAX) ? nullptr : "impossible place in a blob file";
}

std::string EncodeBlobDirectory(const std::vector<BlockHandle>& blocks) {
  std::string bytes;
  for (const BlockHandle& block : blocks) PutVarint64(&bytes, block.size);
  return bytes;
}

const char* DecodeBlobDirectory(std::string_view contents, uint64_t directory_offset,
                                std::vector<BlockHandle>* blocks) {
  blocks->clear();
  BlockHandle block;
  for (uint64_t at = 0; !contents.empty(); at = block.end()) {
    block.offset = at;
    if (!GetVarint64(&contents, &block.size)) return "malformed size of a value";
    if (!block.Within(directory_offset)) return "a value lies outside of the file";
    blocks->push_back(block);
  }
  const uint64_t end = blocks->empty() ? 0 : blocks->back().end();
  return end == directory_offset ? nullptr : "the values do not end at the directory";
}

std::string EncodeSstFooter(const SstFooter& footer, uint64_t offset) {
  std::string bytes;
  bytes.reserve(kSstFooterSize);
  PutFixed64(&bytes, footer.directory.offset);
  PutFixed64(&bytes, footer.directory.size);
  PutFixed64(&bytes, footer.file_number);
  PutFixed32(&bytes, footer.slices);
  PutFixed32(&bytes, kSstFormatVersion);
  bytes.append(kMagic);
  PutFixed64(&bytes, Checksum(bytes, footer.file_number, offset));
  assert(bytes.size() == kSstFooterSize);
  return bytes;
}

const char* DecodeSstFooter(std::string_view bytes, uint64_t file_number, uint64_t offset,
                            SstFooter* footer) {
  assert(bytes.size() == kSstFooterSize);
  if (bytes.substr(32, kMagic.size()) != kMagic) return "no SST magic";
  if (DecodeFixed32(bytes.data() + 28) != kSstFormatVersion) return "unknown format version";
  footer->directory.offset = DecodeFixed64(bytes.data());
  footer->directory.size = DecodeFixed64(bytes.data() + 8);
  footer->file_number = DecodeFixed64(bytes.data() + 16);
  footer->slices = DecodeFixed32(bytes.data() + 24);
  // The number goes into the checksum, so it is told first when a file has merely a wrong name.
  if (footer->file_number != file_number) return "file number differs from the name's";
  if (DecodeFixed64(bytes.data() + kChecksummed) !=
      Checksum(bytes.substr(0, kChecksummed), file_number, offset)) {
    return "checksum mismatch";
  }
  if (!footer->directory.Within(offset) || footer->directory.end() != offset) {
    return "the slice directory does not end at the footer";
  }
  return nullptr;
}

std::string EncodeSstProperties(const SstProperties& properties) {
  std::string bytes;
  size_t next_key = 0;
  const auto put_keys_before = [&](std::string_view name) {
    for (; next_key < kKeyProperties.size(); ++next_key) {
      const KeyProperty& key = kKeyProperties[next_key];
      if (!name.empty() && key.name > name) return;
      PutLengthPrefixed(&bytes, key.name);
      PutLengthPrefixed(&bytes, properties.*key.field);
    }
  };
  for (const NumericProperty& numeric : kNumericProperties) {
    put_keys_before(numeric.name);
    std::string value;
    PutVarint64(&value, properties.*numeric.field);
    PutLengthPrefixed(&bytes, numeric.name);
    PutLengthPrefixed(&bytes, value);
  }
  put_keys_before("");
  return bytes;
}

const char* DecodeSstProperties(std::string_view contents, SstProperties* properties) {
  std::string_view previous;
  size_t known = 0;
  for (bool first = true; !contents.empty(); first = false) {
    std::string_view name;
    std::string_view value;
    if (!GetLengthPrefixed(&contents, &name) || !GetLengthPrefixed(&contents, &value)) {
      return "malformed property";
    }
    if (!first && name <= previous) return "properties are out of order";
    previous = name;
    if (!DecodeProperty(name, value, properties, &known)) return "malformed value of a property";
  }
  if (known != kKnownProperties) return "a property is missing";
  return nullptr;
}

}  // namespace lsm
