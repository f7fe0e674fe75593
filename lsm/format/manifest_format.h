// SPDX-License-Identifier: BSD-3-Clause
// The frame around each edit of a manifest, and the contents of CURRENT, as bytes (FORMAT.md,
// "Manifest").
//
// Thread safety: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace lsm {

inline constexpr size_t kEditAlignment = 8;
inline constexpr size_t kEditHeaderSize = 24;
// CURRENT is never larger.
inline constexpr size_t kMaxCurrentSize = 64;

struct EditHeader {
  uint32_t payload_size = 0;
  uint64_t payload_checksum = 0;
};

// Payload and the zeros behind it.
uint64_t EditPaddedSize(uint64_t payload_size);

// The framed edit. REQUIRES: payload.size() fits 32 bits
std::string EncodeEdit(std::string_view payload, uint64_t manifest, uint64_t offset);

// False if no header stands here. REQUIRES: bytes.size() >= kEditHeaderSize
[[nodiscard]] bool DecodeEditHeader(std::string_view bytes, uint64_t manifest, uint64_t offset,
                                    EditHeader* header);

// Whether `padded`, the EditPaddedSize bytes behind a header at `offset`, are what it announces.
bool EditPayloadMatches(const EditHeader& header, uint64_t manifest, uint64_t offset,
                        std::string_view padded);

// What CURRENT holds to name MANIFEST-`manifest`, and back.
std::string EncodeCurrent(uint64_t manifest);
Result<uint64_t> DecodeCurrent(std::string_view contents);

}  // namespace lsm
