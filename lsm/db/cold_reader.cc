// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/db/cold_reader.h"

#include <utility>

#include "lsm/util/check.h"

namespace lsm {

ColdReader::PartKey ColdReader::KeyOf(const MissingPart& part) {
  if (part.blob) return {part.blob->file, 0, part.blob->block.offset};
  return {part.file->file, part.file->slice_tree,
          part.table != nullptr ? part.block : TableReader::kNoBlock};
}

void ColdReader::Fetch(std::shared_ptr<ColdReadImpl> read,
                       std::function<void(const Status&)> done) {
  std::vector<MissingPart> jobs;
  bool nothing_to_wait_for = false;
  {
    MutexLock lock(&mutex_);
    VARVE_CHECK(!read->fetched_);
    read->fetched_ = true;
    read->done_ = std::move(done);
    if (stopped_) read->status_ = Status::Aborted("the database is closing");
    nothing_to_wait_for = stopped_ || read->parts_.empty();
    if (!nothing_to_wait_for) {
      read->waiting_for_ = read->parts_.size();
      for (const MissingPart& part : read->parts_) {
        Waiters& waiters = flight_[KeyOf(part)];
        if (waiters.empty()) {
          jobs.push_back(part);
        } else {
          ++figures_.joined;
        }
        waiters.push_back(read);
      }
      jobs_ += jobs.size();
    }
  }
  if (nothing_to_wait_for) return Finish(read);
  for (MissingPart& part : jobs) {
    executor_->Schedule(Executor::Lane::kRead,
                        [this, part = std::move(part)]() mutable { RunJob(std::move(part)); });
  }
}

ColdReader::Fetched ColdReader::Read(const MissingPart& part) {
  Fetched fetched;
  if (part.blob) {
    Result<BlockCache::Pin> value = tables_->PinBlob(*part.blob);
    fetched.status = value.status();
    if (value.ok()) fetched.block = std::move(*value);
    return fetched;
  }
  if (part.table == nullptr) {
    Result<std::shared_ptr<const TableReader>> table =
        tables_->Find(part.file->file, part.file->slice_tree);
    fetched.status = table.status();
    if (table.ok()) fetched.table = std::move(*table);
    return fetched;
  }
  Result<BlockCache::Pin> block = part.table->PinBlock(part.block);
  fetched.status = block.status();
  if (block.ok()) fetched.block = std::move(*block);
  fetched.table = part.table;
  return fetched;
}

bool ColdReader::Receive(Fetched fetched, ColdReadImpl* read) {
  if (read->status_.ok()) read->status_ = std::move(fetched.status);
  if (fetched.table != nullptr) read->tables_.push_back(std::move(fetched.table));
  if (!fetched.block.empty()) read->blocks_.push_back(std::move(fetched.block));
  return --read->waiting_for_ == 0;
}

void ColdReader::Finish(const std::shared_ptr<ColdReadImpl>& read) {
  // What the function owns, perhaps the ColdRead itself, is let go of here and now.
  const std::function<void(const Status&)> done = std::exchange(read->done_, nullptr);
  done(read->status_);
}

// What the job itself holds keeps the part in memory until every waiter has a hold of its own, so
// for them nothing is read again.
void ColdReader::RunJob(MissingPart part) {
  {
    bool stopped;
    {
      MutexLock lock(&mutex_);
      stopped = stopped_;
      ++figures_.fetched;
    }
    Fetched first;
    first.status = Status::Aborted("the database is closing");
    if (!stopped) first = Read(part);
    Waiters waiters;
    {
      MutexLock lock(&mutex_);
      waiters = std::move(flight_.extract(KeyOf(part)).mapped());
    }
    for (const std::shared_ptr<ColdReadImpl>& read : waiters) {
      Fetched own;
      own.status = first.status;
      if (first.status.ok()) own = Read(part);
      bool last;
      {
        MutexLock lock(&mutex_);
        last = Receive(std::move(own), read.get());
      }
      if (last) Finish(read);
    }
    part = MissingPart();
  }
  MutexLock lock(&mutex_);
  if (--jobs_ == 0) idle_.SignalAll();
}

void ColdReader::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  while (jobs_ > 0) {
    mutex_.Unlock();
    const bool helped = executor_->HelpWhileWaiting();
    mutex_.Lock();
    if (!helped && jobs_ > 0) idle_.Wait(&mutex_);
  }
}

ColdReader::Figures ColdReader::figures() const {
  MutexLock lock(&mutex_);
  return figures_;
}

}  // namespace lsm
