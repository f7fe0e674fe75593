// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/filter.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "lsm/format/table_format.h"

namespace lsm {
namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kLineBits = kLineBytes * 8;
constexpr unsigned kMaxProbes = 30;
constexpr uint32_t kGolden = 0x9e3779b9u;

size_t LineOf(uint64_t hash, size_t lines) { return ((hash >> 32) * lines) >> 32; }

// The next bit of a key within its line.
uint32_t NextBit(uint32_t* state) {
  const uint32_t bit = *state >> 23;
  *state *= kGolden;
  return bit;
}

// Lines fill unevenly, so the best number of probes is a little below the 0.69 bits per key of an
// unblocked filter.
unsigned ProbesFor(int bits_per_key) {
  return static_cast<unsigned>(std::clamp(bits_per_key * 6 / 10, 1, 12));
}

}  // namespace

std::string FilterBuilder::Build(int bits_per_key) const {
  assert(bits_per_key >= 1);
  const size_t bits = hashes_.size() * static_cast<size_t>(bits_per_key);
  const size_t lines =
      std::clamp((bits + kLineBits - 1) / kLineBits, size_t{1}, (kMaxBlockSize - 1) / kLineBytes);
  const unsigned probes = ProbesFor(bits_per_key);
  std::string contents(lines * kLineBytes, '\0');
  for (const uint64_t hash : hashes_) {
    char* const line = contents.data() + LineOf(hash, lines) * kLineBytes;
    auto state = static_cast<uint32_t>(hash);
    for (unsigned i = 0; i < probes; ++i) {
      const uint32_t bit = NextBit(&state);
      line[bit / 8] = static_cast<char>(line[bit / 8] | (1 << (bit % 8)));
    }
  }
  contents.push_back(static_cast<char>(probes));
  return contents;
}

const char* Filter::Parse(std::string_view contents, Filter* filter) {
  if (contents.size() <= kLineBytes || contents.size() % kLineBytes != 1) {
    return "impossible size";
  }
  const auto probes = static_cast<unsigned char>(contents.back());
  if (probes < 1 || probes > kMaxProbes) return "impossible number of probes";
  filter->probes_ = probes;
  filter->lines_.resize(contents.size() / kLineBytes);
  std::memcpy(filter->lines_.data(), contents.data(), filter->lines_.size() * kLineBytes);
  return nullptr;
}

void Filter::Prefetch(uint64_t hash) const {
  __builtin_prefetch(&lines_[LineOf(hash, lines_.size())]);
}

bool Filter::MayContain(uint64_t hash) const {
  const unsigned char* const line = lines_[LineOf(hash, lines_.size())].bytes;
  auto state = static_cast<uint32_t>(hash);
  for (unsigned i = 0; i < probes_; ++i) {
    const uint32_t bit = NextBit(&state);
    if ((line[bit / 8] >> (bit % 8) & 1) == 0) return false;
  }
  return true;
}

}  // namespace lsm
