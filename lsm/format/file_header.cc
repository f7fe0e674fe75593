// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/file_header.h"

#include <cassert>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"

namespace lsm {
namespace {

constexpr size_t kMagicSize = 8;
constexpr size_t kChecksumAt = kFileHeaderSize - 8;

uint32_t FormatVersionOf(std::string_view magic) {
  return magic == kLogMagic ? kLogFormatVersion : kManifestFormatVersion;
}

}  // namespace

std::string EncodeFileHeader(std::string_view magic, uint64_t number) {
  assert(magic.size() == kMagicSize);
  std::string header(magic);
  PutFixed32(&header, FormatVersionOf(magic));
  PutFixed32(&header, 0);
  PutFixed64(&header, number);
  PutFixed64(&header, Checksum(header, 0, 0));
  return header;
}

Result<uint64_t> DecodeFileHeader(std::string_view magic, std::string_view bytes) {
  if (bytes.size() < kFileHeaderSize) return Status::Corruption("the file header is cut");
  if (bytes.substr(0, kMagicSize) != magic) {
    return Status::Corruption("the file header does not begin with " + std::string(magic));
  }
  if (Checksum(bytes.substr(0, kChecksumAt), 0, 0) != DecodeFixed64(bytes.data() + kChecksumAt)) {
    return Status::Corruption("the file header's checksum is wrong");
  }
  const uint32_t version = DecodeFixed32(bytes.data() + kMagicSize);
  if (version != FormatVersionOf(magic)) {
    return Status::InvalidArgument("format version " + std::to_string(version) +
                                   " is not known to this release");
  }
  if (DecodeFixed32(bytes.data() + 12) != 0) {
    return Status::Corruption("the file header has bytes of no meaning");
  }
  return DecodeFixed64(bytes.data() + 16);
}

}  // namespace lsm
