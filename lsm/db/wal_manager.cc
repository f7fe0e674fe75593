// SPDX-License-Identifier: BSD-3-Clause
// Appending. Units of one group go whole into one segment: if the rest of the current one is too
// small, the next one takes them. Only a unit that no segment can hold is cut into groups that
// continue each other; it alone makes up its payload, so that a failure half way leaves a unit
// without end, which replay ignores, and nothing that anybody was promised or refused.
//
// Syncing:
//   1. Note the last appended unit S and how far each segment is written.
//   2. Sync the segments that have something unsynced, oldest first.
//   3. Only then does synced_through become S.

#include "lsm/db/wal_manager.h"

#include <algorithm>
#include <utility>

#include "lsm/format/file_header.h"
#include "lsm/format/log_format.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

constexpr size_t kMaxGroupPayload = size_t{1} << 20;
constexpr size_t kMaxSpares = 2;

size_t PayloadLimit(size_t segment_size) {
  VARVE_CHECK(segment_size >= LogWriter::kMinSegmentSize);
  const size_t room = segment_size - kFileHeaderSize - kLogGroupHeaderSize;
  return std::min(kMaxGroupPayload, room / kLogGroupAlignment * kLogGroupAlignment);
}

}  // namespace

WalManager::WalManager(Clock* clock, size_t segment_size,
                       std::function<Result<std::shared_ptr<LogWriter>>()> next_segment)
    : clock_(clock),
      max_group_payload_(PayloadLimit(segment_size)),
      next_segment_(std::move(next_segment)) {}

void WalManager::Start(std::vector<uint64_t> recovered, const LogPosition& position,
                       std::shared_ptr<LogWriter> segment) {
  position_ = position;
  current_ = std::move(segment);
  synced_through_.store(position.last_sequence, std::memory_order_release);
  MutexLock lock(&mutex_);
  appended_through_ = position.last_sequence;
  if (!recovered.empty()) {
    Segment old;
    old.numbers = std::move(recovered);
    old.end = position;
    old.last_sequence = position.last_sequence;
    segments_.push_back(std::move(old));
  }
  Segment fresh;
  fresh.numbers = {current_->number()};
  fresh.log = current_;
  fresh.end = position;
  fresh.last_sequence = position.last_sequence;
  fresh.written = fresh.synced = current_->offset();
  segments_.push_back(std::move(fresh));
  segment_count_.store(segments_.size(), std::memory_order_relaxed);
}

Status WalManager::TakeOver() {
  std::shared_ptr<LogWriter> old;  // closed outside of the lock
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(failure_);
  if (replaced_at_) {
    position_ = *replaced_at_;
    old = std::exchange(current_, segments_.back().log);
    replaced_at_.reset();
  }
  disturbed_.store(false, std::memory_order_relaxed);
  return {};
}

Status WalManager::Append(const Units& units) {
  if (disturbed_.load(std::memory_order_acquire)) RETURN_IF_ERROR(TakeOver());
  VARVE_CHECK(units.count == 1 || units.payload.size() <= max_group_payload_);
  PayloadCutter cutter(units.payload, units.first_sequence);
  while (!cutter.done()) {
    std::optional<LogWriter::Group> group = cutter.Next(*current_);
    if (!group) {
      RETURN_IF_ERROR(NextSegment());
      continue;
    }
    group->synced_through = synced_through();
    RETURN_IF_ERROR(AddGroup(*group, /*last=*/cutter.done()));
  }
  return {};
}

Status WalManager::AddGroup(const LogWriter::Group& group, bool last) {
  const uint64_t before = current_->offset();
  RETURN_IF_ERROR(current_->AddGroup(group, &position_));
  const int64_t now = last ? std::max<int64_t>(clock_->MonotonicMicros(), 1) : 0;
  MutexLock lock(&mutex_);
  Segment& segment = segments_.back();
  segment.end = position_;
  segment.ends_inside_unit = group.ends_inside_unit;
  segment.last_sequence = group.first_sequence + (group.units == 0 ? 0 : group.units - 1);
  segment.written = current_->offset();
  figures_.groups += 1;
  figures_.bytes_written += current_->offset() - before;
  if (!last) return {};
  appended_through_ = position_.last_sequence;
  if (oldest_unsynced_ == 0) oldest_unsynced_ = now;
  if (first_since_capture_ == 0) first_since_capture_ = now;
  return {};
}

Status WalManager::NextSegment() {
  Result<std::shared_ptr<LogWriter>> next = next_segment_();
  RETURN_IF_ERROR(next.status());
  current_ = std::move(next).value();
  Segment segment;
  segment.numbers = {current_->number()};
  segment.log = current_;
  segment.end = position_;
  segment.last_sequence = position_.last_sequence;
  segment.written = segment.synced = current_->offset();
  MutexLock lock(&mutex_);
  VARVE_CHECK(segments_.back().numbers.back() < current_->number());
  segments_.push_back(std::move(segment));
  segment_count_.store(segments_.size(), std::memory_order_relaxed);
  return {};
}

bool WalManager::SyncSegments(SequenceNumber* target, Status* failed) {
  struct Work {
    std::shared_ptr<LogWriter> log;
    uint64_t written;
    bool full;
  };
  std::vector<Work> work;
  {
    MutexLock lock(&mutex_);
    *target = sync_target_ = appended_through_;
    first_since_capture_ = 0;
    for (const Segment& segment : segments_) {
      if (segment.synced == segment.written) continue;
      work.push_back({segment.log, segment.written, &segment != &segments_.back()});
    }
    figures_.syncs += work.size();
  }
  for (const Work& item : work) {
    if (item.full) item.log->EndWriting();
  }
  for (const Work& item : work) {
    *failed = item.log->Sync();
    if (!failed->ok()) return false;
    MutexLock lock(&mutex_);
    for (Segment& segment : segments_) {
      if (segment.log == item.log) segment.synced = item.written;
    }
  }
  return true;
}

Status WalManager::SyncThrough(SequenceNumber through) {
  MutexLock sync(&sync_mutex_);
  if (synced_through() >= through) return {};
  RETURN_IF_ERROR(failure());
  SequenceNumber target = 0;
  Status failed;
  const bool synced = SyncSegments(&target, &failed);
  std::vector<std::shared_ptr<LogWriter>> closed;  // closed outside of the lock
  MutexLock lock(&mutex_);
  sync_target_ = 0;
  if (!synced) {
    failure_ = failed;
    disturbed_.store(true, std::memory_order_release);
    return failed;
  }
  oldest_unsynced_ = first_since_capture_;
  if (target > synced_through()) synced_through_.store(target, std::memory_order_release);
  for (Segment& segment : segments_) {
    const bool full = &segment != &segments_.back();
    if (full && segment.synced == segment.written) closed.push_back(std::move(segment.log));
  }
  return {};
}

SequenceNumber WalManager::appended_through() const {
  MutexLock lock(&mutex_);
  return appended_through_;
}

bool WalManager::SyncCoversAll() const {
  MutexLock lock(&mutex_);
  return sync_target_ != 0 && sync_target_ >= appended_through_;
}

int64_t WalManager::UnsyncedAgeMicros() const {
  MutexLock lock(&mutex_);
  if (oldest_unsynced_ == 0) return 0;
  return std::max<int64_t>(clock_->MonotonicMicros() - oldest_unsynced_, 1);
}

Status WalManager::failure() const {
  MutexLock lock(&mutex_);
  return failure_;
}

std::optional<WalManager::Removal> WalManager::Removable(SequenceNumber needed) const {
  const SequenceNumber synced = synced_through();
  MutexLock lock(&mutex_);
  Removal removal;
  std::vector<uint64_t> numbers;
  for (const Segment& segment : segments_) {
    if (&segment == &segments_.back()) break;
    if (segment.last_sequence >= needed || segment.last_sequence > synced) break;
    if (segment.synced < segment.written) break;
    numbers.insert(numbers.end(), segment.numbers.begin(), segment.numbers.end());
    // A unit's first half goes together with its second.
    if (segment.ends_inside_unit) continue;
    removal.segments = numbers;
    removal.start = segment.end;
  }
  if (removal.segments.empty()) return std::nullopt;
  return removal;
}

std::vector<uint64_t> WalManager::Retire(const Removal& removal) {
  std::vector<uint64_t> unwanted;
  std::vector<Segment> old;  // closed outside of the lock
  MutexLock lock(&mutex_);
  const uint64_t last = removal.segments.back();
  while (!segments_.empty() && segments_.front().numbers.back() <= last) {
    old.push_back(std::move(segments_.front()));
    segments_.pop_front();
  }
  segment_count_.store(segments_.size(), std::memory_order_relaxed);
  for (const uint64_t number : removal.segments) {
    if (spares_.size() < kMaxSpares) {
      spares_.push_back(number);
    } else {
      unwanted.push_back(number);
    }
  }
  return unwanted;
}

std::optional<uint64_t> WalManager::TakeSpare() {
  MutexLock lock(&mutex_);
  if (spares_.empty()) return std::nullopt;
  const uint64_t number = spares_.back();
  spares_.pop_back();
  return number;
}

void WalManager::SetPrepared(std::shared_ptr<LogWriter> segment) {
  MutexLock lock(&mutex_);
  VARVE_CHECK(prepared_ == nullptr);
  prepared_ = std::move(segment);
  has_prepared_.store(true, std::memory_order_relaxed);
}

std::shared_ptr<LogWriter> WalManager::TakePrepared() {
  MutexLock lock(&mutex_);
  has_prepared_.store(false, std::memory_order_relaxed);
  return std::move(prepared_);
}

void WalManager::Replace(std::shared_ptr<LogWriter> segment, const LogPosition& position) {
  Segment fresh;
  fresh.numbers = {segment->number()};
  fresh.end = position;
  fresh.last_sequence = position.last_sequence;
  fresh.written = fresh.synced = segment->offset();
  fresh.log = std::move(segment);
  std::deque<Segment> old;  // closed outside of the lock
  MutexLock lock(&mutex_);
  old.swap(segments_);
  segments_.push_back(std::move(fresh));
  segment_count_.store(segments_.size(), std::memory_order_relaxed);
  replaced_at_ = position;
  failure_ = Status();
  disturbed_.store(true, std::memory_order_release);
  oldest_unsynced_ = first_since_capture_ = 0;
  synced_through_.store(position.last_sequence, std::memory_order_release);
}

std::vector<uint64_t> WalManager::Numbers() const {
  MutexLock lock(&mutex_);
  std::vector<uint64_t> numbers;
  for (const Segment& segment : segments_) {
    numbers.insert(numbers.end(), segment.numbers.begin(), segment.numbers.end());
  }
  if (prepared_ != nullptr) numbers.push_back(prepared_->number());
  return numbers;
}

WalManager::Extent WalManager::Capture() const {
  MutexLock lock(&mutex_);
  Extent extent;
  for (const Segment& segment : segments_) {
    for (const uint64_t number : segment.numbers) {
      extent.parts.push_back({number, segment.written});
    }
  }
  extent.last_sequence = segments_.back().end.last_sequence;
  return extent;
}

LogPosition WalManager::End() const {
  MutexLock lock(&mutex_);
  return segments_.back().end;
}

SequenceNumber WalManager::OldestSegmentLast() const {
  MutexLock lock(&mutex_);
  return segments_.size() > 1 ? segments_.front().last_sequence : 0;
}

WalManager::Figures WalManager::figures() const {
  MutexLock lock(&mutex_);
  Figures figures = figures_;
  figures.segments = segments_.size();
  return figures;
}

}  // namespace lsm
