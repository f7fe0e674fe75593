// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/format/checksum.h"

#include <xxhash.h>

#include "lsm/util/check.h"

namespace lsm {
namespace {

// An odd multiplier keeps (file, offset) pairs apart for all files below 2^24 and offsets below
// 2^40; beyond that a collision still needs equal bytes as well.
uint64_t SeedOf(uint64_t file, uint64_t offset) {
  return (file << 40) ^ (file >> 24) ^ (offset * 0x9e3779b97f4a7c15u);
}

}  // namespace

uint64_t Checksum(std::string_view bytes, uint64_t file, uint64_t offset) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), SeedOf(file, offset));
}

struct GrowingChecksum::State {
  XXH3_state_t* const hash = XXH3_createState();
  ~State() { XXH3_freeState(hash); }
};

GrowingChecksum::GrowingChecksum(uint64_t file, uint64_t offset)
    : state_(std::make_unique<State>()) {
  VARVE_CHECK(state_->hash != nullptr);
  XXH3_64bits_reset_withSeed(state_->hash, SeedOf(file, offset));
}
GrowingChecksum::~GrowingChecksum() = default;

void GrowingChecksum::Append(std::string_view bytes) {
  XXH3_64bits_update(state_->hash, bytes.data(), bytes.size());
}
uint64_t GrowingChecksum::Value() const { return XXH3_64bits_digest(state_->hash); }

uint64_t HashKey(std::string_view key) { return XXH3_64bits(key.data(), key.size()); }

}  // namespace lsm
