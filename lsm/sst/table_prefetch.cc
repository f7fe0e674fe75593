// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_prefetch.h"

#include <span>

namespace lsm {

void TablePrefetch::Add(const TableReader* table, std::string_view key, uint64_t hash) {
  if (candidate_count_ == candidates_.size()) return;
  table->PrefetchFilter(hash);
  candidates_[candidate_count_++] = {table, key, hash};
}

// For each key the first table whose filter lets it pass: most likely the one that has it.
void TablePrefetch::ChooseTables() {
  const char* chosen = nullptr;  // where the last key begins that has a table
  for (const Candidate& candidate : std::span(candidates_).first(candidate_count_)) {
    if (candidate.key.data() == chosen || !candidate.table->MayContain(candidate.hash)) continue;
    if (read_count_ == reads_.size()) return;
    chosen = candidate.key.data();
    const size_t block = candidate.table->FindBlock(candidate.key, sequence_);
    if (block == TableReader::kNoBlock) continue;
    reads_[read_count_++] = {candidate.table, candidate.hash, block};
  }
}

void TablePrefetch::Run() {
  ChooseTables();
  const std::span<const Read> reads = std::span(reads_).first(read_count_);
  for (const Read& read : reads) read.table->PrefetchCacheEntry(read.block);
  for (const Read& read : reads) read.table->PrefetchBlock(read.block);
  std::array<std::shared_ptr<const Block>, kKeys> blocks;
  for (size_t i = 0; i < reads.size(); ++i) {
    blocks[i] = reads[i].table->PeekBlock(reads[i].block);
    if (blocks[i] != nullptr) blocks[i]->PrefetchTags();
  }
  for (size_t i = 0; i < reads.size(); ++i) {
    if (blocks[i] != nullptr) blocks[i]->PrefetchEntries(reads[i].hash);
  }
}

}  // namespace lsm
