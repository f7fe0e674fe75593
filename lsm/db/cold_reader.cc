// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/db/cold_reader.h"

#include <algorithm>
#include <utility>

#include "lsm/util/check.h"

namespace lsm {

ColdReader::PartKey ColdReader::KeyOf(const MissingPart& part) {
  if (part.blob) return {part.blob->file, 0, part.blob->block.offset};
  return {part.file->file, part.file->slice_tree,
          part.table != nullptr ? part.block : TableReader::kNoBlock};
}

size_t ColdReader::StoredSize(const MissingPart& part) {
  if (part.blob) return part.blob->stored_size();
  return part.table != nullptr ? part.table->BlockSize(part.block) : 0;
}

ColdReadImpl::~ColdReadImpl() {
  blocks_.clear();
  tables_.clear();
  parts_.clear();
  if (reader_ != nullptr) reader_->Release(bytes_);
}

void ColdReader::Fetch(std::shared_ptr<ColdReadImpl> read,
                       std::function<void(const Status&)> done) {
  VARVE_CHECK(read->reader_ == nullptr);
  read->reader_ = this;
  read->done_ = std::move(done);
  Jobs jobs;
  {
    MutexLock lock(&mutex_);
    if (stopped_) read->status_ = Status::Aborted("the database is closing");
    if (!stopped_ && !read->parts_.empty()) {
      queue_.push_back(std::exchange(read, nullptr));
      jobs = TakeJobs();
    }
  }
  if (read != nullptr) return Finish(read);
  Schedule(std::move(jobs));
}

ColdReader::Jobs ColdReader::TakeJobs() {
  // Less than this is not worth waiting for.
  constexpr size_t kLeastRoom = size_t{4} << 20;
  const size_t room = std::max(blocks_->capacity_bytes() / 2, kLeastRoom);
  Jobs jobs;
  while (!queue_.empty()) {
    size_t bytes = 0;
    for (const MissingPart& part : queue_.front()->parts_) bytes += StoredSize(part);
    if (under_way_ > 0 && (pinned_ > room || bytes > room - pinned_)) break;
    std::shared_ptr<ColdReadImpl> read = std::move(queue_.front());
    queue_.pop_front();
    ++under_way_;
    pinned_ += bytes;
    read->bytes_ = bytes;
    read->waiting_for_ = read->parts_.size();
    for (const MissingPart& part : read->parts_) {
      Waiters& waiters = flight_[KeyOf(part)];
      if (waiters.empty()) {
        jobs.push_back(part);
      } else {
        ++figures_.joined;
      }
      waiters.push_back({read, part.ahead});
    }
  }
  jobs_ += jobs.size();
  return jobs;
}

void ColdReader::Schedule(Jobs jobs) {
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

void ColdReader::Receive(Fetched fetched, size_t stored_size, const Waiter& waiter) {
  ColdReadImpl* const read = waiter.read.get();
  Jobs jobs;
  {
    MutexLock lock(&mutex_);
    const bool tolerable = waiter.ahead && !fetched.status.IsAborted();
    if (read->status_.ok() && !tolerable) read->status_ = std::move(fetched.status);
    if (fetched.table != nullptr) read->tables_.push_back(std::move(fetched.table));
    const size_t size = fetched.block.empty() ? 0 : fetched.block.charge();
    read->bytes_ += size - stored_size;
    pinned_ += size - stored_size;
    if (!fetched.block.empty()) read->blocks_.push_back(std::move(fetched.block));
    if (--read->waiting_for_ != 0) return;
    --under_way_;
    if (!stopped_) jobs = TakeJobs();
  }
  Schedule(std::move(jobs));
  Finish(waiter.read);
}

void ColdReader::Release(size_t bytes) {
  Jobs jobs;
  {
    MutexLock lock(&mutex_);
    pinned_ -= bytes;
    if (!stopped_) jobs = TakeJobs();
  }
  Schedule(std::move(jobs));
  released_();
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
    for (const Waiter& waiter : waiters) {
      Fetched own;
      own.status = first.status;
      if (first.status.ok()) own = Read(part);
      Receive(std::move(own), StoredSize(part), waiter);
    }
    part = MissingPart();
  }
  MutexLock lock(&mutex_);
  if (--jobs_ == 0) idle_.SignalAll();
}

void ColdReader::Stop() {
  std::deque<std::shared_ptr<ColdReadImpl>> queued;
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    queued.swap(queue_);
  }
  for (const std::shared_ptr<ColdReadImpl>& read : queued) {
    read->status_ = Status::Aborted("the database is closing");
    Finish(read);
  }
  MutexLock lock(&mutex_);
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
