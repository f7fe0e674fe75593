// SPDX-License-Identifier: BSD-3-Clause

#include "lsm/db/flush_plan.h"

#include <algorithm>
#include <map>

namespace lsm {

void FlushPlan::Add(const TreeRef& tree, SequenceNumber limit) {
  const auto& frozen = tree->state->frozen;
  SequenceNumber through = 0;
  bool joins = false;  // what this call took last can be gone on with
  for (auto at = frozen.rbegin(); at != frozen.rend() && (*at)->mark.through <= limit; ++at) {
    const std::shared_ptr<const FrozenTable>& table = *at;
    through = table->mark.through;
    if (!tables.insert(table.get()).second) {
      joins = false;
      continue;
    }
    bytes += table->bytes;
    if (!joins || items.back().owners() != table->owners) items.push_back({{}, tree->id, 0});
    items.back().tables.push_back(table);
    joins = true;
  }
  if (tree->counted && tree->counted->through <= limit && tree->counted->through > through) {
    through = tree->counted->through;
    counted.push_back({tree, *tree->counted});
  }
  largest = std::max(largest, through);
}

void FlushPlan::Finish() {
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.mark().through < b.mark().through;
  });
  std::map<TreeId, size_t> next_file;
  for (Item& item : items) {
    for (const TreeId owner : item.owners()) item.file = std::max(item.file, next_file[owner]);
    for (const TreeId owner : item.owners()) next_file[owner] = item.file + 1;
  }
}

}  // namespace lsm
