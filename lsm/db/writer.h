// SPDX-License-Identifier: BSD-3-Clause
// WriterImpl holds DBImpl's writer lock. Thread safety: belongs to the thread that locked it.

#pragma once

#include "lsm/db.h"
#include "lsm/db/db_impl.h"
#include "lsm/db/read_view.h"

namespace lsm {

class WriterImpl final : public Writer {
 public:
  // REQUIRES: the caller has locked the writer lock, for this object to give back.
  explicit WriterImpl(DBImpl* db);
  ~WriterImpl() override;

  Result<SequenceNumber> Commit(const WriteBatch& unit) override;
  Result<SequenceNumber> CloseGroup() override;
  bool HasOpenGroup() const override;
  ReadView* view() override { return &view_; }

 private:
  DBImpl* const db_;
  ReadViewImpl view_;
};

}  // namespace lsm
