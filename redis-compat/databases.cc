// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/databases.h"

#include <memory>
#include <string>

#include "redis-compat/config.h"
#include "redis-compat/key_codec.h"

namespace redis {

lsm::Status Databases::Load(lsm::ReadView* view) {
  entries_.clear();
  lsm::IterateOptions options;
  options.prefix = std::string(kDatabaseRecordPrefix);
  auto iterator = view->NewIterator(lsm::kDirectoryTree, options);
  if (!iterator.ok()) return iterator.status();
  lsm::Iterator& records = **iterator;
  for (records.SeekToFirst(); records.Valid(); records.Next()) {
    const auto number = DecodeDatabaseKey(records.key());
    if (!number.ok()) return number.status();
    const auto tree = DecodeFixed32(records.value(), "database record");
    if (!tree.ok()) return tree.status();
    // A number that no configuration allows is damage.
    if (number.value() >= uint32_t{kMaxDatabases} || tree.value() == lsm::kDirectoryTree) {
      return lsm::Status::Corruption("malformed database record");
    }
    if (number.value() >= entries_.size()) entries_.resize(number.value() + 1);
    entries_[number.value()] = {tree.value(), records.sequence()};
  }
  return records.status();
}

const Databases::Entry& Databases::Find(int database) const {
  static constexpr Entry kNone;
  const auto number = static_cast<size_t>(database);
  return number < entries_.size() ? entries_[number] : kNone;
}

void Databases::Apply(const std::vector<WriteUnit::TreeChange>& changes,
                      lsm::SequenceNumber sequence) {
  for (const WriteUnit::TreeChange& change : changes) {
    const auto number = static_cast<size_t>(change.database);
    if (number >= entries_.size()) entries_.resize(number + 1);
    entries_[number] = {change.tree, sequence};
  }
}

std::vector<int> Databases::NonEmpty() const {
  std::vector<int> numbers;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].tree != lsm::kDirectoryTree) numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

}  // namespace redis
