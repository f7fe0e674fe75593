// SPDX-License-Identifier: BSD-3-Clause
// Loads arbitrary bytes as a memtable dump: they are refused, or the table that they give dumps to
// the same bytes and finds each of its records.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/memtable/memtable_dump.h"
#include "lsm/util/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto table = lsm::LoadMemTableDump(bytes);
  if (!table.ok()) {
    VARVE_CHECK(table.status().IsCorruption());
    VARVE_CHECK(table.status().message().starts_with("offset "));
    return 0;
  }
  std::string again;
  VARVE_CHECK(lsm::DumpMemTable(**table, &again).ok());
  VARVE_CHECK(again == bytes);
  const auto it = (*table)->NewIterator();
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::string_view value;
    const auto found = (*table)->Get(it->user_key(), lsm::kMaxSequence, &value);
    VARVE_CHECK(found.found && found.type == it->type() && value == it->value());
  }
  return 0;
}
