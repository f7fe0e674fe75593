// SPDX-License-Identifier: BSD-3-Clause
// Closing and reopening the database of a running Instance.

#include <cassert>
#include <utility>

#include "redis-compat/databases.h"
#include "redis-compat/expiry.h"
#include "redis-compat/instance.h"
#include "redis-compat/reply_gate.h"
#include "redis-compat/scan_cursor.h"
#include "redis-compat/write_gate.h"

namespace redis {

lsm::Status Instance::Reload() {
  // 1. What was executed so far is appended, and nobody uses the database any more.
  // 2. It is closed, which syncs it: replies that wait for a sync may leave.
  // 3. It is opened again, and what was remembered about the old one is read anew.
  assert(in_tick_ && opener_);
  RETURN_IF_ERROR(CloseGroup());
  writer_.reset();
  read_view_.reset();
  write_gate_->WakeAll();
  lsm::Status status = db_->Close();
  if (status.ok()) status = Reopen();
  if (status.ok()) return {};
  host_->Log(lsm::LogLevel::kWarning, "cannot reopen the database: " + status.ToString());
  closed_ = true;
  host_->Stop();
  return status;
}

lsm::Status Instance::Reopen() {
  // The closed one stays until there is another: it refuses whatever it is asked.
  auto db = opener_();
  if (!db.ok()) return db.status();
  UseDatabase(std::move(*db));
  cursors_->Forget();
  active_expiry_->Forget();
  time_persisted_at_ = db_->visible_sequence();
  return databases_->Load(db_->NewReadView().get());
}

}  // namespace redis
