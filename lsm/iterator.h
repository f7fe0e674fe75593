// SPDX-License-Identifier: BSD-3-Clause
// Iterator walks the live keys of a tree in bytewise order, both ways.
//
// It shows the state of the ReadView that made it and must not outlive that view. Deleted keys are
// hidden; each key is shown once.
//
// An iterator that has left its bounds stays !Valid() until it is positioned again. After an error
// it is !Valid() and status() says why; positioning it again does not clear the error.
//
// Thread safety: none.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/types.h"

namespace lsm {

struct Bound {
  std::string key;
  bool inclusive = true;
};

struct IterateOptions {
  std::optional<Bound> lower;  // absent: from the first key
  std::optional<Bound> upper;  // absent: to the last key
  // Only keys that begin with this; combines with the bounds.
  std::string prefix;
  // Values are not looked at, so big ones need not be read; value() may not be called.
  bool keys_only = false;
  // A scan that should not wash the block cache out.
  bool fill_cache = true;
};

class Iterator {
 public:
  virtual ~Iterator() = default;

  virtual bool Valid() const = 0;
  virtual Status status() const = 0;

  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first key >= target.
  virtual void Seek(std::string_view target) = 0;
  // To the last key <= target.
  virtual void SeekForPrev(std::string_view target) = 0;
  // REQUIRES: Valid()
  virtual void Next() = 0;
  virtual void Prev() = 0;

  // Valid until the iterator moves. REQUIRES: Valid()
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  // The unit that wrote the shown record.
  virtual SequenceNumber sequence() const = 0;

  // How many tables (memtables and SST files) this scan reads; those whose key range cannot hold
  // the bounds are not among them.
  virtual int num_active_iterators() const = 0;
};

}  // namespace lsm
