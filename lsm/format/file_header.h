// SPDX-License-Identifier: BSD-3-Clause
// The header that log segments and manifests begin with (FORMAT.md, "File header"):
//
//      0  8  magic
//      8  4  format version
//     12  4  zero
//     16  8  number in the file's name; a log segment's generation
//     24  8  checksum of the 24 bytes before, for file 0 at offset 0
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace lsm {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr uint32_t kManifestFormatVersion = 2;
inline constexpr size_t kFileHeaderSize = 32;
inline constexpr std::string_view kLogMagic = "VARVEWAL";
inline constexpr std::string_view kManifestMagic = "VARVEMAN";

// REQUIRES: magic.size() == 8
std::string EncodeFileHeader(std::string_view magic, uint64_t number);

// The number in the header that `bytes` begin with. kCorruption says what is wrong with it, without
// a file name; kInvalidArgument that it is whole, but of a version that this release does not know.
Result<uint64_t> DecodeFileHeader(std::string_view magic, std::string_view bytes);

}  // namespace lsm
