// SPDX-License-Identifier: BSD-3-Clause
// Forward:
//   1. Skip records that the sequence cannot see.
//   2. The first visible record of a key decides: a value is shown; a tombstone hides the key.
//   3. All other records of a decided key are skipped: a few by stepping, then by a seek.
//
// Backward, where a key's oldest record comes first:
//   1. Walk the records of one key towards its newest, and keep the last one that is visible.
//   2. When the key changes (the source now stands before it): a kept value is shown, a kept
//      tombstone or nothing goes on with the next key.

#include "lsm/iter/db_iterator.h"

#include <cassert>
#include <utility>

#include "lsm/util/quote.h"

namespace lsm {
namespace {

// Steps over versions of one key before seeking past them.
constexpr int kMaxSteps = 8;

// The smallest string above all that begin with `prefix`; absent if there is none.
std::optional<std::string> PrefixEnd(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace

KeyRange KeyRange::From(const IterateOptions& options) {
  KeyRange range;
  range.lower = options.prefix;
  if (options.lower && options.lower->key >= range.lower) {
    range.lower = options.lower->key;
    range.lower_exclusive = !options.lower->inclusive;
  }
  if (!options.prefix.empty()) range.upper = PrefixEnd(options.prefix);
  if (options.upper && (!range.upper || options.upper->key < *range.upper)) {
    range.upper = options.upper->key;
    range.upper_inclusive = options.upper->inclusive;
  }
  if (range.upper) {
    const int order = range.lower.compare(*range.upper);
    range.empty = order > 0 || (order == 0 && (range.lower_exclusive || !range.upper_inclusive));
  }
  return range;
}

bool KeyRange::AboveLower(std::string_view key) const {
  return lower_exclusive ? key > lower : key >= lower;
}

bool KeyRange::BelowUpper(std::string_view key) const {
  if (!upper) return true;
  return upper_inclusive ? key <= *upper : key < *upper;
}

bool KeyRange::Overlaps(std::string_view smallest, std::string_view largest) const {
  return !empty && AboveLower(largest) && BelowUpper(smallest);
}

DbIterator::DbIterator(std::unique_ptr<InternalIterator> source, SequenceNumber sequence,
                       KeyRange range, int tables, std::shared_ptr<const void> keep_alive,
                       const BlobSource& blobs)
    : keep_alive_(std::move(keep_alive)),
      source_(std::move(source)),
      sequence_(sequence),
      range_(std::move(range)),
      tables_(tables),
      blobs_(blobs) {}

std::string_view DbIterator::key() const {
  assert(valid_);
  return backward_ ? std::string_view(saved_key_) : source_->user_key();
}

std::string_view DbIterator::value() const {
  assert(valid_);
  if (is_blob_) return blob_.view();
  return backward_ ? std::string_view(saved_value_) : source_->value();
}

SequenceNumber DbIterator::sequence() const {
  assert(valid_);
  return backward_ ? saved_sequence_ : source_->sequence();
}

void DbIterator::End() {
  valid_ = false;
  if (status_.ok()) status_ = source_->status();
}

void DbIterator::Show(RecordType type, std::string_view value) {
  valid_ = true;
  is_blob_ = type == RecordType::kBlob;
  if (!is_blob_ || blobs_.tables == nullptr) return;
  BlobPointer pointer;
  if (const char* why = DecodeBlobPointer(value, &pointer)) {
    status_ = Status::Corruption("key " + Quoted(key()) + ": " + why);
  } else {
    const bool cached_only = blobs_.missing != nullptr;
    Result<PinnedValue> read = blobs_.tables->ReadBlob(pointer, blobs_.fill_cache, cached_only);
    if (read.status().IsWouldBlock()) blobs_.missing->AddBlob(pointer, keep_alive_);
    status_ = read.status();
    if (read.ok()) blob_ = std::move(*read);
  }
  valid_ = status_.ok();
}

bool DbIterator::Usable() {
  valid_ = false;
  return status_.ok() && !range_.empty;
}

void DbIterator::SeekToFirst() {
  if (!Usable()) return;
  backward_ = false;
  source_->Seek(range_.lower, kMaxSequence);
  saved_key_ = range_.lower;
  FindForward(range_.lower_exclusive);
}

void DbIterator::Seek(std::string_view target) {
  if (!range_.AboveLower(target)) return SeekToFirst();
  if (!Usable()) return;
  backward_ = false;
  source_->Seek(target, sequence_);
  FindForward(false);
}

void DbIterator::SeekToLast() {
  if (!Usable()) return;
  backward_ = true;
  if (!range_.upper) {
    source_->SeekToLast();
  } else if (range_.upper_inclusive) {
    source_->SeekBefore(*range_.upper + '\0');  // the next string after it
  } else {
    source_->SeekBefore(*range_.upper);
  }
  FindBackward();
}

void DbIterator::SeekForPrev(std::string_view target) {
  if (!range_.BelowUpper(target)) return SeekToLast();
  if (!Usable()) return;
  backward_ = true;
  source_->SeekBefore(std::string(target) + '\0');
  FindBackward();
}

void DbIterator::PassSavedKey() {
  for (int steps = 0; source_->Valid() && source_->user_key() == saved_key_; ++steps) {
    if (steps == kMaxSteps) {
      source_->Seek(saved_key_ + '\0', kMaxSequence);
      return;
    }
    source_->Next();
  }
}

void DbIterator::FindForward(bool skip_saved) {
  if (skip_saved) PassSavedKey();
  while (source_->Valid()) {
    if (!range_.BelowUpper(source_->user_key())) break;
    if (source_->sequence() > sequence_) {
      source_->Next();
      continue;
    }
    if (source_->type() != RecordType::kTombstone) return Show(source_->type(), source_->value());
    saved_key_.assign(source_->user_key());
    PassSavedKey();
  }
  End();
}

void DbIterator::FindBackward() {
  while (source_->Valid()) {
    if (!range_.AboveLower(source_->user_key())) break;
    saved_key_.assign(source_->user_key());
    RecordType type = RecordType::kTombstone;
    while (source_->Valid() && source_->user_key() == saved_key_) {
      if (source_->sequence() <= sequence_) {
        type = source_->type();
        if (type != RecordType::kTombstone) saved_value_.assign(source_->value());
        saved_sequence_ = source_->sequence();
      }
      source_->Prev();
    }
    // A source that broke within the key may have hidden a newer record of it.
    if (!source_->status().ok()) break;
    if (type != RecordType::kTombstone) return Show(type, saved_value_);
  }
  End();
}

void DbIterator::Next() {
  assert(valid_);
  valid_ = false;
  if (backward_) {
    backward_ = false;
    source_->Seek(saved_key_, kMaxSequence);
  } else {
    saved_key_.assign(source_->user_key());
  }
  FindForward(true);
}

void DbIterator::Prev() {
  assert(valid_);
  valid_ = false;
  if (!backward_) {
    backward_ = true;
    saved_key_.assign(source_->user_key());
    source_->SeekBefore(saved_key_);
  }
  FindBackward();
}

}  // namespace lsm
