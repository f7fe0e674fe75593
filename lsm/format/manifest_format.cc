// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/manifest_format.h"

#include <cassert>
#include <cinttypes>
#include <cstdio>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"
#include "lsm/format/file_names.h"

namespace lsm {
namespace {

constexpr uint32_t kEditMagic = 0x5445564d;
constexpr size_t kPayloadSizeAt = 4;
constexpr size_t kPayloadChecksumAt = 8;
constexpr size_t kChecksumAt = 16;

}  // namespace

uint64_t EditPaddedSize(uint64_t payload_size) {
  return (payload_size + kEditAlignment - 1) / kEditAlignment * kEditAlignment;
}

std::string EncodeEdit(std::string_view payload, uint64_t manifest, uint64_t offset) {
  assert(payload.size() <= UINT32_MAX && offset % kEditAlignment == 0);
  std::string padded(payload);
  padded.resize(EditPaddedSize(payload.size()));
  std::string edit;
  PutFixed32(&edit, kEditMagic);
  PutFixed32(&edit, static_cast<uint32_t>(payload.size()));
  PutFixed64(&edit, Checksum(padded, manifest, offset + kEditHeaderSize));
  PutFixed64(&edit, Checksum(edit, manifest, offset));
  return edit + padded;
}

bool DecodeEditHeader(std::string_view bytes, uint64_t manifest, uint64_t offset,
                      EditHeader* header) {
  assert(bytes.size() >= kEditHeaderSize);
  if (DecodeFixed32(bytes.data()) != kEditMagic) return false;
  header->payload_size = DecodeFixed32(bytes.data() + kPayloadSizeAt);
  header->payload_checksum = DecodeFixed64(bytes.data() + kPayloadChecksumAt);
  return Checksum(bytes.substr(0, kChecksumAt), manifest, offset) ==
         DecodeFixed64(bytes.data() + kChecksumAt);
}

bool EditPayloadMatches(const EditHeader& header, uint64_t manifest, uint64_t offset,
                        std::string_view padded) {
  return padded.size() == EditPaddedSize(header.payload_size) &&
         Checksum(padded, manifest, offset + kEditHeaderSize) == header.payload_checksum;
}

std::string EncodeCurrent(uint64_t manifest) {
  const std::string name = ManifestFileName("", manifest).substr(1);
  char checksum[24];
  std::snprintf(checksum, sizeof checksum, " %016" PRIx64 "\n", Checksum(name, 0, 0));
  return name + checksum;
}

Result<uint64_t> DecodeCurrent(std::string_view contents) {
  uint64_t number = 0;
  if (ParseFileName(contents.substr(0, contents.find(' ')), &number) != FileKind::kManifest) {
    return Status::Corruption("does not begin with the name of a manifest");
  }
  // Encoding again is the whole check: there is one way to name a manifest.
  if (EncodeCurrent(number) != contents) return Status::Corruption("the checksum is wrong");
  return number;
}

}  // namespace lsm
