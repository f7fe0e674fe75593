// SPDX-License-Identifier: BSD-3-Clause
// TablePrefetch brings what point reads of many keys will look at into the processor's cache. A
// read waits for memory half a dozen times, each time for something that the time before has told
// it; here each step is done for all keys before the next one, so that they wait together.
//
// Nothing is read from disk, counted, or held after Run.
//
// Thread safety: none; lives for one batch.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lsm/sst/block.h"
#include "lsm/sst/table_reader.h"
#include "lsm/types.h"

namespace lsm {

class TablePrefetch {
 public:
  static constexpr size_t kKeys = 64;

  explicit TablePrefetch(SequenceNumber sequence) : sequence_(sequence) {}

  // The tables of one key follow one another in the order in which a read would ask them; what is
  // too much is left out. The reader and the key must live until Run has returned.
  void Add(const TableReader* table, std::string_view key, uint64_t hash);
  void Run();

 private:
  // A table that may have a key, and the first candidate of that key.
  struct Candidate {
    const TableReader* table;
    std::string_view key;
    uint64_t hash;
  };
  struct Read {
    const TableReader* table;
    uint64_t hash;
    size_t block;
  };
  void ChooseTables();

  const SequenceNumber sequence_;
  size_t candidate_count_ = 0;
  size_t read_count_ = 0;
  std::array<Candidate, 4 * kKeys> candidates_;
  std::array<Read, kKeys> reads_;
};

}  // namespace lsm
